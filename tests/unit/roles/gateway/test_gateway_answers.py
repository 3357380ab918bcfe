"""The sealed answer on its way back: swapped, replayed or tampered with, it is found out and nothing of it is used (I6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_country import FISCAL_2025, TAX_2025, Case, permit_for, show

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.sealing import canonical_json, seal
from kumihimo.plumbing.wire.answers import open_answer
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64, parse_envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit
from kumihimo.plumbing.wire.messages.provision import DatedItem, ProvisionAnswer, SealedItems
from kumihimo.plumbing.wire.permits import Granted
from kumihimo.roles.gateway.service.provision import answer_binding
from kumihimo.roles.gateway.store.records import RecordStore

PATH = "/provisions"
ALTERED = f"y-city/exchange{PATH}"


def answer_in(body: bytes) -> ProvisionAnswer:
    return ProvisionAnswer.model_validate_json(parse_envelope(body).payload_bytes())


def resigned(case: Case, change: Callable[[ProvisionAnswer], ProvisionAnswer]) -> Callable[[bytes], bytes]:
    """What a provider that lies could send: an answer of another content under its own good signature."""
    provider = case.country.edge(PartyId("y-city/exchange"))
    return lambda body: provider.answer(change(answer_in(body))).model_dump_json().encode()


def refused(case: Case) -> str:
    with pytest.raises(Problem) as problem:
        case.x.inquire(case.at_x)
    kept = RecordStore(case.country.engine(PartyId("x-city/exchange")), "x-city").everything()
    (mine,) = [record for record in kept if record.problem]
    assert (mine.outcome, mine.problem) == (Outcome.UNDELIVERED, problem.value.code)
    assert mine.payload_hash is None
    return problem.value.code


def test_nobody_between_can_read_the_answer(case: Case) -> None:
    case.x.inquire(case.at_x)
    carried = [body for _, _, path, _, body in case.country.carried if path == PATH]
    assert carried
    for body in carried:
        assert b"salary" not in parse_envelope(body).payload_bytes()
        assert b"salary" not in from_b64(answer_in(body).sealed or "", "sealed")


def test_an_altered_answer_does_not_hold_its_signature(case: Case) -> None:
    def altered(body: bytes) -> bytes:
        envelope = parse_envelope(body)
        content = json.loads(envelope.payload_bytes())
        content["outcome"] = "none"
        payload = b64(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
        return envelope.model_copy(update={"payload": payload}).model_dump_json().encode()

    case.country.altered[ALTERED] = altered
    assert refused(case) == "message.signature_invalid"


def test_yesterdays_answer_is_not_taken_for_todays(case: Case) -> None:
    case.x.inquire(case.at_x)
    old = next(body for _, _, path, _, body in case.country.carried if path == PATH)
    case.country.altered[ALTERED] = lambda _body: old
    assert refused(case) == "message.replayed"


def test_the_answer_to_one_transaction_is_not_taken_for_another_even_when_the_provider_signs_it(case: Case) -> None:
    case.x.inquire(case.at_x)
    old = answer_in(next(body for _, _, path, _, body in case.country.carried if path == PATH))
    case.country.altered[ALTERED] = resigned(case, lambda now: old.model_copy(update={"in_reply_to": now.in_reply_to}))
    assert refused(case) == "message.replayed"


def test_sealed_content_moved_from_another_transaction_does_not_open(case: Case) -> None:
    case.x.inquire(case.at_x)
    old = answer_in(next(body for _, _, path, _, body in case.country.carried if path == PATH))
    moved = {"sealed": old.sealed, "payload_hash": old.payload_hash}
    case.country.altered[ALTERED] = resigned(case, lambda now: now.model_copy(update=moved))
    assert refused(case) == "sealing.cannot_open"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payload_hash": "0" * 64}, "sealing.cannot_open"),
        ({"permit_hash": "0" * 64}, "message.replayed"),
        ({"sealed": None}, "message.malformed"),
        ({"outcome": Outcome.NONE}, "message.malformed"),
        ({"outcome": Outcome.REFUSED, "sealed": None}, "message.malformed"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(case: Case, changes: dict[str, Any], code: str) -> None:
    case.country.altered[ALTERED] = resigned(case, lambda now: now.model_copy(update=changes))
    assert refused(case) == code


def sealed_by_the_provider(case: Case, granted: Granted, content: SealedItems) -> ProvisionAnswer:
    """An answer with any content, sealed as a provider would."""
    key = case.country.edge(PartyId("x-city/exchange")).identity.sealing_key.public_bytes
    sealed = seal(
        canonical_json(content.model_dump(mode="json")), key, answer_binding(granted.permit, granted.envelope)
    )
    return ProvisionAnswer(
        in_reply_to="0" * 32,
        transaction=granted.permit.transaction,
        outcome=Outcome.PROVIDED,
        sealed=b64(sealed),
        payload_hash=hashlib.sha256(sealed).hexdigest(),
        permit_hash=granted.envelope.digest(),
        answered_at=case.country.clock.now(),
    )


def granted_in(envelope: Envelope, subject: str) -> Granted:
    return Granted(Permit.model_validate_json(envelope.payload_bytes()), envelope, subject)


def test_more_than_the_permit_names_is_refused(case: Case) -> None:
    shown = permit_for(case.x, case.at_x)
    granted = granted_in(shown.permit, shown.subject)
    edge = case.country.edge(PartyId("x-city/exchange"))
    assert FISCAL_2025.since is not None
    lawful = DatedItem(item="local-tax", valid_from=FISCAL_2025.since, body=TAX_2025)
    too_much = lawful.model_copy(update={"item": "vaccination"})
    transaction = granted.permit.transaction
    good = sealed_by_the_provider(case, granted, SealedItems(transaction=transaction, items=(lawful,)))
    assert open_answer(edge, granted, good).items == (lawful,)
    for content in (
        SealedItems(transaction=transaction, items=(lawful, too_much)),
        SealedItems(transaction="0" * 32, items=(lawful,)),
    ):
        with pytest.raises(Problem) as problem:
            open_answer(edge, granted, sealed_by_the_provider(case, granted, content))
        assert problem.value.code == "sealing.cannot_open"


def test_only_the_requester_can_open_the_answer(case: Case) -> None:
    shown = permit_for(case.x, case.at_x)
    answer = show(case.country, shown)
    granted = granted_in(shown.permit, shown.subject)
    assert open_answer(case.country.edge(PartyId("x-city/exchange")), granted, answer).items
    for curious in ("z-town/exchange", "x-city/desk", "hub-1/operator", "portal/portal"):
        with pytest.raises(Problem) as problem:
            open_answer(case.country.edge(PartyId(curious)), granted, answer)
        assert problem.value.code == "sealing.cannot_open"
