"""Signed envelopes: what is not signed, not by the right party, not for us, not now or not whole is not read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_country import EXCHANGE, HUB_1, HUB_2, LEDGER, OTHER, STRANGER, Answer, Question, SmallCountry

from kumihimo.domain.kernel import FixedClock, PartyId, Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import (
    FRESHNESS,
    Document,
    Envelope,
    Signature,
    add_signature,
    b64,
    from_b64,
    open_envelope,
    parse_envelope,
    seal_envelope,
)

NOON = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)


class Promise(Document):
    KIND: ClassVar[str] = "promise.v1"
    text: str


@pytest.fixture
def ledger(country: SmallCountry) -> Edge:
    return country.edge(LEDGER, FixedClock(NOON))


@pytest.fixture
def exchange(country: SmallCountry) -> Edge:
    return country.edge(EXCHANGE, FixedClock(NOON))


def refused(edge: Edge, envelope: Envelope, peer: PartyId = LEDGER) -> Problem:
    with pytest.raises(Problem) as caught:
        edge.open(envelope, Question, peer, lambda _party: True)
    return caught.value


def question(ledger: Edge, audience: PartyId = EXCHANGE) -> Envelope:
    return ledger.answer(ledger.message(Question, audience, text="本人ですか"))


def test_a_message_arrives_as_it_was_signed(ledger: Edge, exchange: Edge) -> None:
    signed = exchange.open(question(ledger), Question, LEDGER, lambda party: party == LEDGER)
    assert signed.value.text == "本人ですか"
    assert signed.signer == LEDGER
    assert signed.envelope.payload_bytes() == signed.value.to_bytes()


def test_an_envelope_with_a_thousand_signatures_is_not_verified(ledger: Edge, exchange: Edge) -> None:
    """Each takes time to verify: a document inside a message could else keep a service busy for seconds."""
    envelope = question(ledger)
    crowded = envelope.model_copy(update={"signatures": envelope.signatures * 1000})
    with pytest.raises(Problem) as caught:
        exchange.read(crowded, Question, LEDGER)
    assert caught.value.code == "message.malformed"
    assert "1000 signatures" in caught.value.detail


def test_the_same_words_to_the_same_party_are_two_messages(ledger: Edge) -> None:
    first, second = (ledger.message(Question, EXCHANGE, text="同じ") for _ in range(2))
    assert first.message_id != second.message_id


def test_a_message_crosses_as_json_and_back(ledger: Edge) -> None:
    envelope = question(ledger)
    assert parse_envelope(envelope.model_dump_json().encode()) == envelope


def test_an_unsigned_message_is_refused(ledger: Edge, exchange: Edge) -> None:
    assert refused(exchange, question(ledger).model_copy(update={"signatures": ()})).code == "message.unsigned"


def test_a_tampered_message_is_refused(ledger: Edge, exchange: Edge) -> None:
    envelope = question(ledger)
    other = from_b64(envelope.payload, "payload").replace("本人".encode(), "他人".encode())
    assert refused(exchange, envelope.model_copy(update={"payload": b64(other)})).code == "message.signature_invalid"


def test_a_signature_of_another_message_does_not_fit(ledger: Edge, exchange: Edge) -> None:
    first, second = question(ledger), question(ledger)
    swapped = first.model_copy(update={"signatures": second.signatures})
    assert refused(exchange, swapped).code == "message.signature_invalid"


def test_one_kind_of_message_never_passes_for_another(ledger: Edge, exchange: Edge) -> None:
    answer = ledger.answer(Answer(in_reply_to="0" * 32, peer=LEDGER, text="はい"))
    problem = refused(exchange, answer)
    assert (problem.code, problem.where) == ("message.malformed", "payloadType")
    relabelled = answer.model_copy(update={"payloadType": Question.payload_type()})
    assert refused(exchange, relabelled).code == "message.signature_invalid"


def test_a_message_for_another_party_is_refused(ledger: Edge, exchange: Edge) -> None:
    problem = refused(exchange, question(ledger, OTHER))
    assert problem.code == "message.wrong_signer"
    assert problem.expected == "a message to x-city/exchange"


def test_a_message_that_claims_another_signer_is_refused(country: SmallCountry, ledger: Edge, exchange: Edge) -> None:
    envelope = question(ledger)
    renamed = tuple(one.model_copy(update={"keyid": OTHER}) for one in envelope.signatures)
    forged = envelope.model_copy(update={"signatures": renamed})
    assert refused(exchange, forged).code == "message.wrong_signer"
    assert refused(exchange, forged, OTHER).code == "message.signature_invalid"


def test_a_party_that_is_not_in_the_directory_signs_in_vain(country: SmallCountry, exchange: Edge) -> None:
    stranger = replace(exchange, identity=country.identity(STRANGER))
    assert refused(exchange, question(stranger), STRANGER).code == "peer.unknown"


def test_a_message_is_signed_by_its_sender_alone(country: SmallCountry, ledger: Edge, exchange: Edge) -> None:
    twice = add_signature(question(ledger), country.identity(OTHER))
    assert refused(exchange, twice).code == "message.wrong_signer"
    reordered = twice.model_copy(update={"signatures": twice.signatures[::-1]})
    assert refused(exchange, reordered).code == "message.wrong_signer"


@pytest.mark.parametrize("age", [FRESHNESS, -FRESHNESS, timedelta(0)])
def test_a_message_is_good_for_five_minutes_either_way(country: SmallCountry, exchange: Edge, age: timedelta) -> None:
    sender = country.edge(LEDGER, FixedClock(NOON - age))
    assert exchange.open(question(sender), Question, LEDGER, lambda _party: True).value.sent_at == NOON - age


@pytest.mark.parametrize("age", [FRESHNESS + timedelta(seconds=1), -FRESHNESS - timedelta(seconds=1)])
def test_a_message_outside_five_minutes_is_stale(country: SmallCountry, exchange: Edge, age: timedelta) -> None:
    problem = refused(exchange, question(country.edge(LEDGER, FixedClock(NOON - age))))
    assert problem.code == "message.stale"
    assert problem.expected == "at most 300 s"
    assert "clocks" in str(problem.advice)


def test_a_payload_with_a_field_too_many_is_named_without_its_value(ledger: Edge, exchange: Edge) -> None:
    payload = from_b64(question(ledger).payload, "payload")[:-1] + b',"number":"621498320257"}'

    class Raw(Question):
        def to_bytes(self) -> bytes:
            return payload

    raw = Raw(audience=EXCHANGE, sent_at=NOON, message_id="1", text="")
    problem = refused(exchange, seal_envelope(raw, ledger.identity))
    assert (problem.code, problem.where) == ("message.malformed", "number: Extra inputs are not permitted")
    assert "621498320257" not in str(problem)


def test_a_document_of_both_operators_needs_both(country: SmallCountry, exchange: Edge) -> None:
    first, second = country.identity(HUB_1), country.identity(HUB_2)
    alone = seal_envelope(Promise(text="許可"), first)
    with pytest.raises(Problem) as caught:
        exchange.read(alone, Promise, HUB_1, HUB_2)
    assert caught.value.code == "message.wrong_signer"
    assert caught.value.expected == "a signature by hub-2/operator"
    both = add_signature(alone, second)
    assert exchange.read(both, Promise, HUB_1, HUB_2).value.text == "許可"
    assert both.digest() == alone.digest()
    assert both == seal_envelope(Promise(text="許可"), first, second)


def test_every_signature_of_a_document_must_hold_also_one_that_was_not_asked_for(
    country: SmallCountry, exchange: Edge
) -> None:
    both = seal_envelope(Promise(text="許可"), country.identity(HUB_1), country.identity(HUB_2))
    spoiled = both.signatures[1].model_copy(update={"sig": both.signatures[0].sig})
    with pytest.raises(Problem) as caught:
        exchange.read(both.model_copy(update={"signatures": (both.signatures[0], spoiled)}), Promise, HUB_1)
    assert caught.value.code == "message.signature_invalid"


def test_one_operator_cannot_sign_for_both(country: SmallCountry, exchange: Edge) -> None:
    first = country.identity(HUB_1)
    alone = seal_envelope(Promise(text="許可"), first, first)
    with pytest.raises(Problem) as caught:
        exchange.read(alone, Promise, HUB_1, HUB_2)
    assert caught.value.code == "message.wrong_signer"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "message.malformed"),
        (b"\xff\xfe", "message.malformed"),
        (b"[" * 200_000, "message.malformed"),
        (b"[]", "message.malformed"),
        (b'"text"', "message.malformed"),
        (b"{}", "message.unsigned"),
        (b'{"payloadType":"a","payload":"","signatures":[]}', "message.unsigned"),
        (b'{"payloadType":"a","payload":"","signatures":[{"keyid":1}]}', "message.malformed"),
        (b'{"payloadType":"a","payload":"","signatures":[{"keyid":"a","sig":""}],"more":1}', "message.malformed"),
    ],
)
def test_what_is_no_envelope_is_said_to_be_none(body: bytes, code: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_envelope(body)
    assert caught.value.code == code


@given(st.binary(max_size=400))
def test_no_bytes_from_outside_make_anything_but_a_problem(data: bytes) -> None:
    with pytest.raises(Problem):
        parse_envelope(data)


@given(text=st.text(max_size=60), kind=st.sampled_from([Question.payload_type(), "x"]), keyid=st.text(max_size=10))
def test_no_envelope_from_outside_opens_without_a_key(country: SmallCountry, text: str, kind: str, keyid: str) -> None:
    envelope = Envelope.model_validate(
        {"payloadType": kind, "payload": text, "signatures": [{"keyid": keyid, "sig": text}]}
    )
    with pytest.raises(Problem):
        open_envelope(envelope, Question, country.edge(EXCHANGE).directory)


def test_base64_is_taken_in_one_spelling_only() -> None:
    assert from_b64("AAE=", "payload") == b"\x00\x01"
    for other in ("AAE", "AAE=\n", " AAE=", "AA-_", "ＡＡＥ="):
        with pytest.raises(Problem) as caught:
            from_b64(other, "payload")
        assert (caught.value.code, caught.value.where) == ("message.malformed", "payload")


def test_a_signature_that_held_once_does_not_hold_for_anything_else(country: SmallCountry) -> None:
    """Signatures are verified once each; what is remembered must not help another key, type, payload or signature."""
    ledger = country.edge(LEDGER)
    message = ledger.message(Question, EXCHANGE, text="誰ですか")
    envelope = ledger.answer(message)
    assert ledger.read(envelope, Question, LEDGER).value == message
    assert ledger.read(envelope, Question, LEDGER).value == message
    other = ledger.answer(ledger.message(Question, EXCHANGE, text="私です"))
    forged = (
        envelope.model_copy(update={"payload": other.payload}),
        envelope.model_copy(update={"signatures": other.signatures}),
        envelope.model_copy(update={"signatures": (Signature(keyid=OTHER, sig=envelope.signatures[0].sig),)}),
    )
    for one in forged:
        with pytest.raises(Problem) as caught:
            ledger.read(one, Question)
        assert caught.value.code == "message.signature_invalid"
