"""Bad input on a running country: one clear error each, with its own code, logged where it must be, nothing half done.

The attacker here holds the real keys of the party it plays, or none: messages go over the real wire to the real processes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from kumihimo.country import topology
from kumihimo.country.desk import Caller, Desk, ResidentsBrowser
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF, FirstCase
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.codes import encrypt, person_point, public_key, random_scalar
from kumihimo.domain.codes.group import base_mul, mul
from kumihimo.domain.kernel import Clock, PartyId, Problem, SystemClock
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, open_envelope, parse_envelope, seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, InquiryRequest, Outcome, Period, Permit
from kumihimo.plumbing.wire.messages.ledger import Addressees, TakeIn
from kumihimo.plumbing.wire.messages.provision import Inquire, ProvisionAnswer, ProvisionRequest
from kumihimo.plumbing.wire.problem import from_document
from kumihimo.plumbing.wire.tls import client_context, host_name

X, Y, Z = (topology.exchange_of(one) for one in ("x-city", "y-city", "z-town"))


@dataclass(frozen=True)
class Late:
    """A clock that is some time off."""

    by: timedelta

    def now(self) -> Any:
        return SystemClock().now() + self.by


def edge(country: Country, party: PartyId, clock: Clock | None = None) -> Edge:
    real = Caller(country, party).edge
    return Edge(real.identity, real.directory, clock or SystemClock())


def inquiry(one: Edge, **changes: Any) -> InquiryRequest:
    """A request as X市's exchange would send it, but about nobody: a random ciphertext."""
    point = person_point(secrets.token_bytes(32), "12345678901", 0)
    fields: dict[str, Any] = {
        "transaction": secrets.token_hex(16), "requester": "x-city", "provider": "y-city", "affair": AFFAIR,
        "items": ("local-tax",), "period": Period(), "case_reference_hash": "0" * 64,
        "subject": b64(encrypt(point, public_key(random_scalar()), random_scalar())),
    }  # fmt: skip
    return one.message(InquiryRequest, topology.HUB_1, **(fields | changes))


def send(country: Country, sender: PartyId, to: PartyId, path: str, body: str | bytes) -> httpx.Response:
    """Post raw bytes over the sender's own TLS connection."""
    one = edge(country, sender)
    with httpx.Client(verify=client_context(one.identity), trust_env=False) as client:
        return client.post(
            f"{country.url(to)}{path}", content=body, headers={"content-type": "application/json"},
            extensions={"sni_hostname": host_name(to)},
        )  # fmt: skip


def code_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    return from_document(response.content, response.status_code, "test").code


def decide(country: Country, envelope: Envelope) -> InquiryDecision:
    response = send(country, X, topology.HUB_1, "/inquiries", envelope.model_dump_json())
    assert response.status_code == 200, response.text
    return edge(country, X).read(parse_envelope(response.content), InquiryDecision, topology.HUB_1).value


def log_size(country: Country) -> int:
    return int(read_cell(country, topology.HUB_1, "SELECT count(*) FROM entry WHERE 1 = ?", 1))


def ask(country: Country, case: FirstCase, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "staff": STAFF, "case": CASE, "addressee_number": case.addressee.addressee_number, "provider": "y-city",
        "affair": AFFAIR, "items": ("local-tax",), "period": Period(),
    }  # fmt: skip
    return Desk.of(country, "x-city").inquire(**(fields | changes))


def test_a_number_with_a_wrong_check_digit_takes_nobody_in(country: Country) -> None:
    desk = Desk.of(country, "x-city")
    with pytest.raises(Problem) as caught:
        desk.ask(
            topology.ledger_of("x-city"),
            "/take-ins",
            TakeIn,
            Addressees,
            basis="窓口",
            individual_number="621498320258",
        )
    assert caught.value.code == "number.check_digit"
    assert "62149832" not in str(caught.value)


def test_an_unknown_institution_is_named(country: Country, case: FirstCase) -> None:
    answer = ask(country, case, provider="q-city")
    assert answer.outcome is Outcome.REFUSED
    assert answer.refusal.code == "institution.unknown"
    assert "q-city" in answer.refusal.reason_en


def test_an_unknown_affair_is_refused_and_logged(country: Country, case: FirstCase) -> None:
    before = log_size(country)
    answer = ask(country, case, affair="library.cards")
    assert answer.refusal.code == "affair.unknown"
    assert log_size(country) == before + 1


def test_a_staff_member_without_right_gets_nothing_out_of_the_house(country: Country, case: FirstCase) -> None:
    before = log_size(country)
    with pytest.raises(Problem) as caught:
        ask(country, case, staff="toshokan-07")
    assert caught.value.code == "staff.not_entitled"
    assert log_size(country) == before


def test_an_unknown_addressee_is_refused_at_home(country: Country, case: FirstCase) -> None:
    with pytest.raises(Problem) as caught:
        ask(country, case, addressee_number="999999999999999")
    assert caught.value.code in ("addressee_number.check_digit", "addressee.unknown", "addressee.no_code")


def test_an_unsigned_request_is_rejected_and_the_attempt_is_logged(country: Country) -> None:
    one = edge(country, X)
    envelope = one.answer(inquiry(one)).model_copy(update={"signatures": ()})
    before = log_size(country)
    response = send(country, X, topology.HUB_1, "/inquiries", envelope.model_dump_json())
    assert code_of(response) == "message.unsigned"
    assert log_size(country) == before + 1


def test_a_tampered_request_is_rejected_and_the_attempt_is_logged(country: Country) -> None:
    one = edge(country, X)
    envelope = one.answer(inquiry(one))
    other = one.answer(inquiry(one, provider="z-town"))
    forged = envelope.model_copy(update={"payload": other.payload})
    before = log_size(country)
    response = send(country, X, topology.HUB_1, "/inquiries", forged.model_dump_json())
    assert code_of(response) == "message.signature_invalid"
    assert log_size(country) == before + 1


def test_a_request_signed_by_another_institution_is_rejected(country: Country) -> None:
    stranger = edge(country, Z)
    response = send(country, X, topology.HUB_1, "/inquiries", stranger.answer(inquiry(stranger)).model_dump_json())
    assert code_of(response) == "message.wrong_signer"


def test_a_request_in_the_name_of_another_institution_is_refused(country: Country) -> None:
    one = edge(country, Z)
    response = send(country, Z, topology.HUB_1, "/inquiries", one.answer(inquiry(one)).model_dump_json())
    assert response.status_code == 403 or "refusal" in response.text
    assert '"permit":{' not in response.text


def test_a_stale_request_is_rejected(country: Country) -> None:
    one = edge(country, X, Late(-timedelta(minutes=6)))
    response = send(country, X, topology.HUB_1, "/inquiries", one.answer(inquiry(one)).model_dump_json())
    assert code_of(response) == "message.stale"


def test_the_very_same_request_again_gets_the_same_decision_and_no_second_entry(country: Country) -> None:
    one = edge(country, X)
    envelope = one.answer(inquiry(one))
    first = decide(country, envelope)
    assert first.permit is not None
    before = log_size(country)
    assert decide(country, envelope) == first
    assert log_size(country) == before


def test_a_used_transaction_number_with_another_request_is_refused_with_its_own_code(country: Country) -> None:
    one = edge(country, X)
    request = inquiry(one)
    assert decide(country, one.answer(request)).permit is not None
    before = log_size(country)
    again = decide(country, one.answer(inquiry(one, transaction=request.transaction)))
    assert again.permit is None
    assert again.refusal is not None
    assert again.refusal.code == "message.replayed"
    assert log_size(country) == before + 1


def test_a_replay_of_anothers_request_is_refused(country: Country) -> None:
    one = edge(country, X)
    envelope = one.answer(inquiry(one))
    assert decide(country, envelope).permit is not None
    response = send(country, Z, topology.HUB_1, "/inquiries", envelope.model_dump_json())
    assert code_of(response) == "message.wrong_signer"


def test_the_identity_point_is_refused_and_logged(country: Country) -> None:
    one = edge(country, X)
    before = log_size(country)
    response = send(
        country, X, topology.HUB_1, "/inquiries", one.answer(inquiry(one, subject=b64(bytes(64)))).model_dump_json()
    )
    if response.status_code == 200:
        decision = one.read(parse_envelope(response.content), InquiryDecision, topology.HUB_1).value
        assert decision.refusal is not None
        assert decision.refusal.code == "codes.identity_point"
    else:
        assert code_of(response) == "codes.identity_point"
    assert log_size(country) == before + 1


def provision(country: Country, to: PartyId, permit: Envelope, subject: str, sender: PartyId = X) -> httpx.Response:
    one = edge(country, sender)
    message = one.message(ProvisionRequest, to, permit=permit, subject=subject)
    return send(country, sender, to, "/provisions", one.answer(message).model_dump_json())


@pytest.fixture
def permitted(country: Country) -> tuple[Envelope, str]:
    """A fresh permit for Y市 about nobody Y市 knows, and its ciphertext."""
    one = edge(country, X)
    decision = decide(country, one.answer(inquiry(one)))
    assert decision.permit is not None
    assert decision.subject is not None
    return decision.permit, decision.subject


def test_a_permit_for_another_provider_opens_nothing(country: Country, permitted: tuple[Envelope, str]) -> None:
    assert code_of(provision(country, Z, *permitted)) == "permit.wrong_provider"


def test_a_permit_of_another_requester_opens_nothing(country: Country, permitted: tuple[Envelope, str]) -> None:
    assert code_of(provision(country, Y, *permitted, sender=Z)) == "permit.wrong_requester"


def test_a_permit_with_another_persons_ciphertext_opens_nothing(
    country: Country, permitted: tuple[Envelope, str]
) -> None:
    permit, _ = permitted
    one = edge(country, X)
    other = decide(country, one.answer(inquiry(one))).subject
    assert other is not None
    assert code_of(provision(country, Y, permit, other)) == "permit.subject_mismatch"


def test_a_permit_is_good_once(country: Country, permitted: tuple[Envelope, str]) -> None:
    first = provision(country, Y, *permitted)
    assert first.status_code == 200
    answer = edge(country, X).read(parse_envelope(first.content), ProvisionAnswer, Y).value
    assert answer.outcome is Outcome.NONE
    assert code_of(provision(country, Y, *permitted)) == "permit.used"


def test_the_very_same_provision_request_again_gets_the_very_same_answer(
    country: Country, permitted: tuple[Envelope, str]
) -> None:
    permit, subject = permitted
    one = edge(country, X)
    message = one.answer(one.message(ProvisionRequest, Y, permit=permit, subject=subject)).model_dump_json()
    first = send(country, X, Y, "/provisions", message)
    assert first.status_code == 200
    assert send(country, X, Y, "/provisions", message).content == first.content


def test_a_permit_with_one_signature_only_opens_nothing(country: Country, permitted: tuple[Envelope, str]) -> None:
    permit, subject = permitted
    halved = permit.model_copy(update={"signatures": permit.signatures[:1]})
    assert code_of(provision(country, Y, halved, subject)) == "message.wrong_signer"


def test_an_expired_permit_opens_nothing(country: Country, permitted: tuple[Envelope, str]) -> None:
    """Both operators sign an otherwise good permit that ended a minute ago; only its time is wrong."""
    permit, subject = permitted
    hubs = [edge(country, topology.HUB_1), edge(country, topology.HUB_2)]
    good = open_envelope(permit, Permit, hubs[0].directory, topology.HUB_1, topology.HUB_2).value
    now = SystemClock().now()
    late = good.model_copy(
        update={
            "transaction": secrets.token_hex(16),
            "issued_at": now - timedelta(minutes=6),
            "expires_at": now - timedelta(minutes=1),
        }
    )
    expired = seal_envelope(late, *(hub.identity for hub in hubs))
    assert code_of(provision(country, Y, expired, subject)) == "permit.expired"


def test_a_party_of_another_country_is_not_even_heard(country: Country) -> None:
    with pytest.raises(httpx.HTTPError), httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501
        client.get(f"{country.url(topology.HUB_1)}/health")


def test_a_ledger_may_not_ask_the_hub(country: Country) -> None:
    party = topology.ledger_of("x-city")
    one = edge(country, party)
    response = send(country, party, topology.HUB_1, "/inquiries", one.answer(inquiry(one)).model_dump_json())
    assert code_of(response) == "peer.not_allowed"


def test_a_desk_of_another_institution_may_not_use_x_citys_exchange(country: Country, case: FirstCase) -> None:
    desk = topology.desk_of("z-town")
    one = edge(country, desk)
    message = one.message(
        Inquire, X, staff=STAFF, case_reference=CASE, addressee_number=case.addressee.addressee_number,
        provider="y-city", affair=AFFAIR, items=("local-tax",),
    )  # fmt: skip
    assert code_of(send(country, desk, X, "/inquiries", one.answer(message).model_dump_json())) == "peer.not_allowed"


def test_no_request_can_keep_a_resident_from_seeing_the_others(country: Country, case: FirstCase) -> None:
    """X市's exchange asks about nobody, and about 花子 for days before the calendar: she sees what else it asked."""
    one = edge(country, X)
    link_key = public_key((country.keys(X) / "link-x-city#1.key").read_bytes())
    r = random_scalar()
    decide(country, one.answer(inquiry(one, subject=b64(base_mul(r) + mul(r, link_key)))))
    asked = [
        ask(country, case, period=Period(since=date(1700, 1, 1))).transaction,
        ask(country, case).transaction,
    ]

    def seen() -> list[str] | None:
        shown = [access.transaction for access in ResidentsBrowser.of(country).accesses(case.account)]
        return shown if set(asked) <= set(shown) else None

    until(seen, 15, "both accesses at the portal")


def test_an_institution_does_not_ask_itself(country: Country, case: FirstCase) -> None:
    answer = ask(country, case, provider="x-city")
    assert answer.outcome is Outcome.REFUSED
    assert answer.refusal.code == "rules.provider_not_named"
