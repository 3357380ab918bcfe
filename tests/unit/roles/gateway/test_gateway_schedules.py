"""Scheduled inquiries: the exchange asks by itself on each day, with the rights, the law and the addressees of that day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from gateway_country import AFFAIR, CLERK, FISCAL_2025, ITEM, GatewayCountry, hanako
from test_gateway_batch import Many

from kumihimo.domain.kernel import Problem
from kumihimo.domain.kernel.recurrence import days_later, months_later, years_later
from kumihimo.plumbing.wire.messages.batch_desk import (
    CancelSchedule,
    EnterSchedule,
    Recurrence,
    Schedules,
    ScheduleShown,
    ShowSchedules,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period

TODAY = date(2026, 11, 2)


class Desk:
    """X City's desk before scheduled inquiries about the people of a batch."""

    def __init__(self, many: Many) -> None:
        self.many, self.x = many, many.x

    def enter(self, numbers: list[str] | None = None, **changes: Any) -> Schedules:
        fields: dict[str, Any] = {
            "staff": CLERK,
            "case_reference": "2026-予約-1",
            "addressee_numbers": tuple(self.many.at_x if numbers is None else numbers),
            "provider": "y-city",
            "affair": AFFAIR,
            "items": (ITEM,),
            "period": FISCAL_2025,
            "recurrence": Recurrence.ONCE,
            "first_on": TODAY + timedelta(days=1),
        }
        message = self.x.message(EnterSchedule, self.x.exchange, **{**fields, **changes})
        return self.x.client.send("/schedules", message, Schedules).value

    def entered(self, **changes: Any) -> str:
        return self.enter(**changes).schedules[0].schedule

    def show(self, schedule: str) -> ScheduleShown:
        message = self.x.message(ShowSchedules, self.x.exchange, schedule=schedule)
        return self.x.client.send("/schedules/shown", message, Schedules).value.schedules[0]

    def cancel(self, schedule: str, staff: str = CLERK) -> None:
        message = self.x.message(CancelSchedule, self.x.exchange, staff=staff, schedule=schedule)
        self.x.client.send("/schedules/cancelled", message, Schedules)

    def on(self, day: date) -> int:
        """Noon of a day has come (in Japan): the exchange looks, and asks what waits."""
        self.many.country.clock.at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
        begun = self.x.services().daily.look()
        self.many.work_off()
        return begun


@pytest.fixture
def desk(country: GatewayCountry) -> Desk:
    return Desk(Many(country))


def test_what_is_scheduled_for_a_day_is_asked_on_that_day_and_fetched_later(desk: Desk) -> None:
    schedule = desk.entered()
    assert desk.on(TODAY) == 0
    assert desk.on(TODAY + timedelta(days=1)) == 1
    assert desk.on(TODAY + timedelta(days=2)) == 0
    shown = desk.show(schedule)
    assert shown.next_on is None
    (run,) = shown.runs
    assert (run.due_on, run.problem, run.left_out) == (TODAY + timedelta(days=1), None, 0)
    assert [one.outcome for one in desk.many.fetch(run.batch or "")] == [Outcome.PROVIDED] * 8
    assert desk.many.show(run.batch).schedule == schedule


def test_a_monthly_inquiry_comes_on_the_last_day_of_short_months_and_ends_in_time(desk: Desk) -> None:
    schedule = desk.entered(recurrence=Recurrence.MONTHLY, first_on=date(2026, 12, 31), last_on=date(2027, 3, 1))
    assert [desk.on(day) for day in (date(2026, 12, 31), date(2027, 1, 30), date(2027, 1, 31), date(2027, 2, 28))] == [
        1, 0, 1, 1,
    ]  # fmt: skip
    assert desk.show(schedule).next_on is None
    assert len(desk.show(schedule).runs) == 3


def test_of_days_on_which_the_exchange_was_down_the_last_is_made_up_for_once(desk: Desk) -> None:
    schedule = desk.entered(recurrence=Recurrence.DAILY)
    assert desk.on(TODAY + timedelta(days=5)) == 1
    shown = desk.show(schedule)
    assert [run.due_on for run in shown.runs] == [TODAY + timedelta(days=5)]
    assert shown.next_on == TODAY + timedelta(days=6)


def test_rights_are_those_of_the_day(desk: Desk) -> None:
    schedule = desk.entered(recurrence=Recurrence.YEARLY)
    desk.x.services().inquiry.store.revoke(CLERK, "*")
    assert desk.on(TODAY + timedelta(days=1)) == 0
    (run,) = desk.show(schedule).runs
    assert (run.batch, run.problem) == (None, "staff.not_entitled")
    desk.x.grant()
    assert desk.on(years_later(TODAY + timedelta(days=1), 1)) == 1


def test_the_law_is_that_of_the_day(desk: Desk) -> None:
    """What the law did not know when it was entered is refused on the day, for each person."""
    schedule = desk.entered(affair="library.cards")
    assert desk.on(TODAY + timedelta(days=1)) == 1
    (run,) = desk.show(schedule).runs
    assert desk.many.show(run.batch).outcomes == {"refused": 8}


def test_whoever_has_no_link_code_any_more_is_left_out_and_counted(desk: Desk) -> None:
    schedule = desk.entered()
    with desk.many.country.engine(desk.x.exchange).begin() as conn:
        conn.exec_driver_sql("DELETE FROM link_code WHERE addressee_number = ?", (desk.many.at_x[0],))
    assert desk.on(TODAY + timedelta(days=1)) == 1
    (run,) = desk.show(schedule).runs
    assert run.left_out == 1
    assert desk.many.show(run.batch).outcomes == {"provided": 7}


def test_without_a_period_each_run_asks_about_the_fiscal_year_of_its_day(desk: Desk) -> None:
    schedule = desk.entered(period=None, recurrence=Recurrence.YEARLY, first_on=date(2027, 4, 1))
    desk.on(date(2027, 4, 1))
    desk.on(date(2028, 4, 3))
    periods = [desk.many.show(run.batch).period for run in desk.show(schedule).runs]
    assert periods == [
        Period(since=date(2028, 4, 1), until=date(2029, 3, 31)),
        Period(since=date(2027, 4, 1), until=date(2028, 3, 31)),
    ]


def test_a_cancelled_inquiry_is_asked_no_more(desk: Desk) -> None:
    schedule = desk.entered(recurrence=Recurrence.DAILY)
    assert desk.on(TODAY + timedelta(days=1)) == 1
    with pytest.raises(Problem) as caught:
        desk.cancel(schedule, staff="suzuki")
    assert caught.value.code == "staff.not_entitled"
    desk.cancel(schedule)
    assert desk.on(TODAY + timedelta(days=2)) == 0
    assert desk.show(schedule).cancelled_at is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"first_on": TODAY - timedelta(days=1)},
        {"last_on": TODAY + timedelta(days=9)},
        {"recurrence": Recurrence.DAILY, "last_on": TODAY},
        {"numbers": []},
    ],
)
def test_days_that_make_no_sense_are_refused(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        desk.enter(**changes)
    assert caught.value.code == "value.invalid"
    message = desk.x.message(ShowSchedules, desk.x.exchange)
    assert desk.x.client.send("/schedules/shown", message, Schedules).value.schedules == ()


def test_a_list_with_somebody_who_cannot_be_asked_about_is_not_entered(desk: Desk) -> None:
    without_code = desk.x.take_in(desk.x.register(hanako(given="他子"))).addressee_number
    reply = desk.enter(numbers=[desk.many.at_x[0], without_code, "12"])
    assert [(one.place, one.code) for one in reply.rejected] == [
        (1, "addressee.no_code"), (2, "addressee_number.format"),
    ]  # fmt: skip
    assert reply.schedules == ()


def test_an_unknown_number_is_told(desk: Desk) -> None:
    with pytest.raises(Problem) as caught:
        desk.show("0" * 16)
    assert caught.value.code == "schedule.unknown"


def test_days_are_counted_from_the_first() -> None:
    assert days_later(date(2026, 12, 31), 1) == date(2027, 1, 1)
    assert [months_later(date(2026, 1, 31), n) for n in (1, 2, 13)] == [
        date(2026, 2, 28), date(2026, 3, 31), date(2027, 2, 28),
    ]  # fmt: skip
    assert years_later(date(2028, 2, 29), 1) == date(2029, 2, 28)
    assert years_later(date(2028, 2, 29), 4) == date(2032, 2, 29)
