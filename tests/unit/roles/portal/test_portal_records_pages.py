"""Residents see every access as a sentence, choose among them, take them along, and prove each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from portal_site import PortalSite, at, portal_site

from kumihimo.domain.codes import Point
from kumihimo.domain.kernel import legal_day
from kumihimo.domain.transparency.access_proof import verify_proof_file
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Part
from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Outcome, PortalAccess, PortalOutcome, Refusal
from kumihimo.plumbing.wire.remote_log import RemoteLog
from kumihimo.roles.portal.service.intake import Intake
from kumihimo.roles.portal.service.proofs import Proofs
from kumihimo.roles.portal.service.record_list import RecordList, as_csv, months
from kumihimo.roles.portal.service.sentences import Names
from kumihimo.roles.portal.store import PortalStore


@pytest.fixture
def site(tmp_path: Path, edge_of: Callable[[str], Edge], operators: Any, names: Names) -> Iterator[PortalSite]:
    def records(store: PortalStore) -> RecordList:
        proofs = Proofs(RemoteLog(operators), operators.log_key.verifier_key, [operators.witness.witness_key])
        return RecordList(store, lambda: names, proofs)

    with portal_site(tmp_path, edge_of("portal/portal"), records=records) as site:
        yield site


@pytest.fixture
def hear(site: PortalSite, operators: Any, edge_of: Callable[[str], Edge]) -> Callable[..., None]:
    intake = Intake(edge_of("portal/portal"), lambda _epoch: operators.secret, str)
    kinds = {PortalAccess: "access", PortalOutcome: "outcome"}

    def heard(*told: Part) -> None:
        for seq, one in enumerate(told, 1):
            item = FeedItem(seq, kinds[type(one)], one.model_dump(mode="json"), site.clock.now())
            with site.store.transaction() as transaction:
                intake.apply(transaction, item)

    return heard


@pytest.fixture
def hanako(
    site: PortalSite, operators: Any, hear: Callable[..., None], code_of: Callable[[int], Point],
    request_of: Callable[..., LogRecord],
) -> PortalSite:  # fmt: skip
    """Somebody with four records: provided, refused, awaited, and her own look; and somebody else's."""
    code = bytes(code_of(1))
    provided = request_of(1)
    refusal = Refusal(
        code="rules.item_not_in_affair", reason_ja="この事務では求められません。", reason_en="Not for this affair."
    )
    refused = request_of(2, requester="tax-office", granted=False, refusal=refusal, logged_at=at() - timedelta(days=40))
    awaited = request_of(3, requester="health-insurer", logged_at=at() - timedelta(days=1))
    own = request_of(4, requester="portal")
    other = request_of(5)
    hear(
        *(operators.access(code, record) for record in (refused, awaited, provided, own)),
        operators.outcome(provided, Outcome.PROVIDED),
        operators.access(bytes(code_of(2)), other),
    )
    operators.publish()
    site.log_in(site.new_account(code))
    return site


def test_every_request_about_me_is_a_sentence_and_nobody_else_s_is_there(hanako: PortalSite) -> None:
    page = hanako.client.get("/records").text
    assert "X市がY市からあなたの地方税関係情報を受け取りました" in page
    assert "認められませんでした" in page
    assert "3件（全部で4件）" in page
    assert page.count("<li>") == 3
    assert "received your information" in hanako.client.get("/records?lang=en").text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("office=tax-office", 1),
        ("result=refused", 1),
        ("month=2026-06", 2),
        ("q=ｘ市", 1),
        ("own=1", 4),
        ("office=tax-office&result=provided", 0),
        ("page=9", 0),
        ("month=nonsense", 0),
    ],
)
def test_records_are_chosen_by_office_outcome_month_and_words(hanako: PortalSite, query: str, count: int) -> None:
    answer = hanako.client.get(f"/records?{query}")
    assert answer.status_code == 200
    assert answer.text.count("<li>") == count


def test_what_was_chosen_can_be_taken_along(hanako: PortalSite) -> None:
    document = json.loads(hanako.client.get("/records.json?result=refused").content)
    assert [(one["requester"], one["result"]) for one in document] == [("tax-office", "refused")]
    table = hanako.client.get("/records.csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["result"] for row in rows] == ["provided", "unreported", "refused"]
    assert rows[0]["articles"] == "番号法 別表第二 74の項"


def test_a_record_shows_its_rule_and_a_proof_that_holds_offline(hanako: PortalSite, operators: Any) -> None:
    index = json.loads(hanako.client.get("/records.json?result=provided").content)[0]["log_index"]
    page = hanako.client.get(f"/records/{index}").text
    assert "番号法 別表第二 74の項" in page
    assert "このブラウザーで確かめる" in page
    for name in ("proof", "outcome-proof"):
        file = hanako.client.get(f"/records/{index}/{name}.json")
        assert "attachment" in file.headers["Content-Disposition"]
        assert verify_proof_file(file.content, operators.log_key.verifier_key, [operators.witness.witness_key])


def test_somebody_else_s_record_is_no_record_of_mine(hanako: PortalSite, operators: Any) -> None:
    last = len(operators.entries) - 1
    assert hanako.client.get(f"/records/{last}").status_code == 404
    assert hanako.client.get(f"/records/{last}/proof.json").status_code == 404


def test_a_proof_that_is_not_there_yet_says_so(
    hanako: PortalSite, hear: Callable[..., None], operators: Any, code_of: Callable[[int], Point],
    request_of: Callable[..., LogRecord],
) -> None:  # fmt: skip
    hear(operators.access(bytes(code_of(1)), request_of(9)))
    index = len(operators.entries) - 1
    assert "数秒" in hanako.client.get(f"/records/{index}").text
    assert hanako.client.get(f"/records/{index}/proof.json").status_code == 404


def test_a_mandate_for_something_else_opens_no_records(hanako: PortalSite) -> None:
    giver = hanako.site.sessions.visitor(hanako.client.cookies["__Host-session"])
    assert giver is not None
    mandates, last_day = hanako.site.mandates, legal_day(hanako.clock.now())
    invitation = mandates.give(giver.account, "child", frozenset({"notices"}), last_day)
    held = mandates.accept(hanako.log_in(), invitation)
    visitor = hanako.site.sessions.visitor(hanako.client.cookies["__Host-session"])
    assert visitor is not None
    hanako.site.sessions.act(visitor, held.id)
    for path in ("/records", "/records.csv", "/records/0", "/records/0/proof.json"):
        assert hanako.client.get(path).status_code == 403


def test_the_start_page_says_who_looked_lately(hanako: PortalSite) -> None:
    page = hanako.client.get("/").text
    assert "最近のアクセス" in page
    assert "X市がY市から" in page


def test_months_without_a_record_are_drawn_too(hanako: PortalSite) -> None:
    account = hanako.site.sessions.visitor(hanako.client.cookies["__Host-session"])
    assert account is not None
    found = months(hanako.site.records.all(account.account))
    assert found == [("2026-04", 1), ("2026-05", 0), ("2026-06", 3)]


def test_a_cell_is_never_a_formula(hanako: PortalSite) -> None:
    visitor = hanako.site.sessions.visitor(hanako.client.cookies["__Host-session"])
    assert visitor is not None
    (one, *_) = hanako.site.records.all(visitor.account)
    kept = replace(one.kept, record=one.record.model_copy(update={"affair": "=HYPERLINK()"}))
    assert b"'=HYPERLINK()" in as_csv([replace(one, kept=kept)], "ja")
