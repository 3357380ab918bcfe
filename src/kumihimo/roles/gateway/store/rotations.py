"""Rotations of one institution's link codes (符号の更新): which codes still lack their place in the next epoch, and every step.

Each method is one transaction. Codes of both epochs lie side by side; which epoch is the present one is said by one row, so
that the swap is one write however many codes there are. What is done stands in the store: a process that was killed goes on
where it stopped, and doing anything twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, exists, func, select

from kumihimo.roles.gateway.store.exchange import addressee_link, audit_code, inquiry, link_code, rotation
from kumihimo.roles.gateway.store.upserts import dialect_insert

REFRESH_SECONDS: Final = 0.5


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


@dataclass(frozen=True)
class OldCode:
    """A code that lacks its place in the next epoch."""

    addressee_number: str
    code: bytes


class RotationStore:
    """One institution's rotations. `base` is the epoch it began with."""

    def __init__(
        self, engine: Engine, institution: str, base: int, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._institution = institution
        self._base = base
        self._seconds = seconds
        self._here = rotation.c.institution == institution
        self._codes_here = link_code.c.institution == institution
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
        """Begin a rotation; the one that is under way, or was ordered under this number, where there is one."""
        known = self._newest(conn)
        if order_number is not None:
            ordered = conn.execute(select(rotation).where(self._here, rotation.c.order_number == order_number)).first()
            if ordered is not None:
                return _read(ordered)
        if known is not None and known.closed_at is None:
            if order_number is None or known.order_number is not None:
                return known
            mine = {"order_number": order_number, "close_at": known.close_at or close_at}
            conn.execute(rotation.update().where(self._here, rotation.c.epoch == known.epoch).values(mine))
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
        conn.execute(rotation.insert().values(row))
        return new

    def start(self, reason: str, at: datetime, close_at: datetime | None) -> Rotation:
        """Begin a rotation in a transaction of its own."""
        with self._engine.begin() as conn:
            return self.begin(conn, reason, at, close_at, None)

    def newest(self) -> Rotation | None:
        """The newest rotation, under way or not."""
        with self._engine.connect() as conn:
            return self._newest(conn)

    def note(self, epoch: int, **dates: datetime | bytes | None) -> None:
        """Write down that steps are done, by the names of their columns."""
        with self._engine.begin() as conn:
            conn.execute(rotation.update().where(self._here, rotation.c.epoch == epoch).values(dates))

    def lacking(self, epoch: int, after: str, limit: int) -> list[OldCode]:
        """Codes of the epoch before that lack their place in `epoch`, of addressees above `after`, in order."""
        query = select(link_code.c.addressee_number, link_code.c.code).where(
            self._codes_here, self._lacks(epoch), link_code.c.addressee_number > after
        )
        with self._engine.connect() as conn:
            rows = conn.execute(query.order_by(link_code.c.addressee_number).limit(limit)).all()
        return [OldCode(row.addressee_number, bytes(row.code)) for row in rows]

    def pair(self, epoch: int) -> tuple[bytes, bytes] | None:
        """Some addressee's code before and in `epoch`."""
        new = link_code.alias()
        query = (
            select(link_code.c.code, new.c.code.label("moved"))
            .join(
                new,
                (new.c.institution == link_code.c.institution)
                & (new.c.addressee_number == link_code.c.addressee_number)
                & (new.c.epoch == epoch),
            )
            .where(self._codes_here, link_code.c.epoch == epoch - 1)
        )
        with self._engine.connect() as conn:
            row = conn.execute(query.limit(1)).one_or_none()
        return None if row is None else (bytes(row.code), bytes(row.moved))

    def place(self, pairs: Sequence[tuple[bytes, bytes]], epoch: int, at: datetime) -> int:
        """Put moved codes, as pairs of old and new, beside the old ones; how many.

        A pair whose old code is no longer here, because the person was re-coded meanwhile, is dropped; one that is placed
        already stays.
        """
        moved = dict(pairs)
        with self._engine.begin() as conn:
            held = conn.execute(
                select(link_code.c.addressee_number, link_code.c.code).where(
                    self._codes_here, link_code.c.epoch == epoch - 1, link_code.c.code.in_(moved)
                )
            ).all()
            rows = [
                {
                    "institution": self._institution,
                    "addressee_number": row.addressee_number,
                    "code": moved[bytes(row.code)],
                    "epoch": epoch,
                    "placed_at": at,
                }
                for row in held
            ]
            if rows:
                conn.execute(dialect_insert(conn, link_code).on_conflict_do_nothing(), rows)
        return len(rows)

    def swap(self, epoch: int, at: datetime) -> bool:
        """Make `epoch` the present one, unless a code still lacks its place in it; whether it is the present one now."""
        with self._engine.begin() as conn:
            if conn.execute(select(exists().where(self._codes_here, self._lacks(epoch)))).scalar_one():
                return False
            undone = rotation.c.swapped_at.is_(None)
            conn.execute(rotation.update().where(self._here, rotation.c.epoch == epoch, undone).values(swapped_at=at))
        self._known = None
        return True

    def counts(self, epoch: int) -> tuple[int, int]:
        """How many codes there are of the epoch before, and how many of those have their place in `epoch`."""
        count = select(func.count()).select_from(link_code)
        with self._engine.connect() as conn:
            old = conn.execute(count.where(self._codes_here, link_code.c.epoch == epoch - 1)).scalar_one()
            lacking = conn.execute(count.where(self._codes_here, self._lacks(epoch))).scalar_one()
            new = conn.execute(count.where(self._codes_here, link_code.c.epoch == epoch)).scalar_one()
        return (old, old - lacking) if old else (new, new)

    def close(self, epoch: int, old_public_key: bytes, seal: Callable[[str, bytes], bytes], at: datetime) -> int:
        """Delete every code of the epoch before, at once; how many.

        Those of addressees that were asked about with them are kept sealed (`seal(addressee number, code)`), for audits.
        """
        old = self._codes_here & (link_code.c.epoch == epoch - 1)
        asked = exists().where(
            inquiry.c.institution == link_code.c.institution,
            inquiry.c.addressee_number == link_code.c.addressee_number,
            inquiry.c.epoch == link_code.c.epoch,
        )
        linked = exists().where(  # whoever stands for others may have been asked about under their numbers
            addressee_link.c.institution == link_code.c.institution,
            addressee_link.c.stands_for == link_code.c.addressee_number,
        )
        kept_for_audits = select(link_code.c.addressee_number, link_code.c.code).where(old, asked | linked)
        with self._engine.begin() as conn:
            rows = conn.execute(kept_for_audits).all()
            kept = [
                {
                    "institution": self._institution,
                    "epoch": epoch - 1,
                    "addressee_number": row.addressee_number,
                    "sealed": seal(row.addressee_number, bytes(row.code)),
                }
                for row in rows
            ]
            if kept:
                conn.execute(dialect_insert(conn, audit_code).on_conflict_do_nothing(), kept)
            gone = conn.execute(link_code.delete().where(old)).rowcount
            done = {"closed_at": at, "old_public_key": old_public_key}
            conn.execute(rotation.update().where(self._here, rotation.c.epoch == epoch).values(done))
        return gone

    def audit_code(self, addressee_number: str, epoch: int) -> bytes | None:
        """A code of a closed epoch, as it was sealed."""
        query = select(audit_code.c.sealed).where(
            audit_code.c.institution == self._institution,
            audit_code.c.addressee_number == addressee_number,
            audit_code.c.epoch == epoch,
        )
        with self._engine.connect() as conn:
            found = conn.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def old_public_key(self, epoch: int) -> bytes | None:
        """The public key of a closed epoch."""
        query = select(rotation.c.old_public_key).where(self._here, rotation.c.epoch == epoch + 1)
        with self._engine.connect() as conn:
            found = conn.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def _present(self, conn: Connection) -> int:
        swapped = select(func.max(rotation.c.epoch)).where(self._here, rotation.c.swapped_at.is_not(None))
        return max(self._base, conn.execute(swapped).scalar_one() or 0)

    def _newest(self, conn: Connection) -> Rotation | None:
        row = conn.execute(select(rotation).where(self._here).order_by(rotation.c.epoch.desc()).limit(1)).one_or_none()
        return None if row is None else _read(row)

    def _lacks(self, epoch: int) -> ColumnElement[bool]:
        new = link_code.alias()
        moved = exists().where(
            new.c.institution == link_code.c.institution,
            new.c.addressee_number == link_code.c.addressee_number,
            new.c.epoch == epoch,
        )
        return (link_code.c.epoch == epoch - 1) & ~moved


def _read(row: Any) -> Rotation:
    found: Mapping[str, Any] = row._mapping
    return replace(
        Rotation(found["epoch"], found["reason"], found["begun_at"], found["order_number"], found["close_at"]),
        **{name: found[name] for name in ("opened_at", "swapped_at", "told_at", "shut_at", "closed_at")},
    )
