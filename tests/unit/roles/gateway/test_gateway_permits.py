"""The provider and the permit: everything that is wrong with one has a name of its own, and nothing goes out."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from gateway_country import NOON, Case, Shown, permit_for, show

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Envelope, add_signature, b64, from_b64, seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit
from kumihimo.plumbing.wire.messages.provision import ProvisionAnswer, ProvisionRequest
from kumihimo.roles.gateway.store.records import RecordStore


@pytest.fixture
def shown(case: Case) -> Shown:
    return permit_for(case.x, case.at_x)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Problem) as problem:
        act()
    return problem.value.code


def records(case: Case, city: str = "y-city") -> int:
    return len(RecordStore(case.country.engine(PartyId(f"{city}/exchange")), city).everything())


def permit_in(envelope: Envelope) -> Permit:
    return Permit.model_validate_json(envelope.payload_bytes())


def signed_by_both(case: Case, permit: Permit) -> Envelope:
    """What only both operators together could make."""
    operators = (case.country.edge(PartyId(f"hub-{number}/operator")).identity for number in (1, 2))
    return seal_envelope(permit, *operators)


def test_a_good_permit_is_answered(case: Case, shown: Shown) -> None:
    assert show(case.country, shown).outcome is Outcome.PROVIDED


def test_a_permit_is_good_for_five_minutes(case: Case, shown: Shown) -> None:
    case.country.clock.at = NOON + timedelta(minutes=5)
    assert refused(lambda: show(case.country, shown)) == "permit.expired"
    assert records(case) == 0


def test_a_permit_from_the_future_is_none(case: Case, shown: Shown) -> None:
    case.country.clock.at = NOON - timedelta(minutes=6)
    assert refused(lambda: show(case.country, shown)) == "permit.expired"


def test_a_permit_for_another_provider_is_none(case: Case, shown: Shown) -> None:
    assert refused(lambda: show(case.country, shown, to="z-town")) == "permit.wrong_provider"
    assert records(case, "z-town") == 0


def test_a_permit_given_to_another_requester_is_none(case: Case, shown: Shown) -> None:
    assert refused(lambda: show(case.country, shown, by="z-town")) == "permit.wrong_requester"
    assert records(case) == 0


def test_a_permit_does_not_cover_another_person(case: Case, shown: Shown) -> None:
    other = permit_for(case.x, case.at_x)
    assert refused(lambda: show(case.country, replace(shown, subject=other.subject))) == "permit.subject_mismatch"
    assert records(case) == 0


def test_a_permit_is_answered_once(case: Case, shown: Shown) -> None:
    show(case.country, shown)
    assert refused(lambda: show(case.country, shown)) == "permit.used"
    assert records(case) == 1


def test_of_many_at_the_same_moment_one_is_answered(case: Case, shown: Shown) -> None:
    results: list[str] = []

    def ask() -> None:
        try:
            results.append(show(case.country, shown).outcome)
        except Problem as problem:
            results.append(problem.code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["permit.used"] * 5 + ["provided"]


@pytest.mark.parametrize("missing", [0, 1])
def test_one_operators_signature_is_not_enough(case: Case, shown: Shown, missing: int) -> None:
    alone = shown.permit.model_copy(update={"signatures": (shown.permit.signatures[1 - missing],)})
    assert refused(lambda: show(case.country, replace(shown, permit=alone))) == "message.wrong_signer"


def test_the_requester_cannot_sign_in_place_of_an_operator(case: Case, shown: Shown) -> None:
    alone = shown.permit.model_copy(update={"signatures": shown.permit.signatures[:1]})
    forged = add_signature(alone, case.country.edge(PartyId("x-city/exchange")).identity)
    assert refused(lambda: show(case.country, replace(shown, permit=forged))) == "message.wrong_signer"


def test_a_permit_that_was_widened_afterwards_is_none(case: Case, shown: Shown) -> None:
    content = json.loads(shown.permit.payload_bytes())
    content["items"].append("pension")
    payload = b64(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    widened = shown.permit.model_copy(update={"payload": payload})
    assert refused(lambda: show(case.country, replace(shown, permit=widened))) == "message.signature_invalid"


def test_another_document_of_the_operators_is_no_permit(case: Case, shown: Shown) -> None:
    directory = Envelope.model_validate_json((case.country.keys / "directory.json").read_bytes())
    assert refused(lambda: show(case.country, replace(shown, permit=directory))) == "message.malformed"


@pytest.mark.parametrize(("half", "code"), [(bytes(32), "codes.identity_point"), (b"\xff" * 32, "codes.not_a_point")])
def test_a_ciphertext_with_the_identity_or_no_point_is_refused_even_under_a_permit(
    case: Case, shown: Shown, half: bytes, code: str
) -> None:
    subject = half + from_b64(shown.subject, "subject")[32:]
    permit = permit_in(shown.permit).model_copy(update={"subject_hash": hashlib.sha256(subject).hexdigest()})
    bad = Shown(signed_by_both(case, permit), b64(subject))
    assert refused(lambda: show(case.country, bad)) == code
    assert records(case) == 0


def test_a_desk_or_ledger_may_not_show_permits(case: Case, shown: Shown) -> None:
    edge = case.country.edge(PartyId("x-city/desk"))
    message = edge.message(ProvisionRequest, PartyId("y-city/exchange"), permit=shown.permit, subject=shown.subject)
    assert refused(lambda: PeerClient(edge).send("/provisions", message, ProvisionAnswer)) == "peer.not_allowed"
