"""Rotations of one institution's link codes (符号の更新): which codes still lack their place in the next epoch, and every step.

Each method is one transaction. Codes of both epochs lie side by side. What is done stands in the store: a process that was
killed goes on where it stopped, and doing anything twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, exists, func, select

from kumihimo.plumbing.storage import RotationSteps
from kumihimo.plumbing.wire.rotating import OldCode
from kumihimo.roles.gateway.store.exchange import addressee_link, audit_code, inquiry, link_code, rotation
from kumihimo.roles.gateway.store.upserts import dialect_insert


class RotationStore(RotationSteps):
    """One institution's rotations and codes. `base` is the epoch it began with."""

    def __init__(self, engine: Engine, institution: str, base: int) -> None:
        super().__init__(engine, rotation, institution, base)
        self._codes_here = link_code.c.institution == institution

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
            self._note(conn, epoch, swapped_at=at)
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
            self._note(conn, epoch, closed_at=at, old_public_key=old_public_key)
        return gone

    def adopt(self, epoch: int, at: datetime) -> None:
        """Begin anew in an epoch reached before this store was restored: codes of others are nobody's and get issued anew."""
        with self._engine.begin() as conn:
            conn.execute(link_code.delete().where(self._codes_here, link_code.c.epoch != epoch))
            self._adopt(conn, epoch, at)

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
        query = select(rotation.c.old_public_key).where(self._rotations_here, rotation.c.epoch == epoch + 1)
        with self._engine.connect() as conn:
            found = conn.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def _lacks(self, epoch: int) -> ColumnElement[bool]:
        new = link_code.alias()
        moved = exists().where(
            new.c.institution == link_code.c.institution,
            new.c.addressee_number == link_code.c.addressee_number,
            new.c.epoch == epoch,
        )
        return (link_code.c.epoch == epoch - 1) & ~moved
