"""Merges in the addressee ledger (統合・分離): which numbers stand for which addressee, and what is still to be told.

Part of the ledger's transactions; what must reach the registry or the exchange stands here until it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, bindparam, func, literal, select

from kumihimo.roles.gateway.store.ledger import (
    acknowledgement_due,
    addressee,
    heard,
    link_due,
    merged_number,
    register_due,
    task,
)
from kumihimo.roles.gateway.store.persons import Entry, Person
from kumihimo.roles.gateway.store.upserts import dialect_insert


@dataclass(frozen=True)
class Due:
    """An addressee of whom the exchange must be told, as often as it changed."""

    addressee_number: str
    generation: int


@dataclass(frozen=True)
class OpenTask:
    """Something a person must look at."""

    id: int
    addressee_number: str
    event: str
    version: int
    raised_at: datetime


class Merges:
    """Queries inside the transactions of one institution's ledger."""

    def __init__(self, institution: str) -> None:
        self._institution = institution

    def is_news(self, conn: Connection, person: Person) -> bool:
        """Whether this is the newest version told of somebody who is not entered; remembers it."""
        mine = (heard.c.institution == self._institution) & heard.c.individual_number.in_(person.numbers())
        newest = conn.scalar(select(func.max(heard.c.version)).where(mine)) or 0
        if person.version <= newest:
            return False
        conn.execute(heard.delete().where(mine))
        # Under every number they had: an older version that comes later knows only the older ones.
        rows = [
            {"institution": self._institution, "individual_number": number, "version": person.version}
            for number in person.numbers()
        ]
        conn.execute(heard.insert(), rows)
        return True

    def absorb(self, conn: Connection, own: str, merged: Sequence[str]) -> None:
        """The numbers that came to an addressee with merged registrations are these, and no others."""
        mine = (merged_number.c.institution == self._institution) & (merged_number.c.addressee_number == own)
        conn.execute(merged_number.delete().where(mine))
        rows = [
            {"institution": self._institution, "addressee_number": own, "individual_number": number}
            for number in merged
        ]
        if rows:
            conn.execute(merged_number.insert(), rows)

    def has_absorbed(self, conn: Connection, entry: Entry) -> bool:
        """Whether registrations were merged into this one."""
        mine = (merged_number.c.institution == self._institution) & (
            merged_number.c.addressee_number == entry.addressee_number.digits
        )
        return conn.scalar(select(merged_number.c.individual_number).where(mine).limit(1)) is not None

    def survivor_of(self, conn: Connection, number: str) -> str | None:
        """An addressee into whose registration the one with this number was merged."""
        mine = (merged_number.c.institution == self._institution) & (merged_number.c.individual_number == number)
        found: str | None = conn.scalar(select(merged_number.c.addressee_number).where(mine).limit(1))
        return found

    def link_anew(self, conn: Connection, numbers: Sequence[str]) -> None:
        """The exchange must be told whom these addressees stand for."""
        for number in numbers:
            row = {"institution": self._institution, "addressee_number": number, "generation": 1}
            insert = dialect_insert(conn, link_due).values(row)
            keys = ["institution", "addressee_number"]
            again = {"generation": link_due.c.generation + 1}
            conn.execute(insert.on_conflict_do_update(index_elements=keys, set_=again))

    def register_anew(self, conn: Connection, numbers: Sequence[str]) -> None:
        """The exchange must be told how these addressees stand."""
        rows = [{"institution": self._institution, "addressee_number": one, "generation": 1} for one in numbers]
        if rows:
            insert = dialect_insert(conn, register_due)
            keys = ["institution", "addressee_number"]
            again = {"generation": register_due.c.generation + 1}
            conn.execute(insert.on_conflict_do_update(index_elements=keys, set_=again), rows)

    def told(self, conn: Connection, seq: int, version: int) -> None:
        """An item of the registry's feed is applied, and is to be acknowledged."""
        row = {"institution": self._institution, "seq": seq, "version": version}
        conn.execute(dialect_insert(conn, acknowledgement_due).values(row).on_conflict_do_nothing())

    def raise_task(self, conn: Connection, addressee_number: str, event: str, version: int, at: datetime) -> None:
        """Ask a person to look at an addressee, once for every event."""
        row = {
            "institution": self._institution, "addressee_number": addressee_number, "event": event,
            "version": version, "raised_at": at, "settled_at": None,
        }  # fmt: skip
        conn.execute(dialect_insert(conn, task).values(row).on_conflict_do_nothing())


class DueStore:
    """What one ledger still has to tell and to have looked at, each call a transaction of its own."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution

    def acknowledgements(self, limit: int) -> list[tuple[int, int]]:
        """(position in the feed, version) of what is applied and not acknowledged, oldest first."""
        query = (
            select(acknowledgement_due.c.seq, acknowledgement_due.c.version)
            .where(self._mine(acknowledgement_due))
            .order_by(acknowledgement_due.c.seq)
            .limit(limit)
        )
        with self._engine.connect() as conn:
            return [(row.seq, row.version) for row in conn.execute(query)]

    def acknowledged(self, seqs: Sequence[int]) -> None:
        """The registry has taken them."""
        with self._engine.begin() as conn:
            theirs = self._mine(acknowledgement_due) & acknowledgement_due.c.seq.in_(seqs)
            conn.execute(acknowledgement_due.delete().where(theirs))

    def links(self, limit: int) -> list[Due]:
        """Addressees of whom the exchange must be told."""
        columns = select(link_due.c.addressee_number, link_due.c.generation).where(self._mine(link_due))
        with self._engine.connect() as conn:
            return [Due(*row) for row in conn.execute(columns.order_by(link_due.c.addressee_number).limit(limit))]

    def linked(self, done: Sequence[Due]) -> None:
        """The exchange knows; what changed meanwhile stays due."""
        with self._engine.begin() as conn:
            for one in done:
                same = (link_due.c.addressee_number == one.addressee_number) & (link_due.c.generation == one.generation)
                conn.execute(link_due.delete().where(self._mine(link_due), same))

    def registers(self, limit: int) -> list[Due]:
        """Addressees of whom the exchange must be told how they stand."""
        columns = select(register_due.c.addressee_number, register_due.c.generation).where(self._mine(register_due))
        with self._engine.connect() as conn:
            return [Due(*row) for row in conn.execute(columns.order_by(register_due.c.addressee_number).limit(limit))]

    def told_of(self, done: Sequence[Due]) -> None:
        """The exchange knows; what changed meanwhile stays due."""
        same = (register_due.c.addressee_number == bindparam("number")) & (
            register_due.c.generation == bindparam("told")
        )
        with self._engine.begin() as conn:
            conn.execute(
                register_due.delete().where(self._mine(register_due), same),
                [{"number": one.addressee_number, "told": one.generation} for one in done],
            )

    def tell_all(self) -> int:
        """The exchange must be told of everybody; of how many it must be told now."""
        everybody = select(addressee.c.institution, addressee.c.addressee_number, literal(1)).where(
            self._mine(addressee)
        )
        with self._engine.begin() as conn:
            insert = dialect_insert(conn, register_due)
            columns = ["institution", "addressee_number", "generation"]
            conn.execute(insert.from_select(columns, everybody).on_conflict_do_nothing())
            waiting = select(func.count()).select_from(register_due).where(self._mine(register_due))
            return conn.execute(waiting).scalar_one()

    def tasks(self) -> list[OpenTask]:
        """What a person must look at, oldest first."""
        query = (
            select(task.c.id, task.c.addressee_number, task.c.event, task.c.version, task.c.raised_at)
            .where(self._mine(task), task.c.settled_at.is_(None))
            .order_by(task.c.id)
        )
        with self._engine.connect() as conn:
            return [OpenTask(*row) for row in conn.execute(query)]

    def settle(self, number: int, at: datetime) -> bool:
        """A person has looked at it; whether there was such a task."""
        with self._engine.begin() as conn:
            theirs = self._mine(task) & (task.c.id == number) & task.c.settled_at.is_(None)
            return conn.execute(task.update().where(theirs).values(settled_at=at)).rowcount == 1

    def _mine(self, table: Table) -> Any:
        return table.c.institution == self._institution
