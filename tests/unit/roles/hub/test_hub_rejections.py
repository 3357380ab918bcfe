"""What is not authentic is refused with its own code, written down as rejected, and leaves nothing half done."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hub_country import HUB_1, HUB_2, NOON, OVERSIGHT, PORTAL, REGISTRY, HubCountry, X, Y, code_of, commits_refused
from sqlalchemy import update

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64, parse_envelope, seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    InquiryRelayed,
    InquiryRequest,
    LoggedRecord,
    LogRecord,
    RelayInquiry,
)
from kumihimo.roles.hub.store import Append, LogStore
from kumihimo.roles.hub.store.tables import kept_answers


def rejected(country: HubCountry) -> list[tuple[str | None, str | None]]:
    records = [record for record in country.log() if record.entry is EntryKind.REJECTED]
    return [(record.peer, record.refusal.code if record.refusal else None) for record in records]


def signed_request(country: HubCountry, party: PartyId = X) -> Envelope:
    (hanako,) = country.issue("x-city", ["hanako"])
    return country.edge(party).answer(country.party(X).request(hanako))


def altered(envelope: Envelope) -> bytes:
    payload = envelope.payload_bytes().replace(b'"provider":"y-city"', b'"provider":"z-town"')
    return envelope.model_copy(update={"payload": b64(payload)}).model_dump_json().encode()


def test_a_tampered_request_is_rejected(country: HubCountry) -> None:
    body = altered(signed_request(country))
    assert code_of(country.party(X).post("/inquiries", body)) == "message.signature_invalid"
    assert rejected(country) == [(X, "message.signature_invalid")]


@pytest.mark.parametrize("missing", ["empty", "absent"])
def test_an_unsigned_request_is_rejected(country: HubCountry, missing: str) -> None:
    document = json.loads(signed_request(country).model_dump_json())
    document["signatures"] = []
    if missing == "absent":
        del document["signatures"]
    assert code_of(country.party(X).post("/inquiries", json.dumps(document).encode())) == "message.unsigned"
    assert rejected(country) == [(X, "message.unsigned")]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"signatures": [{"keyid": 1}]}', b"\xff\xfe"])
def test_bytes_that_are_no_message_are_rejected(country: HubCountry, body: bytes) -> None:
    assert code_of(country.party(X).post("/inquiries", body)) == "message.malformed"
    assert rejected(country) == [(X, "message.malformed")]


def test_a_message_of_nine_megabytes_is_not_even_read(country: HubCountry) -> None:
    assert code_of(country.party(X).post("/inquiries", b" " * 9_000_000)) == "message.too_large"
    assert country.log() == []


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_request_from_another_time_is_rejected(country: HubCountry, minutes: int) -> None:
    body = signed_request(country).model_dump_json().encode()
    country.clock.at = NOON + timedelta(minutes=minutes)
    assert code_of(country.party(X).post("/inquiries", body)) == "message.stale"
    assert rejected(country) == [(X, "message.stale")]


def test_one_city_cannot_hand_in_the_request_of_another(country: HubCountry) -> None:
    body = signed_request(country).model_dump_json().encode()
    assert code_of(country.party(Y).post("/inquiries", body)) == "message.wrong_signer"
    assert rejected(country) == [(Y, "message.wrong_signer")]


def test_one_city_cannot_ask_in_the_name_of_another(country: HubCountry) -> None:
    body = signed_request(country, Y).model_dump_json().encode()
    assert code_of(country.party(Y).post("/inquiries", body)) == "message.wrong_signer"
    assert rejected(country) == [(Y, "message.wrong_signer")]


@pytest.mark.parametrize("party", [REGISTRY, OVERSIGHT, PartyId("x-city/ledger")])
def test_only_exchanges_ask(country: HubCountry, party: PartyId) -> None:
    body = signed_request(country, party).model_dump_json().encode()
    assert code_of(country.party(party).post("/inquiries", body)) == "peer.not_allowed"
    assert rejected(country) == [(party, "peer.not_allowed")]


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        (bytes(64), "codes.identity_point"),
        (b"\xff" * 64, "codes.not_a_point"),
        (b"\x01" * 63, "codes.not_a_point"),
    ],
)
def test_what_is_no_encrypted_code_is_refused_before_it_is_translated(
    country: HubCountry, subject: bytes, code: str
) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    decision = country.party(X).inquire(hanako, subject=b64(subject))
    assert decision.permit is None
    assert decision.refusal is not None
    assert decision.refusal.code == code
    assert country.log()[-1].granted is False
    assert [path for _, path, _, _ in country.carried if path == "/relayed-inquiries"] == []


def relay(country: HubCountry, **changes: object) -> RelayInquiry:
    """What operator 1 would pass on for a lawful request, with changes; sent by nobody yet."""
    (hanako,) = country.issue("x-city", ["hanako"])
    country.down.add(HUB_2)
    with pytest.raises(Problem):
        country.party(X).inquire(hanako)
    country.down.clear()
    logged = country.overseen()[-2].logged
    request = parse_envelope(next(body for _, path, body, _ in country.carried if path == "/inquiries"))
    asked = InquiryRequest.model_validate_json(request.payload_bytes())
    operator, subject = country.operators[HUB_1], from_b64(asked.subject, "subject")
    seed = operator.seeds.seed(asked.transaction, country.clock.now())
    for_provider, for_portal = (
        b64(operator.translator.hop([subject], "x-city#1", target, seed=seed)[0]) for target in ("y-city#1", "portal#1")
    )
    fields = {"request": request, "logged": logged, "for_provider": for_provider, "for_portal": for_portal}
    return country.party(HUB_1).message(RelayInquiry, HUB_2, **{**fields, **changes})


def pass_on(country: HubCountry, message: RelayInquiry) -> InquiryRelayed:
    return country.party(HUB_1).wire.send("/relayed-inquiries", message, InquiryRelayed).value


def test_operator_2_takes_a_request_once(country: HubCountry) -> None:
    message = relay(country)
    first = pass_on(country, message)
    assert first.permit is not None
    assert pass_on(country, message) == first
    assert len(country.party(PORTAL).feed(HUB_2)) == 1
    with country.engine(HUB_2).begin() as conn:
        conn.execute(update(kept_answers).values(request_hash="0" * 64))
    with pytest.raises(Problem) as caught:
        pass_on(country, message)
    assert caught.value.code == "message.replayed", "what was answered then was another request"


def test_operator_2_does_not_take_a_request_that_its_requester_did_not_sign(country: HubCountry) -> None:
    message = relay(country)
    forged = json.loads(message.request.payload_bytes())
    mine = seal_envelope(InquiryRequest.model_validate(forged), country.edge(HUB_1).identity)
    with pytest.raises(Problem) as caught:
        pass_on(country, message.model_copy(update={"request": mine}))
    assert caught.value.code == "message.wrong_signer"
    tampered = parse_envelope(altered(message.request))
    with pytest.raises(Problem) as caught:
        pass_on(country, message.model_copy(update={"request": tampered}))
    assert caught.value.code == "message.signature_invalid"
    assert country.party(PORTAL).feed(HUB_2) == ()


@pytest.mark.parametrize(
    "told",
    [
        {"provider": "z-town"},
        {"case_reference_hash": "1" * 64},
        {"subject_hash": "1" * 64},
        {"rules": ("act-2016/11/26",)},
        {"granted": False},
    ],
)
def test_operator_2_does_not_pass_what_operator_1_logged_wrongly(country: HubCountry, told: dict[str, object]) -> None:
    """Operator 1 cannot log one thing and have another permitted, even with a promise that fits."""
    message = relay(country)
    record = message.logged.record.model_copy(update=told)
    logged = promised(country, record)
    with pytest.raises(Problem) as caught:
        pass_on(country, message.model_copy(update={"logged": logged}))
    assert caught.value.code == "log.proof_invalid"
    assert country.party(PORTAL).feed(HUB_2) == ()


def promised(country: HubCountry, record: LogRecord) -> LoggedRecord | None:
    log = LogStore(country.engine(HUB_1), country.edge(HUB_1).answer, "oversight/body")
    logged = log.append(Append(record, bytes(32)))
    log.close()
    return logged


def test_operator_2_does_not_believe_a_promise_about_another_record(country: HubCountry) -> None:
    message = relay(country)
    other = country.overseen()[0].logged.promise
    logged = message.logged.model_copy(update={"promise": other})
    with pytest.raises(Problem) as caught:
        pass_on(country, message.model_copy(update={"logged": logged}))
    assert caught.value.code == "log.proof_invalid"


def test_operator_2_listens_to_operator_1_alone(country: HubCountry) -> None:
    body = country.edge(X).answer(relay(country)).model_dump_json().encode()
    assert code_of(country.party(X).post("/relayed-inquiries", body, HUB_2)) == "peer.not_allowed"


def test_a_rejection_that_cannot_be_written_down_is_not_answered_as_one(country: HubCountry) -> None:
    body = altered(signed_request(country))
    before = country.log()
    with commits_refused(country.engine(HUB_1)):
        assert code_of(country.party(X).post("/inquiries", body)) == "internal"
    assert country.log() == before
