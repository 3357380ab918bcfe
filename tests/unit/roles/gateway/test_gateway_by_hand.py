"""Answers by hand: the queue and its deadline, corrected items, the last look at the flags, what an outsider can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from gateway_country import CLERK, NOON, TAX_2025, Case, Desk, tax_copy
from sqlalchemy import update

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.by_hand import (
    AnswerByHand,
    DecidedByHand,
    FetchAnswer,
    FlagKind,
    LaterProvisionRequest,
    LiftProtection,
    PendingInquiries,
    PendingShown,
    Protect,
    Protections,
    ShowPending,
    WithholdByHand,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import DatedItem, Inquired, ProvisionAnswer
from kumihimo.roles.gateway.store.exchange import copy
from kumihimo.roles.gateway.store.outbox import OutboxStore
from kumihimo.roles.gateway.store.records import RecordStore

BEFORE = Period(until=date(2020, 3, 31))
X, Y = PartyId("x-city/exchange"), PartyId("y-city/exchange")


def protect(case: Case, kind: FlagKind = FlagKind.ANSWER_BY_HAND) -> Protections:
    message = case.y.message(Protect, Y, addressee_number=case.at_y, flag=kind)
    return case.y.client.send("/protections", message, Protections).value


def waiting(case: Case) -> tuple[PendingShown, ...]:
    return case.y.client.send("/pending", case.y.message(ShowPending, Y), PendingInquiries).value.pending


def answer(case: Case, transaction: str, items: tuple[DatedItem, ...] | None = None, staff: str = CLERK) -> Outcome:
    message = case.y.message(AnswerByHand, Y, staff=staff, transaction=transaction, items=items)
    return case.y.client.send("/pending/answered", message, DecidedByHand).value.outcome


def withhold(case: Case, transaction: str) -> Outcome:
    message = case.y.message(WithholdByHand, Y, staff=CLERK, transaction=transaction)
    return case.y.client.send("/pending/withheld", message, DecidedByHand).value.outcome


def fetch(desk: Desk, transaction: str, staff: str = CLERK) -> Inquired:
    message = desk.message(FetchAnswer, desk.exchange, staff=staff, transaction=transaction)
    return desk.client.send("/inquiries/later", message, Inquired).value


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(Problem) as caught:
        call()
    return caught.value.code


@pytest.fixture
def asked(case: Case) -> str:
    """An inquiry that Y市 left to a person; its transaction number."""
    case.y.grant()
    protect(case)
    pending = case.x.inquire(case.at_x)
    assert pending.outcome is Outcome.PENDING
    return pending.transaction


def test_an_inquiry_waits_with_its_deadline_and_is_overdue_after_it(case: Case, asked: str) -> None:
    (one,) = waiting(case)
    assert (one.transaction, one.addressee_number, one.due_at, one.overdue) == (
        asked, case.at_y, NOON + timedelta(days=14), False,
    )  # fmt: skip
    case.country.clock.at = NOON + timedelta(days=14, seconds=1)
    (one,) = waiting(case)
    assert one.overdue


def test_an_officer_answers_from_the_copy_long_after_the_permit_lapsed(case: Case, asked: str) -> None:
    case.country.clock.at = NOON + timedelta(days=3)
    assert fetch(case.x, asked).outcome is Outcome.PENDING
    assert answer(case, asked) is Outcome.PROVIDED
    assert waiting(case) == ()
    fetched = fetch(case.x, asked)
    assert [item.body for item in fetched.items] == [TAX_2025]
    for party, city in ((X, "x-city"), (Y, "y-city")):
        (record,) = RecordStore(case.country.engine(party), city).of(asked)
        assert (record.outcome, record.recorded_at) == (Outcome.PROVIDED, NOON + timedelta(days=3))


def test_an_officer_gives_corrected_items(case: Case, asked: str) -> None:
    corrected = tax_copy(case.at_y, total_income=3_000_000).item
    answer(case, asked, (corrected,))
    assert fetch(case.x, asked).items == (corrected,)


def test_items_that_were_not_asked_for_or_do_not_fit_their_schema_are_refused(case: Case, asked: str) -> None:
    good = tax_copy(case.at_y).item
    assert refused(lambda: answer(case, asked, (good.model_copy(update={"item": "pension"}),))) == "item.unknown"
    assert refused(lambda: answer(case, asked, (good.model_copy(update={"body": {}}),))) == "copy.invalid"
    assert len(waiting(case)) == 1


def test_a_copy_that_was_altered_on_disk_is_not_answered_from(case: Case) -> None:
    case.y.grant()
    with case.country.engine(Y).begin() as conn:
        conn.execute(update(copy).values(body='{"total_income": 1}'))
    asked = case.x.inquire(case.at_x)
    assert asked.outcome is Outcome.PENDING
    assert refused(lambda: answer(case, asked.transaction)) == "copy.invalid"
    assert answer(case, asked.transaction, (tax_copy(case.at_y).item,)) is Outcome.PROVIDED


def test_nothing_held_is_told_as_none(case: Case, asked: str) -> None:
    assert answer(case, asked, ()) is Outcome.NONE
    assert (fetch(case.x, asked).outcome, fetch(case.x, asked).items) == (Outcome.NONE, ())


def test_an_officer_decides_once_and_only_with_the_right(case: Case, asked: str) -> None:
    assert refused(lambda: answer(case, asked, staff="suzuki")) == "staff.not_entitled"
    assert withhold(case, asked) is Outcome.WITHHELD
    assert refused(lambda: answer(case, asked)) == "answer.decided"
    assert fetch(case.x, asked).outcome is Outcome.WITHHELD
    assert refused(lambda: withhold(case, "0" * 32)) == "transaction.unknown"


@pytest.mark.parametrize("kind", [FlagKind.SUPPORT_MEASURE, FlagKind.NON_DISCLOSURE])
def test_a_protection_set_after_the_officers_answer_and_before_it_is_fetched_withholds(
    case: Case, asked: str, kind: FlagKind
) -> None:
    answer(case, asked)
    protect(case, kind)
    fetched = fetch(case.x, asked)
    assert (fetched.outcome, fetched.items) == (Outcome.WITHHELD, ())
    (theirs,) = RecordStore(case.country.engine(Y), "y-city").of(asked)
    assert (theirs.outcome, theirs.flagged, theirs.payload_hash) == (Outcome.WITHHELD, True, None)


def test_an_answer_comes_again_to_the_byte_while_it_is_kept_and_nobody_was_protected_since(
    case: Case, asked: str
) -> None:
    answer(case, asked)
    first = fetch(case.x, asked)
    assert fetch(case.x, asked).items == first.items
    sealed = [
        ProvisionAnswer.model_validate_json(Envelope.model_validate_json(body).payload_bytes()).sealed
        for _, _, path, _, body in case.country.carried
        if path == "/provisions/later"
    ]
    assert len(set(sealed)) == 1
    protect(case, FlagKind.SUPPORT_MEASURE)
    assert refused(lambda: fetch(case.x, asked)) == "permit.used"
    message = case.y.message(LiftProtection, Y, addressee_number=case.at_y, flag=FlagKind.SUPPORT_MEASURE)
    left = case.y.client.send("/protections/lifted", message, Protections).value.protections
    assert [one.flag for one in left] == [FlagKind.ANSWER_BY_HAND]
    assert fetch(case.x, asked).items == first.items
    case.country.clock.at = NOON + timedelta(days=31)
    assert refused(lambda: fetch(case.x, asked)) == "permit.used"


def test_the_platform_is_told_pending_and_then_what_came_of_it_even_when_pending_was_still_waiting(
    case: Case, asked: str
) -> None:
    outbox = OutboxStore(case.country.engine(Y), "y-city")
    (pending,) = outbox.due(NOON, 10)
    assert pending.report.outcome is Outcome.PENDING
    answer(case, asked)
    fetch(case.x, asked)
    outbox.accepted([pending.report])
    (final,) = outbox.due(NOON, 10)
    assert final.report == replace(pending.report, outcome=Outcome.PROVIDED, payload_hash=final.report.payload_hash)


def test_only_the_requester_with_its_own_permit_is_answered_later(case: Case, asked: str) -> None:
    answer(case, asked)
    pending = next(body for _, _, path, _, body in case.country.carried if path == "/inquiries" and b"inquired" in body)
    permit = Inquired.model_validate_json(Envelope.model_validate_json(pending).payload_bytes()).permit
    edge = case.country.edge(PartyId("z-town/exchange"))
    message = edge.message(LaterProvisionRequest, Y, permit=permit)
    stranger = type(case.y.client)(edge)
    assert refused(lambda: stranger.send("/provisions/later", message, ProvisionAnswer)) == "permit.wrong_requester"
    assert refused(lambda: fetch(case.country.desk("z-town"), asked)) == "transaction.unknown"


def test_who_watches_the_line_cannot_tell_one_outcome_from_another(case: Case) -> None:
    def asked_with(kind: FlagKind | None, outcome: Outcome, **changes: Any) -> int:
        if kind:
            protect(case, kind)
        assert case.x.inquire(case.at_x, **changes).outcome is outcome
        if kind:
            message = case.y.message(LiftProtection, Y, addressee_number=case.at_y, flag=kind)
            case.y.client.send("/protections/lifted", message, Protections)
        return len([body for _, _, path, _, body in case.country.carried if path == "/provisions"][-1])

    assert {
        asked_with(None, Outcome.NONE, period=BEFORE),
        asked_with(FlagKind.SUPPORT_MEASURE, Outcome.WITHHELD),
        asked_with(FlagKind.NON_DISCLOSURE, Outcome.WITHHELD),
        asked_with(FlagKind.ANSWER_BY_HAND, Outcome.PENDING),
    } == {asked_with(None, Outcome.PROVIDED)}


def test_an_inquiry_that_ended_is_not_fetched_again(case: Case) -> None:
    done = case.x.inquire(case.at_x)
    assert refused(lambda: fetch(case.x, done.transaction)) == "permit.used"
    assert refused(lambda: fetch(case.x, "0" * 32)) == "transaction.unknown"
    assert refused(lambda: fetch(case.x, done.transaction, "suzuki")) == "staff.not_entitled"
