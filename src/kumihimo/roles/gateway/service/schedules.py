"""Scheduled inquiries (予約照会): a batch asked by the exchange itself on its day, in the name of who entered it.

Nothing is decided beforehand: on each day the staff member's rights, the addressees, their link codes and the law are those
of that day. A day on which the exchange was down is made up for once, when it is up again; of several missed ones, the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Final

import structlog

from kumihimo.domain.kernel import Problem, RandomSource, fiscal_year, legal_day
from kumihimo.domain.kernel.recurrence import days_later, months_later, years_later
from kumihimo.plumbing.wire.messages.batch_desk import (
    EnterBatch,
    EnterSchedule,
    Recurrence,
    RejectedPerson,
    RunShown,
    ScheduleShown,
    WithRejected,
)
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.roles.gateway.service.batch import Batches, Checked, not_entitled
from kumihimo.roles.gateway.store.commits import Work
from kumihimo.roles.gateway.store.schedules import AlreadyRun, Run, Schedule, ScheduleStore

_SCHEDULE_BYTES: Final = 8
_LATER: Final[dict[Recurrence, Callable[[date, int], date]]] = {
    Recurrence.DAILY: days_later,
    Recurrence.MONTHLY: months_later,
    Recurrence.YEARLY: years_later,
}
log = structlog.get_logger()


@dataclass(frozen=True)
class Scheduled:
    """What became of a scheduled inquiry that was to be entered; without a number nothing was written."""

    schedule: str | None
    rejected: tuple[RejectedPerson, ...] = ()


@dataclass(frozen=True)
class Schedules:
    """The requester's desk for scheduled inquiries."""

    store: ScheduleStore
    batches: Batches
    randomness: RandomSource

    def enter(self, message: EnterSchedule) -> Scheduled:
        """Check a scheduled inquiry as if it were asked today, and write it down.

        Raises Problem: value.invalid (days that are over or in the wrong order; nobody, or more than 10,000),
        staff.not_entitled. Whoever could not be asked about today is rejected, and then nothing is entered.
        """
        clock = self.batches.edge.clock
        _check_days(message, legal_day(clock.now()))
        if self.batches.rights.department(message.staff, message.affair) is None:
            raise not_entitled(message.staff, message.affair)
        checked = self.batches.check(message.addressee_numbers)
        if checked.rejected:
            return Scheduled(None, checked.rejected)
        number = self.randomness.token_bytes(_SCHEDULE_BYTES).hex()
        self.store.enter(
            Schedule(
                number,
                message.staff,
                message.case_reference,
                message.provider,
                message.affair,
                message.items,
                message.period,
                tuple(checked.numbers.values()),
                message.recurrence,
                message.first_on,
                message.last_on,
                message.first_on,
                clock.now(),
            )
        )
        return Scheduled(number)

    def cancel(self, staff: str, number: str) -> None:
        """Ask no more. Raises Problem(schedule.unknown, staff.not_entitled)."""
        found = self._find(number)[0]
        if self.batches.rights.department(staff, found.affair) is None:
            raise not_entitled(staff, found.affair)
        self.store.cancel(number, self.batches.edge.clock.now())

    def shown(self, number: str | None = None) -> tuple[ScheduleShown, ...]:
        """Scheduled inquiries with their runs, the next one due first. Raises Problem(schedule.unknown)."""
        found = self._find(number)
        runs = self.store.runs([one.schedule for one in found])
        return tuple(_shown(one, runs.get(one.schedule, [])) for one in found)

    def run_due(self) -> int:
        """Ask what is due today or was missed; how many became batches."""
        today = legal_day(self.batches.edge.clock.now())
        return sum(self._run(one, today) for one in self.store.due(today))

    def _run(self, one: Schedule, today: date) -> bool:
        due_on = last_due(one, today)
        if due_on is None:
            return False
        following = next_due(one, due_on)
        message = self._message(one, due_on)
        now = self.batches.edge.clock.now()

        def ran(batch: str, checked: Checked) -> Work:
            left_out = tuple((one.addressees[rejected.place], rejected.code) for rejected in checked.rejected)
            return self.store.running(Run(one.schedule, due_on, now, batch, None, left_out), following)

        try:
            entered = self.batches.enter(message, one.schedule, ran)
            problem = None if entered.batch else "addressee.no_code"
        except Problem as stopped:
            problem = stopped.code
        except AlreadyRun:
            return False  # another process has run this day
        if problem is not None:
            log.warning("schedule.failed", code=problem)
            self.store.failed(Run(one.schedule, due_on, now, None, problem), following)
        return problem is None

    def _message(self, one: Schedule, day: date) -> EnterBatch:
        year = fiscal_year(day)
        edge = self.batches.edge
        return edge.message(
            EnterBatch,
            edge.party,
            staff=one.staff,
            case_reference=one.case_reference,
            addressee_numbers=one.addressees,
            provider=one.provider,
            affair=one.affair,
            items=one.items,
            period=one.period if one.period is not None else Period(since=year.start, until=year.end),
            with_rejected=WithRejected.LEAVE_OUT,
        )

    def _find(self, number: str | None) -> list[Schedule]:
        found = self.store.find(number)
        if number is not None and not found:
            raise Problem(
                "schedule.unknown", number[:40], "schedule", "a scheduled inquiry entered here",
                "`kumihimo schedule list` shows them.",
            )  # fmt: skip
        return found


def last_due(one: Schedule, today: date) -> date | None:
    """The last day up to today on which it was to be asked and was not; None when there is none."""
    due, following = one.next_on, one.next_on
    while following is not None and following <= today:
        due, following = following, next_due(one, following)
    return due if due is not None and due <= today else None


def next_due(one: Schedule, after: date) -> date | None:
    """The first day after `after`; None when nothing more is to be asked."""
    later = _LATER.get(one.recurrence)
    if later is None:
        return None
    day = next(day for step in count() if (day := later(one.first_on, step)) > after)
    return None if one.last_on is not None and day > one.last_on else day


def _check_days(message: EnterSchedule, today: date) -> None:
    if message.first_on < today:
        raise Problem("value.invalid", f"first on {message.first_on}", "first_on", f"today ({today}) or a day to come")
    if message.recurrence is Recurrence.ONCE and message.last_on is not None:
        raise Problem("value.invalid", f"once, and last on {message.last_on}", "last_on", "no last day")
    if message.last_on is not None and message.last_on < message.first_on:
        raise Problem("value.invalid", f"last on {message.last_on}", "last_on", f"{message.first_on} or later")


def _shown(one: Schedule, runs: list[Run]) -> ScheduleShown:
    return ScheduleShown(
        schedule=one.schedule,
        staff=one.staff,
        case_reference=one.case_reference,
        provider=one.provider,
        affair=one.affair,
        items=one.items,
        period=one.period,
        persons=len(one.addressees),
        recurrence=one.recurrence,
        first_on=one.first_on,
        last_on=one.last_on,
        next_on=one.next_on,
        cancelled_at=one.cancelled_at,
        runs=tuple(
            RunShown(
                due_on=run.due_on, ran_at=run.ran_at, batch=run.batch, problem=run.problem, left_out=len(run.left_out)
            )
            for run in runs
        ),
    )
