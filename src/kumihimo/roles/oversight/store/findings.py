"""Findings (検査結果): alarms, and the comparison of what the operators said with what the log holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, exists, func, insert, select, update

from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.store import tables as t
from kumihimo.roles.oversight.store.tables import EntryState, PromiseState

_AT_ONCE = 200  # findings taken up in one round; the others follow in the next
log = structlog.get_logger()


@dataclass(frozen=True)
class Counts:
    """How much was verified, taken in and found wrong; `alarms` by kind."""

    verified_size: int
    verified_at: datetime | None
    records: int
    promises: int
    promises_kept: int
    alarms: dict[str, int]


def raise_alarm(conn: Connection, alarm: Alarm, at: datetime) -> None:
    """Write an alarm, or note that one is still there, inside the caller's transaction."""
    same = and_(t.alarm.c.kind == alarm.kind.value, t.alarm.c.what == alarm.what)
    seen = update(t.alarm).where(same).values(last_seen_at=at, times=t.alarm.c.times + 1)
    if conn.execute(seen).rowcount:
        return
    values = {"kind": alarm.kind.value, "what": alarm.what, "evidence": alarm.evidence}
    conn.execute(insert(t.alarm).values(**values, raised_at=at, last_seen_at=at, times=1))
    log.error("ALARM", kind=alarm.kind.value)


class Findings:
    """Alarms and comparisons. Methods that compare return nothing: what they find is an alarm."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def raise_(self, alarm: Alarm, at: datetime) -> None:
        """Write one alarm."""
        with self._engine.begin() as conn:
            raise_alarm(conn, alarm, at)

    def alarms(self) -> list[Alarm]:
        """All alarms, oldest first."""
        columns = t.alarm.c.kind, t.alarm.c.what, t.alarm.c.evidence
        with self._engine.connect() as conn:
            rows = conn.execute(select(*columns).order_by(t.alarm.c.raised_at, t.alarm.c.kind, t.alarm.c.what))
            return [Alarm(AlarmKind(kind), what, evidence) for kind, what, evidence in rows]

    def compare_records(self, missing_before: datetime, at: datetime) -> None:
        """Hold the records handed over against the entries; one verified before `missing_before` must have its record."""
        entry, record, states = t.log_entry, t.record, EntryState
        here = record.c.log_index == entry.c.log_index
        unsettled = entry.c.state.in_((states.AWAITED.value, states.MISSING.value))
        with self._engine.begin() as conn:
            alike = exists().where(here, record.c.commitment == entry.c.commitment)
            conn.execute(update(entry).where(unsettled, alike).values(state=states.MATCHED.value))
            other = exists().where(here, record.c.commitment != entry.c.commitment)
            for (index,) in _some(conn, entry, [entry.c.log_index], [unsettled, other]):
                _settle(conn, entry, entry.c.log_index == index, states.CONTRADICTED)
                what = f"entry {index} is not the record handed over for it"
                raise_alarm(conn, Alarm(AlarmKind.RECORD_NOT_LOGGED, what), at)
            late = [entry.c.state == states.AWAITED.value, entry.c.verified_at < missing_before, ~exists().where(here)]
            for (index,) in _some(conn, entry, [entry.c.log_index], late):
                _settle(conn, entry, entry.c.log_index == index, states.MISSING)
                what = f"no record was handed over for entry {index}"
                raise_alarm(conn, Alarm(AlarmKind.RECORD_MISSING, what), at)

    def compare_promises(self, overdue_before: datetime | None, at: datetime) -> None:
        """Hold the promises against the entries; one received before `overdue_before` must be kept by now.

        None: the log could not be read long enough for any promise to be called overdue.
        """
        promise, entry, states = t.promise, t.log_entry, PromiseState
        here = entry.c.log_index == promise.c.log_index
        unsettled = promise.c.state.in_((states.AWAITED.value, states.OVERDUE.value))
        columns = [promise.c.log_index, promise.c.commitment, promise.c.promise]
        with self._engine.begin() as conn:
            alike = exists().where(here, entry.c.commitment == promise.c.commitment)
            conn.execute(update(promise).where(unsettled, alike).values(state=states.KEPT.value))
            other = exists().where(here, entry.c.commitment != promise.c.commitment)
            for index, commitment, signed in _some(conn, promise, columns, [unsettled, other]):
                _settle(conn, promise, _promise_at(index, commitment), states.BROKEN)
                what = f"entry {index} is not {commitment.hex()}, which was promised there"
                raise_alarm(conn, Alarm(AlarmKind.PROMISE_BROKEN, what, _whole(conn, signed)), at)
            if overdue_before is None:
                return
            late = [promise.c.state == states.AWAITED.value, promise.c.received_at < overdue_before]
            for index, commitment, signed in _some(conn, promise, columns, late):
                _settle(conn, promise, _promise_at(index, commitment), states.OVERDUE)
                what = f"entry {index}, promised as {commitment.hex()}, is not in the log yet"
                raise_alarm(conn, Alarm(AlarmKind.PROMISE_OVERDUE, what, _whole(conn, signed)), at)

    def counts(self, origin: str) -> Counts:
        """What `GET /status` says."""
        state = select(t.verified.c.size, t.verified.c.verified_at).where(t.verified.c.origin == origin)
        by_kind = select(t.alarm.c.kind, func.count().label("found")).group_by(t.alarm.c.kind).order_by(t.alarm.c.kind)
        with self._engine.connect() as conn:
            verified = conn.execute(state).one_or_none()
            return Counts(
                verified_size=0 if verified is None else verified.size,
                verified_at=None if verified is None else verified.verified_at,
                records=_count(conn, t.record),
                promises=_count(conn, t.promise),
                promises_kept=_count(conn, t.promise, t.promise.c.state == PromiseState.KEPT.value),
                alarms={row.kind: row.found for row in conn.execute(by_kind)},
            )


def _some(
    conn: Connection, table: Table, columns: list[Any], conditions: Iterable[ColumnElement[bool]]
) -> list[tuple[Any, ...]]:
    query = select(*columns).where(*conditions).order_by(table.c.log_index).limit(_AT_ONCE)
    return [tuple(row) for row in conn.execute(query)]


def _whole(conn: Connection, promise: str) -> str:
    """A promise as it was signed, also where it is kept with another entry."""
    at = json.loads(promise).get("promised_with")
    if at is None:
        return promise
    with_it = select(t.promise.c.promise).where(t.promise.c.log_index == at, t.promise.c.promise.contains("payload"))
    return conn.execute(with_it.limit(1)).scalar_one_or_none() or promise


def _promise_at(index: int, commitment: bytes) -> ColumnElement[bool]:
    return and_(t.promise.c.log_index == index, t.promise.c.commitment == commitment)


def _settle(conn: Connection, table: Table, row: ColumnElement[bool], state: EntryState | PromiseState) -> None:
    conn.execute(update(table).where(row).values(state=state.value))


def _count(conn: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return int(conn.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())
