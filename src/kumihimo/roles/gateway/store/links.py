"""Linked addressees in the exchange (宛名の統合): several addressee numbers of one person, served under one link code.

An addressee without a row stands for itself. Rows are taken away again when a merge is undone: codes and copies were never
moved, so that everything is as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import Connection, Engine, bindparam, select

from kumihimo.plumbing.storage import Statement
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.roles.gateway.store.copies import CopyStore, PlacedCopy, StoredCopy, StoredFlag
from kumihimo.roles.gateway.store.exchange import addressee_link
from kumihimo.roles.gateway.store.upserts import upsert

# Asked at every inquiry: made once, since putting a statement together costs more than running it.
_HERE = addressee_link.c.institution == bindparam("institution")
_STANDS_FOR = Statement(
    select(addressee_link.c.stands_for).where(_HERE, addressee_link.c.addressee_number == bindparam("number"))
)
_STANDING_FOR = Statement(
    select(addressee_link.c.addressee_number, addressee_link.c.since)
    .where(_HERE, addressee_link.c.stands_for == bindparam("survivor"))
    .order_by(addressee_link.c.addressee_number)
)


@dataclass(frozen=True)
class Clash:
    """Two copies of one person that contradict each other."""

    addressee_number: str
    linked_number: str
    item: str
    valid_from: date


@dataclass(frozen=True)
class Family:
    """All addressee numbers of one person, the survivor's first, and when the last one was linked."""

    numbers: tuple[str, ...]
    linked_at: datetime | None


class LinkStore:
    """One institution's links in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._here = addressee_link.c.institution == institution
        self._copies = CopyStore(engine, institution)

    def link(self, links: Mapping[str, str | None], at: datetime) -> int:
        """Let addressees stand for others, for nobody (None) or for themselves again; how many links changed."""
        with self._engine.begin() as conn:
            rows = conn.execute(select(addressee_link).where(self._here, addressee_link.c.addressee_number.in_(links)))
            present = {row.addressee_number: row.stands_for for row in rows}
            changed = {one: other for one, other in links.items() if present.get(one, one) != other}
            own = [one for one, other in changed.items() if one == other]
            conn.execute(addressee_link.delete().where(self._here, addressee_link.c.addressee_number.in_(own)))
            linked = [
                {"institution": self._institution, "addressee_number": one, "stands_for": other, "since": at}
                for one, other in changed.items()
                if one != other
            ]
            upsert(conn, addressee_link, linked)
        return len(changed)

    def survivor(self, conn: Connection, number: str) -> str | None:
        """Whom an addressee number stands for; None for nobody."""
        row = _STANDS_FOR.row(conn, institution=self._institution, number=number)
        return number if row is None else row.stands_for

    def family(self, conn: Connection, survivor: str) -> Family:
        """The survivor with everybody who stands for them."""
        rows = _STANDING_FOR.rows(conn, institution=self._institution, survivor=survivor)
        return Family(
            (survivor, *(row.addressee_number for row in rows)), max((row.since for row in rows), default=None)
        )

    def person(self, conn: Connection, number: str) -> Family:
        """Everybody who is one person with this addressee."""
        return self.family(conn, self.survivor(conn, number) or number)

    def flags(self, conn: Connection, family: Family) -> list[StoredFlag]:
        """The flags of a whole family: what protects one of them protects the person."""
        return [flag for one in family.numbers for flag in self._copies.flags(conn, one)]

    def held(self, conn: Connection, family: Family, items: Sequence[str], period: Period) -> list[StoredCopy]:
        """The copies of a whole family as one person's."""
        if family.linked_at is None:
            return self._copies.held(conn, family.numbers[0], items, period)
        return together(self._copies.placed(conn, family.numbers, items, period), family.linked_at)

    def clashes(self, limit: int) -> list[Clash]:
        """Copies of linked addressees that contradict each other, by survivor."""
        with self._engine.connect() as conn:
            survivors = select(addressee_link.c.stands_for).where(self._here, addressee_link.c.stands_for.is_not(None))
            found: list[Clash] = []
            for number in conn.scalars(survivors.distinct().order_by(addressee_link.c.stands_for)).all():
                assert number is not None  # noqa: S101 - asked for
                family = self.family(conn, number)
                assert family.linked_at is not None  # noqa: S101 - somebody stands for them
                placed = self._copies.placed(conn, family.numbers, None, Period())
                found += [clash for group in _same(placed) if (clash := _clash(group, family.linked_at))]
                if len(found) >= limit:
                    break
        return found[:limit]


def together(placed: Sequence[PlacedCopy], linked_at: datetime) -> list[StoredCopy]:
    """One copy for every item and first day; one that contradicts another cannot be read, and is left to a person.

    A copy placed after the addressees were linked was placed by somebody who knew: the newest such one holds.
    """
    return [
        StoredCopy(group[0].copy.name, None) if _clash(group, linked_at) else group[-1].copy for group in _same(placed)
    ]


def _same(placed: Sequence[PlacedCopy]) -> list[list[PlacedCopy]]:
    """Copies of one item and first day together, the one placed last at the end."""
    ordered = sorted(placed, key=lambda one: (one.copy.name, one.valid_from, one.placed_at, one.addressee_number))
    return [list(group) for _, group in groupby(ordered, key=lambda one: (one.copy.name, one.valid_from))]


def _clash(group: Sequence[PlacedCopy], linked_at: datetime) -> Clash | None:
    newest = group[-1]
    if newest.placed_at > linked_at:
        return None
    other = next((one for one in group if one.copy.item != newest.copy.item), None)
    if other is None:
        return None
    return Clash(other.addressee_number, newest.addressee_number, newest.copy.name, newest.valid_from)
