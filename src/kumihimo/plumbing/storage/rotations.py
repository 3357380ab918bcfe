"""Rotations of link codes as their holder keeps them (符号の更新の記録): which one is under way, and which steps are done.

Each date is written when its step is done, in this order: begun, opened at the hub, swapped here, the hub told of it, shut by
the hub, closed here; `close_at` is when the old epoch is to be closed by itself. Which epoch is the present one is said by
one row, so that a swap is one write however many codes there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, LargeBinary, MetaData, Table, Text, func, select

from kumihimo.plumbing.storage.types import UtcDateTime

REFRESH_SECONDS: Final = 0.5
_STEPS: Final = ("opened_at", "swapped_at", "told_at", "shut_at", "closed_at")


def rotation_table(metadata: MetaData, name: str = "rotation") -> Table:
    """The table of an institution's rotations; `epoch` is the one moved to."""
    return Table(
        name,
        metadata,
        Column("institution", Text, primary_key=True),
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("reason", Text, nullable=False),
        Column("order_number", BigInteger),  # of the oversight body, when it was ordered
        Column("begun_at", UtcDateTime, nullable=False),
        Column("opened_at", UtcDateTime),
        Column("swapped_at", UtcDateTime),
        Column("told_at", UtcDateTime),
        Column("close_at", UtcDateTime),
        Column("shut_at", UtcDateTime),
        Column("closed_at", UtcDateTime),
        Column("old_public_key", LargeBinary),  # of the epoch before, once its key is destroyed
    )


@dataclass(frozen=True)
class Rotation:
    """One rotation, to `epoch`, with the dates of its steps."""

    epoch: int
    reason: str
    begun_at: datetime
    order_number: int | None = None
    close_at: datetime | None = None
    opened_at: datetime | None = None
    swapped_at: datetime | None = None
    told_at: datetime | None = None
    shut_at: datetime | None = None
    closed_at: datetime | None = None


class RotationSteps:
    """One institution's rotations in its store. `base` is the epoch it began with. Safe for many threads."""

    def __init__(
        self, engine: Engine, table: Table, institution: str, base: int, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._rotation = table
        self._institution = institution
        self._base = base
        self._seconds = seconds
        self._rotations_here = table.c.institution == institution
        self._known: tuple[float, int] | None = None

    def present(self) -> int:
        """The epoch of our codes that is the present one; looked up at least every half second."""
        known, now = self._known, self._seconds()
        if known is None or now - known[0] > REFRESH_SECONDS:
            with self._engine.connect() as conn:
                known = now, self._present(conn)
            self._known = known
        return known[1]

    def begin(
        self, conn: Connection, reason: str, at: datetime, close_at: datetime | None, order_number: int | None
    ) -> Rotation:
        """Begin a rotation; or the one that is under way, or was ordered under this number, where there is one."""
        table, known = self._rotation, self._newest(conn)
        if order_number is not None:
            by_order = select(table).where(self._rotations_here, table.c.order_number == order_number)
            ordered = conn.execute(by_order).first()
            if ordered is not None:
                return _read(ordered)
        if known is not None and known.closed_at is None:
            if order_number is None or known.order_number is not None:
                return known
            mine = {"order_number": order_number, "close_at": known.close_at or close_at}
            conn.execute(table.update().where(self._rotations_here, table.c.epoch == known.epoch).values(mine))
            return replace(known, order_number=order_number, close_at=known.close_at or close_at)
        new = Rotation(self._present(conn) + 1, reason, at, order_number, close_at)
        row = {
            "institution": self._institution,
            "epoch": new.epoch,
            "reason": reason,
            "order_number": order_number,
            "begun_at": at,
            "close_at": close_at,
        }
        conn.execute(table.insert().values(row))
        return new

    def start(self, reason: str, at: datetime, close_at: datetime | None) -> Rotation:
        """Begin a rotation in a transaction of its own."""
        with self._engine.begin() as conn:
            return self.begin(conn, reason, at, close_at, None)

    def newest(self) -> Rotation | None:
        """The newest rotation, under way or not."""
        with self._engine.connect() as conn:
            return self._newest(conn)

    def note(self, epoch: int, **dates: datetime) -> None:
        """Write down that steps are done, by the names of their columns."""
        with self._engine.begin() as conn:
            self._note(conn, epoch, **dates)

    def _adopt(self, conn: Connection, epoch: int, at: datetime) -> None:
        """Write down a rotation to `epoch` as done: it was, before this store was restored."""
        gone = self._rotations_here & (self._rotation.c.closed_at.is_(None) | (self._rotation.c.epoch == epoch))
        conn.execute(self._rotation.delete().where(gone))
        row = {"institution": self._institution, "epoch": epoch, "reason": "restored", "begun_at": at}
        conn.execute(self._rotation.insert().values({**row, **dict.fromkeys(_STEPS, at)}))
        self._known = None

    def _note(self, conn: Connection, epoch: int, **values: datetime | bytes | None) -> None:
        here = self._rotations_here & (self._rotation.c.epoch == epoch)
        conn.execute(self._rotation.update().where(here).values(values))
        if "swapped_at" in values:
            self._known = None

    def _present(self, conn: Connection) -> int:
        swapped = select(func.max(self._rotation.c.epoch)).where(
            self._rotations_here, self._rotation.c.swapped_at.is_not(None)
        )
        return max(self._base, conn.execute(swapped).scalar_one() or 0)

    def _newest(self, conn: Connection) -> Rotation | None:
        mine = select(self._rotation).where(self._rotations_here)
        row = conn.execute(mine.order_by(self._rotation.c.epoch.desc()).limit(1)).one_or_none()
        return None if row is None else _read(row)


def _read(row: Any) -> Rotation:
    found = row._mapping
    return replace(
        Rotation(found["epoch"], found["reason"], found["begun_at"], found["order_number"], found["close_at"]),
        **{name: found[name] for name in _STEPS},
    )
