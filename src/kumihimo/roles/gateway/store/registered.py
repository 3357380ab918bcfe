"""The register's word about addressees (宛名の異動状況), and what of the copies does not fit it.

The ledger tells its exchange addressee numbers and how each stands: no name, no Individual Number. While it has told nothing,
as after an upgrade, nothing is held against it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, exists, func, or_, select

from kumihimo.plumbing.wire.messages.freshness import CopyAlarmKind, RegisteredAs, RegisterSays
from kumihimo.roles.gateway.service.freshness import NATURES, Contradiction
from kumihimo.roles.gateway.store.exchange import copy, link_code, registered
from kumihimo.roles.gateway.store.upserts import upsert

_ENDED = {
    RegisterSays.DEAD: (CopyAlarmKind.COPIES_OF_THE_DEAD, tuple(i for i, n in NATURES.items() if n.ends_with_life)),
    RegisterSays.MOVED: (
        CopyAlarmKind.COPIES_OF_THE_MOVED,
        tuple(i for i, n in NATURES.items() if n.ends_with_residence),
    ),
}
_OF_EVERYBODY = tuple(item for item, nature in NATURES.items() if nature.of_everybody)


class RegisteredStore:
    """What one institution's ledger told, in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._here = registered.c.institution == institution

    def tell(self, told: Sequence[RegisteredAs], at: datetime) -> int:
        """Take in what the ledger says; only what is new is dated anew. How many addressees are known now."""
        with self._engine.begin() as conn:
            numbers = [one.addressee_number for one in told]
            query = select(registered.c.addressee_number, registered.c.says)
            rows_known = conn.execute(query.where(self._here, registered.c.addressee_number.in_(numbers)))
            known = {row.addressee_number: row.says for row in rows_known}
            rows = {
                one.addressee_number: {
                    "institution": self._institution,
                    "addressee_number": one.addressee_number,
                    "says": one.says.value,
                    "since": at,
                }
                for one in told
                if known.get(one.addressee_number) != one.says
            }
            upsert(conn, registered, list(rows.values()))
            return self._count(conn)

    def unknown(self, numbers: Collection[str]) -> set[str]:
        """Which of these no addressee has; none as long as the ledger has told nothing."""
        with self._engine.connect() as conn:
            if not self._told(conn):
                return set()
            query = select(registered.c.addressee_number).where(
                self._here,
                registered.c.addressee_number.in_(numbers),
                registered.c.says != RegisterSays.NOBODY.value,
            )
            return set(numbers) - set(conn.execute(query).scalars())

    def contradictions(self, items: Collection[str], told_before: datetime, today: date) -> list[Contradiction]:
        """Copies that do not fit what the register said before an instant, and who lacks a copy or code; by item."""
        with self._engine.connect() as conn:
            if not self._told(conn):
                return []
            long_told = registered.c.since < told_before
            found = [
                Contradiction(kind, item, count)
                for says, (kind, ending) in _ENDED.items()
                for item, count in self._ended(conn, says, ending, long_told, today)
            ]
            found += [Contradiction(CopyAlarmKind.COPIES_OF_NOBODY, *row) for row in self._of_nobody(conn)]
            found += [
                Contradiction(CopyAlarmKind.RESIDENTS_WITHOUT_COPY, item, self._without(conn, item, long_told))
                for item in _OF_EVERYBODY
                if item in items
            ]
            found.append(Contradiction(CopyAlarmKind.RESIDENTS_WITHOUT_CODE, None, self._uncoded(conn, long_told)))
        return [one for one in found if one.count]

    def _ended(
        self, conn: Connection, says: RegisterSays, items: Sequence[str], long_told: ColumnElement[bool], today: date
    ) -> list[tuple[str, int]]:
        """Copies that hold today, of addressees for whom they should have ended."""
        query = (
            select(copy.c.item, func.count())
            .join(registered, self._same(copy))
            .where(
                self._here,
                registered.c.says == says.value,
                long_told,
                copy.c.item.in_(items),
                or_(copy.c.valid_until.is_(None), copy.c.valid_until >= today),
            )
            .group_by(copy.c.item)
            .order_by(copy.c.item)
        )
        return [(item, count) for item, count in conn.execute(query)]

    def _of_nobody(self, conn: Connection) -> list[tuple[str, int]]:
        somebody = exists().where(self._same(copy), registered.c.says != RegisterSays.NOBODY.value)
        query = (
            select(copy.c.item, func.count())
            .where(copy.c.institution == self._institution, ~somebody)
            .group_by(copy.c.item)
            .order_by(copy.c.item)
        )
        return [(item, count) for item, count in conn.execute(query)]

    def _without(self, conn: Connection, item: str, long_told: ColumnElement[bool]) -> int:
        held = exists().where(self._same(copy), copy.c.item == item)
        residents = registered.c.says == RegisterSays.RESIDENT.value
        return self._count(conn, residents, long_told, ~held)

    def _uncoded(self, conn: Connection, long_told: ColumnElement[bool]) -> int:
        living = registered.c.says.in_((RegisterSays.RESIDENT.value, RegisterSays.MOVED.value))
        return self._count(conn, living, long_told, ~exists().where(self._same(link_code)))

    def _same(self, table: Any) -> ColumnElement[bool]:
        same: ColumnElement[bool] = (table.c.institution == registered.c.institution) & (
            table.c.addressee_number == registered.c.addressee_number
        )
        return same

    def _told(self, conn: Connection) -> bool:
        return conn.execute(select(registered.c.says).where(self._here).limit(1)).one_or_none() is not None

    def _count(self, conn: Connection, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(registered).where(self._here, *conditions)
        return int(conn.execute(query).scalar_one())
