"""Rotation of the portal's own link codes (符号の更新): accounts and records go to the next epoch, code by code.

A code that was moved is remembered with what it became until the old epoch is closed, for records that are under way with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Engine, Table, delete, exists, func, or_, select, union

from kumihimo.plumbing.storage import RotationSteps
from kumihimo.plumbing.wire.rotating import OldCode
from kumihimo.roles.portal.store import HELD_BY_CODE, Transaction, replaced_code, rotation

PORTAL: Final = "portal"


class PortalRotations(RotationSteps):
    """The portal's rotations. `base` is the epoch it began with; rows without an epoch are of that one."""

    def __init__(self, engine: Engine, base: int) -> None:
        super().__init__(engine, rotation, PORTAL, base)

    def lacking(self, epoch: int, after: str, limit: int) -> list[OldCode]:
        """Codes of the epoch before that somebody's account or record is still kept under, above `after`, in order."""
        beyond = bytes.fromhex(after)
        held = [
            select(table.c.link_code).where(self._old(table, epoch), table.c.link_code > beyond)
            for table in HELD_BY_CODE
        ]
        both = union(*held).subquery()
        with self._engine.connect() as conn:
            found = conn.execute(select(both.c.link_code).order_by(both.c.link_code).limit(limit)).scalars()
            return [OldCode(bytes(code).hex(), bytes(code)) for code in found]

    def pair(self, epoch: int) -> tuple[bytes, bytes] | None:
        """Some code before and in `epoch`, moved earlier."""
        # A code that was re-coded before it was moved stands here with what its successor became: no pair of one person's.
        once = replaced_code.alias()
        others = select(func.count()).select_from(once).where(once.c.replaced_by == replaced_code.c.replaced_by)
        moved = select(replaced_code.c.link_code, replaced_code.c.replaced_by).where(
            replaced_code.c.epoch == epoch - 1, replaced_code.c.by_epoch == epoch, others.scalar_subquery() == 1
        )
        with self._engine.connect() as conn:
            row = conn.execute(moved.limit(1)).one_or_none()
        return None if row is None else (bytes(row.link_code), bytes(row.replaced_by))

    def place(self, pairs: Sequence[tuple[bytes, bytes]], epoch: int, at: datetime) -> int:
        """Keep accounts and records under their codes in `epoch`; how many codes. `at` is not kept: a code has no date here."""
        del at
        with self._engine.begin() as conn:
            transaction = Transaction(conn)
            return sum(transaction.rotate_code(old, new, epoch) for old, new in pairs)

    def swap(self, epoch: int, at: datetime) -> bool:
        """Make `epoch` the present one unless something is still kept under a code of the epoch before."""
        with self._engine.begin() as conn:
            for table in HELD_BY_CODE:
                if conn.execute(select(exists().where(self._old(table, epoch)))).scalar_one():
                    return False
            self._note(conn, epoch, swapped_at=at)
        return True

    def close(self, epoch: int, at: datetime) -> int:
        """Forget every code of the epochs before; how many."""
        with self._engine.begin() as conn:
            old = func.coalesce(replaced_code.c.epoch, self._base) < epoch
            gone = conn.execute(delete(replaced_code).where(old)).rowcount
            self._note(conn, epoch, closed_at=at)
        return gone

    def _old(self, table: Table, epoch: int) -> ColumnElement[bool]:
        before = or_(table.c.epoch < epoch, table.c.epoch.is_(None) & (self._base < epoch))
        return table.c.link_code.is_not(None) & before
