"""An inquiry from desk to desk: what comes back, what is written down at both ends, and what is told to the platform."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gateway_country import AFFAIR, CLERK, HUB_1, HUB_2, ITEM, NOON, TAX_2025, Case, GatewayCountry, hanako, tax_copy
from pydantic import ValidationError
from sqlalchemy import select

from kumihimo.domain.codes import opens_to
from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import from_b64, parse_envelope
from kumihimo.plumbing.wire.messages.audits import Audited
from kumihimo.plumbing.wire.messages.by_hand import FetchAnswer, FlagKind
from kumihimo.plumbing.wire.messages.inquiry import InquiryRequest, LogRecord, Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquire, Inquired
from kumihimo.roles.gateway.service.audit_codes import AuditCodes
from kumihimo.roles.gateway.service.outcomes import Outcomes
from kumihimo.roles.gateway.store.outbox import OutboxStore
from kumihimo.roles.gateway.store.records import AccessRecord, RecordStore, Side
from kumihimo.roles.hub.store.tables import entries


def records(country: GatewayCountry, city: str) -> list[AccessRecord]:
    return RecordStore(country.engine(PartyId(f"{city}/exchange")), city).everything()


def outbox(country: GatewayCountry, city: str) -> OutboxStore:
    return OutboxStore(country.engine(PartyId(f"{city}/exchange")), city)


def report_outcomes(country: GatewayCountry, city: str) -> int:
    edge = country.edge(PartyId(f"{city}/exchange"))
    return Outcomes(outbox(country, city), edge, PeerClient(edge)).send_due()


def log(country: GatewayCountry) -> list[LogRecord]:
    with country.engine(HUB_1).connect() as conn:
        rows = conn.execute(select(entries.c.record).order_by(entries.c.entry_index)).scalars().all()
    return [LogRecord.model_validate_json(row) for row in rows]


def asked_of_the_hub(country: GatewayCountry) -> list[bytes]:
    return [sent for _, party, path, sent, _ in country.carried if (party, path) == (HUB_1, "/inquiries")]


def test_a_city_gets_last_years_local_tax_from_the_city_she_moved_from(case: Case) -> None:
    answer = case.x.inquire(case.at_x)
    assert answer.outcome is Outcome.PROVIDED
    (item,) = answer.items
    assert (item.item, item.body) == (ITEM, TAX_2025)
    assert answer.permit is not None
    assert answer.log_index is not None


def test_both_ends_keep_a_record_under_the_same_transaction_number(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    (mine,) = records(case.country, "x-city")
    (theirs,) = records(case.country, "y-city")
    assert {mine.transaction, theirs.transaction} == {transaction}
    assert (mine.side, theirs.side) == (Side.REQUESTER, Side.PROVIDER)
    assert (mine.addressee_number, theirs.addressee_number) == (case.at_x, case.at_y)
    for record in (mine, theirs):
        assert (record.requester, record.provider) == ("x-city", "y-city")
        assert (record.affair, record.items) == (AFFAIR, (ITEM,))
        assert record.outcome is Outcome.PROVIDED
        assert record.rules
        assert record.rule_book is not None
    assert mine.payload_hash == theirs.payload_hash is not None
    assert mine.log_index == theirs.log_index


def test_staff_department_and_case_are_in_the_requesters_record_and_stay_in_the_house(case: Case) -> None:
    case.x.inquire(case.at_x, case_reference="児手-2026-4711")
    (mine,) = records(case.country, "x-city")
    (theirs,) = records(case.country, "y-city")
    assert (mine.staff, mine.department, mine.case_reference) == (CLERK, "子育て支援課", "児手-2026-4711")
    assert (theirs.staff, theirs.department, theirs.case_reference) == (None, None, None)
    left = [sent for me, party, _, sent, _ in case.country.carried if me == "x-city/exchange" and party != me]
    assert left
    payloads = [parse_envelope(sent).payload_bytes() for sent in left if sent]
    assert not [payload for payload in payloads if CLERK.encode() in payload or b"4711" in payload]


def test_the_provider_reports_what_it_provided_until_the_log_has_it(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    case.country.down.add(HUB_1)
    assert report_outcomes(case.country, "y-city") == 0
    assert outbox(case.country, "y-city").size() == 1
    case.country.down.clear()
    assert report_outcomes(case.country, "y-city") == 0, "not before the pause is over"
    case.country.clock.at = NOON.replace(second=5)
    assert report_outcomes(case.country, "y-city") == 1
    assert outbox(case.country, "y-city").size() == 0
    told = [record for record in log(case.country) if record.outcome is not None]
    (mine,) = records(case.country, "x-city")
    assert [(record.transaction, record.outcome, record.payload_hash) for record in told] == [
        (transaction, Outcome.PROVIDED, mine.payload_hash)
    ]


def test_more_items_than_a_request_can_carry_are_refused_at_the_door(case: Case) -> None:
    """Not by an error of the exchange when it makes the request, of which no record would tell."""
    with pytest.raises(ValidationError, match="Inquire\nitems"):
        case.x.inquire(case.at_x, items=tuple(f"item-{number}" for number in range(51)))
    assert case.x.inquire(case.at_x, items=tuple(f"item-{number}" for number in range(50))).refusal is not None


def test_what_the_law_does_not_allow_is_asked_and_refused_and_nobody_is_asked_for_data(case: Case) -> None:
    answer = case.x.inquire(case.at_x, items=("pension",), provider="pension-service", affair="no-such-affair")
    assert answer.outcome is Outcome.REFUSED
    assert answer.refusal is not None
    assert answer.refusal.code == "affair.unknown"
    assert answer.items == ()
    (mine,) = records(case.country, "x-city")
    assert (mine.outcome, mine.problem, mine.log_index) == (Outcome.REFUSED, "affair.unknown", answer.log_index)
    assert not [path for _, _, path, _, _ in case.country.carried if path == "/provisions"]


def test_a_staff_member_without_the_right_asks_nobody_and_is_on_record(case: Case) -> None:
    with pytest.raises(Problem) as refused:
        case.x.inquire(case.at_x, staff="suzuki")
    assert refused.value.code == "staff.not_entitled"
    assert asked_of_the_hub(case.country) == []
    (mine,) = records(case.country, "x-city")
    assert (mine.staff, mine.outcome, mine.problem) == ("suzuki", None, "staff.not_entitled")


def test_a_right_for_one_affair_is_none_for_another(case: Case) -> None:
    case.x.grant("suzuki", AFFAIR)
    assert case.x.inquire(case.at_x, staff="suzuki").outcome is Outcome.PROVIDED
    with pytest.raises(Problem) as refused:
        case.x.inquire(case.at_x, staff="suzuki", affair="public-assistance.decision")
    assert refused.value.code == "staff.not_entitled"


def test_nobody_can_be_asked_about_before_the_link_code_has_arrived(case: Case) -> None:
    newcomer = case.x.take_in(case.x.register(hanako("中央9丁目9番9号", "太郎")))
    with pytest.raises(Problem) as refused:
        case.x.inquire(newcomer.addressee_number)
    assert refused.value.code == "addressee.no_code"
    assert newcomer.addressee_number not in str(refused.value)
    assert asked_of_the_hub(case.country) == []
    assert [record.problem for record in records(case.country, "x-city")] == ["addressee.no_code"]


def test_a_number_typed_into_the_wrong_field_is_refused_and_not_written_down(case: Case) -> None:
    with pytest.raises(Problem) as refused:
        case.x.inquire("123456789018")
    assert refused.value.code == "addressee_number.format"
    assert records(case.country, "x-city") == []


def test_an_operator_out_of_reach_is_named_and_the_inquiry_is_closed_with_it(case: Case) -> None:
    case.country.down.add(HUB_1)
    with pytest.raises(Problem) as refused:
        case.x.inquire(case.at_x)
    assert refused.value.code == "operator.unreachable"
    (mine,) = records(case.country, "x-city")
    assert (mine.outcome, mine.problem) == (None, "operator.unreachable")
    assert outbox(case.country, "x-city").size() == 0


def test_a_provider_out_of_reach_is_named_and_the_platform_is_told_undelivered(case: Case) -> None:
    case.country.down.add(PartyId("y-city/exchange"))
    with pytest.raises(Problem) as refused:
        case.x.inquire(case.at_x)
    assert refused.value.code == "provider.unreachable"
    (mine,) = records(case.country, "x-city")
    assert (mine.outcome, mine.problem) == (Outcome.UNDELIVERED, "provider.unreachable")
    assert report_outcomes(case.country, "x-city") == 1
    assert [r.outcome for r in log(case.country) if r.transaction == mine.transaction] == [None, Outcome.UNDELIVERED]


def test_a_provider_that_does_not_know_her_answers_none(case: Case) -> None:
    assert case.x.inquire(case.at_x, provider="z-town").outcome is Outcome.NONE
    (theirs,) = records(case.country, "z-town")
    assert (theirs.outcome, theirs.addressee_number) == (Outcome.NONE, None)


def test_only_the_years_asked_for_are_provided(case: Case) -> None:
    case.y.put(tax_copy(case.at_y, 2024, total_income=1), tax_copy(case.at_y, 2026, total_income=3))
    assert [item.body["total_income"] for item in case.x.inquire(case.at_x).items] == [TAX_2025["total_income"]]
    everything = case.x.inquire(case.at_x, period=Period()).items
    assert [item.valid_from.year for item in everything] == [2024, 2025, 2026]
    before = Period(until=tax_copy(case.at_y).item.valid_from.replace(year=2020))
    assert case.x.inquire(case.at_x, period=before).outcome is Outcome.NONE


def test_two_inquiries_about_one_person_look_like_two_persons_to_the_platform(case: Case) -> None:
    case.x.inquire(case.at_x)
    case.x.inquire(case.at_x)
    first, second = (
        InquiryRequest.model_validate_json(parse_envelope(sent).payload_bytes())
        for sent in asked_of_the_hub(case.country)
    )
    assert first.subject[:40] != second.subject[:40]
    assert first.subject[-40:] != second.subject[-40:]
    assert first.case_reference_hash != second.case_reference_hash


def test_an_auditor_can_be_shown_whom_an_inquiry_was_about(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    services = case.x.services()
    opening = services.audit.open(Audited(transaction=transaction))
    (sent,) = asked_of_the_hub(case.country)
    request = InquiryRequest.model_validate_json(parse_envelope(sent).payload_bytes())
    domain = services.codes.domain.present()
    assert (opening.addressee_number.digits, opening.held) == (case.at_x, True)
    assert opens_to(from_b64(request.subject, "subject"), opening.code, domain.public, opening.randomness)
    other = AuditCodes(services.rotations.store, b"k" * 32)
    with pytest.raises(Problem) as refused:
        replace(services.audit, audits=other).open(Audited(transaction=transaction))
    assert refused.value.code == "codes.proof_invalid"


def cut_off(case: Case) -> str:
    """Ask, and cut the power at X市 when Y市 has answered and X市 has not heard it; the transaction number."""
    services = case.x.services()

    def power_cut(_body: bytes) -> bytes:
        raise KeyboardInterrupt

    case.country.altered["y-city/exchange/provisions"] = power_cut
    with pytest.raises(KeyboardInterrupt):
        services.inquiry.inquire(
            case.x.message(
                Inquire,
                case.x.exchange,
                staff=CLERK,
                case_reference="児手-1",
                addressee_number=case.at_x,
                provider="y-city",
                affair=AFFAIR,
                items=(ITEM,),
            )
        )
    case.country.altered.clear()
    assert records(case.country, "x-city") == []
    assert services.inquiry.close_interrupted() == 1
    assert services.inquiry.close_interrupted() == 0
    (mine,) = records(case.country, "x-city")
    assert (mine.problem, mine.outcome, mine.staff) == ("inquiry.interrupted", None, CLERK)
    return mine.transaction


def fetch(case: Case, transaction: str) -> Inquired:
    message = case.x.message(FetchAnswer, case.x.exchange, staff=CLERK, transaction=transaction)
    return case.x.client.send("/inquiries/later", message, Inquired).value


def test_an_inquiry_that_a_stop_cut_off_is_completed_under_its_own_number(case: Case) -> None:
    transaction = cut_off(case)
    answer = fetch(case, transaction)
    assert (answer.transaction, answer.outcome) == (transaction, Outcome.PROVIDED)
    assert [item.body for item in answer.items] == [TAX_2025]
    (mine,) = records(case.country, "x-city")
    (theirs,) = records(case.country, "y-city")
    assert (mine.outcome, mine.problem, mine.payload_hash) == (Outcome.PROVIDED, None, theirs.payload_hash)
    first, second = asked_of_the_hub(case.country)
    assert first == second
    assert len([record for record in log(case.country) if record.transaction == transaction]) == 1


def test_what_was_protected_since_is_not_given_again(case: Case) -> None:
    transaction = cut_off(case)
    case.y.services().copies.protect(AddresseeNumber(case.at_y), FlagKind.SUPPORT_MEASURE)
    with pytest.raises(Problem) as refused:
        fetch(case, transaction)
    assert refused.value.code == "permit.used"


def test_an_inquiry_cut_off_too_long_ago_is_not_taken_up(case: Case) -> None:
    transaction = cut_off(case)
    case.country.clock.at = NOON.replace(minute=5)
    before = len(asked_of_the_hub(case.country))
    with pytest.raises(Problem) as refused:
        fetch(case, transaction)
    assert refused.value.code == "permit.expired"
    assert len(asked_of_the_hub(case.country)) == before


def test_a_provider_that_is_back_within_five_minutes_answers_the_same_inquiry(case: Case) -> None:
    case.country.down.add(PartyId("y-city/exchange"))
    with pytest.raises(Problem):
        case.x.inquire(case.at_x)
    (mine,) = records(case.country, "x-city")
    case.country.down.clear()
    assert fetch(case, mine.transaction).outcome is Outcome.PROVIDED
    (mine,) = records(case.country, "x-city")
    assert (mine.outcome, mine.problem) == (Outcome.PROVIDED, None)


def test_an_operator_that_is_back_within_five_minutes_permits_the_same_inquiry(case: Case) -> None:
    case.country.down.add(HUB_2)
    with pytest.raises(Problem):
        case.x.inquire(case.at_x)
    (mine,) = records(case.country, "x-city")
    case.country.down.clear()
    assert fetch(case, mine.transaction).outcome is Outcome.PROVIDED
