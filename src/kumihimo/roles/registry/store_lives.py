"""Store of operations on registrations (登録の異動): what each did to whom, so that it can be taken back; acknowledgements."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel import FourItems
from kumihimo.domain.sealing import canonical_json
from kumihimo.plumbing.wire.messages.lives import Applied
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.registry.schema import (
    announcement,
    code_holder,
    number_history,
    operation,
    operation_part,
    resident,
)
from kumihimo.roles.registry.store import Change, NewResident, RegistryStore, Resident, Taken, Transaction


@dataclass(frozen=True)
class Part:
    """What an operation did to one resident; `before` is None for one who was not there."""

    before: Resident | None
    after: Resident


@dataclass(frozen=True)
class Operation:
    """An operation as recorded."""

    kind: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Waiting:
    """An announcement that an institution has not acknowledged."""

    institution: str
    individual_number: str
    event: str
    happened_on: date
    version: int
    announced_at: datetime


@dataclass(frozen=True)
class Behind:
    """An institution that holds a code of an earlier counter, or may hold one."""

    resident: Resident
    institution: str
    counter: int


class LivesStore:
    """The registry's store, for operations on registrations."""

    def __init__(self, registry: RegistryStore) -> None:
        self._engine = registry.engine

    @contextmanager
    def transaction(self) -> Iterator[LivesTransaction]:
        """One transaction, all or nothing. Raises Taken when another writer was faster."""
        try:
            with self._engine.begin() as conn:
                yield LivesTransaction(conn)
        except IntegrityError:
            raise Taken from None


class LivesTransaction(Transaction):
    """The queries of one transaction, those of the registry included."""

    def registration(self, number: str) -> Resident | None:
        """The registration with exactly this present number, whatever its standing."""
        return self._one(resident.c.individual_number == number)

    def perform(self, kind: str, parts: Sequence[Part], new: NewResident | None, change: Change) -> list[Resident]:
        """Store an operation and what it leads to, also somebody new; those concerned, as they are now.

        Raises Taken when one of them is no longer as in `before`.
        """
        for part in parts:
            assert part.before is not None  # noqa: S101 - those who are not there come as `new`
            self.update(part.before, part.after, change)
            self._number_changed(part.before, part.after, change.recorded_at)
        added = self.add([new], [change]) if new is not None else []
        done = [*parts, *(Part(None, one) for one in added)]
        self._record(kind, done, change)
        return [part.after for part in done]

    def last_operation(self, one: Resident) -> Operation | None:
        """The operation that led to the present version; None when something else did."""
        led_here = (operation_part.c.resident == one.id) & (operation_part.c.version == one.version)
        found = self._conn.execute(
            select(operation.c.id, operation.c.kind).join(operation_part).where(led_here)
        ).one_or_none()
        if found is None:
            return None
        parts = self._conn.execute(
            select(operation_part).where(operation_part.c.operation == found.id).order_by(operation_part.c.resident)
        )
        return Operation(found.kind, tuple(Part(_read(row.before), _present(row.after)) for row in parts))

    def present(self, one: Resident) -> Resident | None:
        """The same registration as it is now."""
        return self._one(resident.c.id == one.id)

    def acknowledge(self, institution: str, applied: Sequence[Applied], at: datetime) -> int:
        """Note that an institution has applied these announcements; those of others are left alone."""
        noted = 0
        for one in applied:
            mine = (announcement.c.seq == one.seq) & (announcement.c.institution == institution)
            told = mine & (announcement.c.version == one.version) & announcement.c.acknowledged_at.is_(None)
            noted += self._conn.execute(announcement.update().where(told).values(acknowledged_at=at)).rowcount
        return noted

    def unacknowledged(self, reporter: str, before: datetime, limit: int) -> tuple[list[Waiting], int]:
        """Announcements of what `reporter` reported, made at or before an instant: the oldest, and how many there are."""
        waiting = (
            (announcement.c.reported_by == reporter)
            & (announcement.c.announced_at <= before)
            & announcement.c.acknowledged_at.is_(None)
        )
        total = self._conn.scalar(select(func.count()).select_from(announcement).where(waiting)) or 0
        rows = self._conn.execute(
            select(announcement, resident.c.individual_number)
            .join(resident, resident.c.id == announcement.c.resident)
            .where(waiting)
            .order_by(announcement.c.announced_at, announcement.c.seq)
            .limit(limit)
        )
        shown = [
            Waiting(row.institution, row.individual_number, row.event, row.happened_on, row.version, row.announced_at)
            for row in rows
        ]
        return shown, total

    def behind(self, limit: int) -> list[Behind]:
        """Institutions whose codes are to be replaced, because the person's counter was raised since."""
        rows = self._conn.execute(
            select(code_holder.c.institution, code_holder.c.counter, resident.c.id)
            .join(resident, resident.c.id == code_holder.c.resident)
            .where(code_holder.c.counter < resident.c.code_counter)
            .order_by(resident.c.id, code_holder.c.institution)
            .limit(limit)
        ).all()
        found = [(self._one(resident.c.id == row.id), row.institution, row.counter) for row in rows]
        return [Behind(one, institution, counter) for one, institution, counter in found if one is not None]

    def recoded(self, one: Behind) -> None:
        """The institution's code is under way in the person's present counter."""
        row = (code_holder.c.resident == one.resident.id) & (code_holder.c.institution == one.institution)
        still = code_holder.c.counter == one.counter
        self._conn.execute(code_holder.update().where(row, still).values(counter=one.resident.code_counter))

    def _number_changed(self, before: Resident, after: Resident, at: datetime) -> None:
        was, now = in_force(before), in_force(after)
        if was == now:
            return
        if was is not None:
            self._conn.execute(
                number_history.update().where(number_history.c.individual_number == was).values(until=at)
            )
        if now is not None:
            again = number_history.update().where(
                number_history.c.individual_number == now, number_history.c.resident == after.id
            )
            if self._conn.execute(again.values(until=None)).rowcount == 0:
                row = {"individual_number": now, "resident": after.id, "since": at, "until": None}
                self._conn.execute(number_history.insert().values(row))

    def _record(self, kind: str, parts: Sequence[Part], change: Change) -> None:
        record = operation.insert().values(
            kind=kind, happened_on=change.happened_on, recorded_at=change.recorded_at,
            reported_by=change.reported_by, reason=change.reason,
        ).returning(operation.c.id)  # fmt: skip
        key = self._conn.execute(record).scalar_one()
        rows = [
            {
                "operation": key, "resident": part.after.id, "version": part.after.version,
                "before": _written(part.before), "after": _written(part.after),
            }
            for part in parts
        ]  # fmt: skip
        self._conn.execute(operation_part.insert(), rows)


def in_force(one: Resident) -> str | None:
    """The number that a registration has now: none when it is merged or cancelled."""
    return one.individual_number if one.standing is Standing.ACTIVE else None


def _written(one: Resident | None) -> str:
    if one is None:
        return "null"
    state = asdict(one) | {
        "four_items": one.four_items.to_dict(),
        "died_on": one.died_on.isoformat() if one.died_on is not None else None,
        "standing": one.standing.value,
    }
    return canonical_json(state).decode()


def _read(text: str) -> Resident | None:
    state: dict[str, Any] | None = json.loads(text)
    if state is None:
        return None
    died = state["died_on"]
    read = {
        "four_items": FourItems.from_dict(state["four_items"]),
        "died_on": date.fromisoformat(died) if died is not None else None,
        "standing": Standing(state["standing"]),
    }
    return Resident(**(state | read))


def _present(text: str) -> Resident:
    one = _read(text)
    assert one is not None  # noqa: S101 - somebody is always there after an operation
    return one
