"""The requester and the platform's decision: neither operator alone can make it send a wrong question to a provider (I3, I4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_country import Case, permit_for

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.envelope import Envelope, parse_envelope, seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, Permit
from kumihimo.roles.gateway.store.records import RecordStore

Change = Callable[[Case, InquiryDecision], dict[str, Any]]


def answering(case: Case, change: Change) -> None:
    """Operator 1 answers with another content under its own good signature."""
    operator = case.country.edge(PartyId("hub-1/operator"))

    def changed(body: bytes) -> bytes:
        decision = InquiryDecision.model_validate_json(parse_envelope(body).payload_bytes())
        return operator.answer(decision.model_copy(update=change(case, decision))).model_dump_json().encode()

    case.country.altered["hub-1/operator/inquiries"] = changed


def refused(case: Case) -> str:
    with pytest.raises(Problem) as problem:
        case.x.inquire(case.at_x)
    assert not [path for _, _, path, _, _ in case.country.carried if path == "/provisions"], "nobody is asked"
    (mine,) = RecordStore(case.country.engine(PartyId("x-city/exchange")), "x-city").everything()
    assert (mine.outcome, mine.problem) == (None, problem.value.code)
    return problem.value.code


def permit_in(decision: InquiryDecision) -> Permit:
    assert decision.permit is not None
    return Permit.model_validate_json(decision.permit.payload_bytes())


def signed(case: Case, permit: Permit, *operators: int) -> Envelope:
    return seal_envelope(
        permit, *(case.country.edge(PartyId(f"hub-{number}/operator")).identity for number in operators)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"items": ("local-tax", "pension")},
        {"affair": "public-assistance.decision"},
        {"provider": "z-town"},
        {"requester": "y-city"},
        {"transaction": "0" * 32},
    ],
)
def test_a_permit_for_something_else_than_was_asked_is_not_used(case: Case, change: dict[str, Any]) -> None:
    answering(
        case,
        lambda _, decision: {"permit": signed(case, permit_in(decision).model_copy(update=change), 1, 2)},
    )
    assert refused(case) == "message.malformed"


@pytest.mark.parametrize("operator", [1, 2])
def test_a_permit_of_one_operator_is_none(case: Case, operator: int) -> None:
    answering(case, lambda _, decision: {"permit": signed(case, permit_in(decision), operator)})
    assert refused(case) == "message.wrong_signer"


def test_the_ciphertext_of_another_permit_is_noticed_before_it_is_sent(case: Case) -> None:
    other = permit_for(case.x, case.at_x)
    answering(case, lambda *_: {"subject": other.subject})
    assert refused(case) == "permit.subject_mismatch"


def test_the_decision_about_another_request_is_not_taken_for_ours(case: Case) -> None:
    answering(case, lambda *_: {"transaction": "0" * 32})
    assert refused(case) == "message.malformed"


def test_neither_yes_nor_no_is_no_answer(case: Case) -> None:
    answering(case, lambda *_: {"permit": None, "subject": None})
    assert refused(case) == "message.malformed"


def test_a_decision_without_the_logs_promise_is_none(case: Case) -> None:
    answering(case, lambda _, decision: {"promise": signed(case, permit_in(decision), 1)})
    assert refused(case) == "message.malformed"


def test_a_decision_altered_on_its_way_does_not_hold_its_signature(case: Case) -> None:
    def altered(body: bytes) -> bytes:
        envelope = parse_envelope(body)
        another = case.country.edge(PartyId("hub-2/operator")).answer(
            InquiryDecision.model_validate_json(envelope.payload_bytes())
        )
        return (
            another.model_copy(
                update={"signatures": (another.signatures[0].model_copy(update={"keyid": "hub-1/operator"}),)}
            )
            .model_dump_json()
            .encode()
        )

    case.country.altered["hub-1/operator/inquiries"] = altered
    assert refused(case) == "message.signature_invalid"
