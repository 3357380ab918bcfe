"""Inquiries that come together: what becomes of one does not depend on its company."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, PORTAL, HubCountry, X, Y

from kumihimo.domain.codes import decrypt
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Signed, from_b64
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, InquiryDecision, InquiryRequest, Permit


def together(country: HubCountry, *requests: InquiryRequest) -> list[Signed[InquiryDecision] | Problem]:
    return country.party(X).wire.send_all("/inquiries", requests, InquiryDecision)


def became(answer: Signed[InquiryDecision] | Problem) -> str:
    """The code of a refusal or a problem, or "permit"."""
    if isinstance(answer, Problem):
        return answer.code
    refusal = answer.value.refusal
    return "permit" if refusal is None else refusal.code


def test_each_gets_the_permit_for_its_own_person(country: HubCountry) -> None:
    people = ["hanako", "taro", "jiro"]
    at_x, at_y = country.issue("x-city", people), country.issue("y-city", people)
    asker, key = country.party(X), country.party(Y).link_key()
    requests = [asker.request(code) for code in at_x]
    found = []
    for request, answer in zip(requests, together(country, *requests), strict=True):
        assert isinstance(answer, Signed)
        decision = answer.value
        assert decision.permit is not None
        assert decision.subject is not None
        permit = asker.edge.read(decision.permit, Permit, HUB_1, HUB_2).value
        assert permit.transaction == decision.transaction == request.transaction
        found.append(decrypt(from_b64(decision.subject, "subject"), key))
    assert found == at_y
    relayed = [sent for to, path, sent, _ in country.carried if path == "/relayed-inquiries"]
    assert [len(json.loads(sent)) for sent in relayed] == [3]  # in one request to operator 2, too


def test_what_becomes_of_one_does_not_touch_the_others(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    asker = country.party(X)
    used = asker.request(hanako)
    asker.send(used)
    answers = together(
        country,
        asker.request(hanako),
        asker.request(hanako, affair="library.cards"),
        asker.request(hanako, transaction=used.transaction),
        asker.request(hanako, subject="AAAA"),
        asker.request(hanako, requester="y-city"),
        asker.request(hanako).model_copy(update={"sent_at": country.clock.at - timedelta(minutes=6)}),
        asker.request(hanako),
    )
    assert [became(one) for one in answers] == [
        "permit", "affair.unknown", "message.replayed", "codes.not_a_point", "message.wrong_signer", "message.stale",
        "permit",
    ]  # fmt: skip
    kinds = [record.entry for record in country.log()]
    assert kinds.count(EntryKind.REJECTED) == 2
    told = [item for item in country.party(PORTAL).feed(HUB_2) if item.kind == "access"]
    assert len(told) == 4  # of the first, of both permits, and of what the law refused; the number was another's


def test_the_same_request_twice_in_one_company_is_one_request(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    request = country.party(X).request(hanako)
    one, same = together(country, request, request)
    assert isinstance(one, Signed)
    assert isinstance(same, Signed)
    assert (one.value.permit, one.value.subject) == (same.value.permit, same.value.subject)
    entries = [record for record in country.log() if record.transaction == request.transaction]
    assert [record.granted for record in entries] == [True]
    assert len([item for item in country.party(PORTAL).feed(HUB_2) if item.kind == "access"]) == 1


def test_without_operator_2_each_is_logged_as_refused(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    requests = [country.party(X).request(hanako) for _ in range(3)]
    country.down.add(HUB_2)
    assert [became(one) for one in together(country, *requests)] == ["operator.unreachable"] * 3
    for request in requests:
        of = [record for record in country.log() if record.transaction == request.transaction]
        assert [record.granted for record in of] == [True, False]
    country.down.clear()
    assert [became(one) for one in together(country, *requests)] == ["permit"] * 3


def test_a_quota_counts_each(country: HubCountry, hub_keys: Any, tmp_path: Any) -> None:
    (tmp_path / "narrow").mkdir()
    narrow = HubCountry(hub_keys, tmp_path / "narrow", overrides={1: {"requests_per_minute": 2}})
    (hanako,) = narrow.issue("x-city", ["hanako"])
    answers = together(narrow, *(narrow.party(X).request(hanako) for _ in range(3)))
    assert [became(one) for one in answers] == ["permit", "permit", "quota.exceeded"]
    for operator in narrow.operators.values():
        operator.engine.dispose()


@pytest.mark.parametrize("body", [b"[]", b"[1]", b'[{"payloadType":"x","payload":"","signatures":[]}]'])
def test_what_holds_no_messages_is_refused_whole_and_logged_once(country: HubCountry, body: bytes) -> None:
    before = len(country.log())
    document = country.party(X).post("/inquiries", body)
    assert document["status"] in (400, 401)
    assert [record.entry for record in country.log()[before:]] == [EntryKind.REJECTED]


def test_operator_2_believes_no_company_either(country: HubCountry) -> None:
    """A relay that says something else than the request is refused in its place; the one beside it passes."""
    (hanako,) = country.issue("x-city", ["hanako"])
    together(country, *(country.party(X).request(hanako) for _ in range(2)))
    (sent,) = [sent for to, path, sent, _ in country.carried if path == "/relayed-inquiries"]
    first, second = json.loads(sent)
    country.clock.at += timedelta(seconds=1)
    answer = country.carry(
        HUB_1, HUB_2, "POST", "/relayed-inquiries", json.dumps([{**first, "payload": second["payload"]}, second]), None
    ).json()
    assert answer[0]["type"].endswith("message.signature_invalid")
    assert "payload" in answer[1]  # known again, and answered as before
