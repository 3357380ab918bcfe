"""Scheduled inquiries of one institution (予約照会): what is to be asked on which day, and what became of each run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, select

from kumihimo.plumbing.wire.messages.batch_desk import Recurrence
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.roles.gateway.store.commits import Commit, OneByOne, Work
from kumihimo.roles.gateway.store.exchange import schedule, schedule_run


@dataclass(frozen=True)
class Schedule:
    """A scheduled inquiry as it was entered; without a period each run asks about the fiscal year of its day."""

    schedule: str
    staff: str
    case_reference: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period | None
    addressees: tuple[str, ...]
    recurrence: Recurrence
    first_on: date
    last_on: date | None
    next_on: date | None
    entered_at: datetime
    cancelled_at: datetime | None = None


@dataclass(frozen=True)
class Run:
    """One run: the batch it became, or the code of the problem; whom it left out, with the code why."""

    schedule: str
    due_on: date
    ran_at: datetime
    batch: str | None
    problem: str | None
    left_out: tuple[tuple[str, str], ...] = ()


class AlreadyRun(Exception):
    """A day on which a scheduled inquiry was made already."""


class ScheduleStore:
    """One institution's scheduled inquiries in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)
        self._here = schedule.c.institution == institution

    def enter(self, entered: Schedule) -> None:
        """Write one down."""
        period = entered.period or Period()
        values = {
            "institution": self._institution,
            "schedule": entered.schedule,
            "staff": entered.staff,
            "case_reference": entered.case_reference,
            "provider": entered.provider,
            "affair": entered.affair,
            "items": json.dumps(entered.items),
            "since": period.since,
            "until": period.until,
            "year_of_run": entered.period is None,
            "addressees": json.dumps(entered.addressees),
            "recurrence": entered.recurrence.value,
            "first_on": entered.first_on,
            "last_on": entered.last_on,
            "next_on": entered.next_on,
            "entered_at": entered.entered_at,
        }
        self._commit(lambda conn: conn.execute(schedule.insert().values(values)).close())

    def find(self, number: str | None = None) -> list[Schedule]:
        """All of them, or one; the next one due first, those that are over last."""
        query = select(schedule).where(self._here)
        if number is not None:
            query = query.where(schedule.c.schedule == number)
        with self._engine.connect() as conn:
            found = [_schedule(row) for row in conn.execute(query)]
        return sorted(found, key=lambda one: (one.next_on or date.max, one.entered_at))

    def due(self, today: date) -> list[Schedule]:
        """Those to be asked today or before."""
        query = select(schedule).where(self._here, schedule.c.next_on <= today).order_by(schedule.c.next_on)
        with self._engine.connect() as conn:
            return [_schedule(row) for row in conn.execute(query)]

    def running(self, run: Run, next_on: date | None) -> Work:
        """What writes a run down, and when the next one is; for a transaction of the batch it became.

        Raises AlreadyRun there, for a day that was run.
        """
        values = {
            "institution": self._institution,
            "schedule": run.schedule,
            "due_on": run.due_on,
            "ran_at": run.ran_at,
            "batch": run.batch,
            "problem": run.problem,
            "left_out": json.dumps(run.left_out),
        }
        same = (schedule_run.c.institution == self._institution) & (schedule_run.c.schedule == run.schedule)
        this = self._here & (schedule.c.schedule == run.schedule) & schedule.c.cancelled_at.is_(None)

        def work(conn: Connection) -> None:
            known = select(schedule_run.c.due_on).where(same, schedule_run.c.due_on == run.due_on)
            if conn.execute(known).one_or_none() is not None:
                raise AlreadyRun(run.due_on)
            conn.execute(schedule_run.insert().values(values))
            conn.execute(schedule.update().where(this).values(next_on=next_on))

        return work

    def failed(self, run: Run, next_on: date | None) -> None:
        """Write a run down that became no batch. Raises AlreadyRun."""
        self._commit(self.running(run, next_on))

    def cancel(self, number: str, at: datetime) -> None:
        """Ask no more; runs and their results stay."""
        this = self._here & (schedule.c.schedule == number) & schedule.c.cancelled_at.is_(None)
        values = {"cancelled_at": at, "next_on": None}
        self._commit(lambda conn: conn.execute(schedule.update().where(this).values(values)).close())

    def runs(self, numbers: Sequence[str]) -> dict[str, list[Run]]:
        """The runs of scheduled inquiries, the newest first."""
        query = select(schedule_run).where(
            schedule_run.c.institution == self._institution, schedule_run.c.schedule.in_(numbers)
        )
        found: dict[str, list[Run]] = {}
        with self._engine.connect() as conn:
            for row in conn.execute(query.order_by(schedule_run.c.due_on.desc())):
                left_out = tuple((number, code) for number, code in json.loads(row.left_out))
                run = Run(row.schedule, row.due_on, row.ran_at, row.batch, row.problem, left_out)
                found.setdefault(row.schedule, []).append(run)
        return found


def _schedule(row: Any) -> Schedule:
    return Schedule(
        row.schedule,
        row.staff,
        row.case_reference,
        row.provider,
        row.affair,
        tuple(json.loads(row.items)),
        None if row.year_of_run else Period(since=row.since, until=row.until),
        tuple(json.loads(row.addressees)),
        Recurrence(row.recurrence),
        row.first_on,
        row.last_on,
        row.next_on,
        row.entered_at,
        row.cancelled_at,
    )
