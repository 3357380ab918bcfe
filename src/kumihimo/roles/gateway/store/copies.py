"""Copies (副本) as the exchange keeps them, and the flags (不開示・支援措置・自動応答不可) that stand before their release.

A copy carries the SHA-256 of its content, so that one that was altered on disk is not given out as if it were whole.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Select, Text, bindparam, func, or_, select

from kumihimo.domain.sealing import canonical_json
from kumihimo.plumbing.storage import Statement, is_listed, listed
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.roles.gateway.store.deliveries import note_delivery, note_refusal, placed_today
from kumihimo.roles.gateway.store.exchange import copy, flag
from kumihimo.roles.gateway.store.upserts import upsert


@dataclass(frozen=True)
class StoredFlag:
    """A flag exactly as the store has it; what it means is decided where it is used."""

    item: str
    kind: str


@dataclass(frozen=True)
class StoredCopy:
    """A copy as read: `item` is None when its content no longer has the hash it was stored with."""

    name: str
    item: DatedItem | None


@dataclass(frozen=True)
class PlacedCopy:
    """A copy with the addressee number it was placed under, and when."""

    addressee_number: str
    valid_from: date
    placed_at: datetime
    copy: StoredCopy


_FLAGS = Statement(
    select(flag.c.item, flag.c.kind).where(
        flag.c.institution == bindparam("institution"), flag.c.addressee_number == bindparam("addressee")
    )
)


@cache
def _held_by(asked: frozenset[str]) -> Statement:
    """The statement for what is asked."""

    def made(dialect: str) -> Select[Any]:
        query = select(copy).where(
            copy.c.institution == bindparam("institution"),
            is_listed(dialect, copy.c.addressee_number, bindparam("addressees", type_=Text)),
        )
        if "items" in asked:
            query = query.where(is_listed(dialect, copy.c.item, bindparam("items", type_=Text)))
        if "until" in asked:
            query = query.where(copy.c.valid_from <= bindparam("until"))
        if "since" in asked:
            query = query.where(or_(copy.c.valid_until.is_(None), copy.c.valid_until >= bindparam("since")))
        return query.order_by(copy.c.item, copy.c.valid_from)

    return Statement(made)


class CopyStore:
    """One institution's copies and flags in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution

    def put(self, copies: Iterable[CopyOf], at: datetime) -> int:
        """Place copies in one transaction; the same addressee, item and first day replace. Returns how many rows."""
        with self._engine.begin() as conn:
            return self._put(conn, copies, at, 0, None)

    def deliver(
        self, copies: Sequence[CopyOf], waiting: int | None, as_of: datetime | None, most: int, at: datetime
    ) -> bool:
        """Place copies of a delivery unless the day's rows would be more than `most`; then only note that they wait.

        `waiting` rows of the same items are still to come (None: what was told last, less these), `as_of` is the moment whose
        state is delivered.
        """
        with self._engine.begin() as conn:
            if placed_today(conn, self._institution, at) + len(copies) > most:
                for item, count in Counter(one.item.item for one in copies).items():
                    note_refusal(conn, self._institution, item, (waiting or 0) + count, at)
                return False
            self._put(conn, copies, at, waiting, as_of)
        return True

    def _put(
        self, conn: Connection, copies: Iterable[CopyOf], at: datetime, waiting: int | None, as_of: datetime | None
    ) -> int:
        rows = {(one.addressee_number, one.item.item, one.item.valid_from): self._row(one, at) for one in copies}
        upsert(conn, copy, list(rows.values()))
        for item, count in Counter(item for _, item, _ in rows).items():
            note_delivery(conn, self._institution, item, count, waiting, at, as_of)
        return len(rows)

    def held(self, conn: Connection, addressee: str, items: Sequence[str], period: Period) -> list[StoredCopy]:
        """Copies of these items with a day in the period, by item and first day."""
        return [self._stored(addressee, row) for row in self._held(conn, [addressee], items, period)]

    def placed(
        self, conn: Connection, addressees: Sequence[str], items: Sequence[str] | None, period: Period
    ) -> list[PlacedCopy]:
        """The same of several addressees, and of every item where none is named."""
        return [
            PlacedCopy(row.addressee_number, row.valid_from, row.placed_at, self._stored(row.addressee_number, row))
            for row in self._held(conn, addressees, items, period)
        ]

    def _held(
        self, conn: Connection, addressees: Sequence[str], items: Sequence[str] | None, period: Period
    ) -> Sequence[Any]:
        asked = {
            "institution": self._institution,
            "addressees": listed(conn, copy.c.addressee_number, addressees),
            "items": None if items is None else listed(conn, copy.c.item, items),
            "until": period.until,
            "since": period.since,
        }
        named = {name: value for name, value in asked.items() if value is not None}
        return _held_by(frozenset(named)).rows(conn, **named)

    def by_item(self) -> dict[str, tuple[int, datetime]]:
        """How many copies of each item there are, and when one of it was last placed."""
        query = (
            select(copy.c.item, func.count().label("held"), func.max(copy.c.placed_at).label("newest"))
            .where(copy.c.institution == self._institution)
            .group_by(copy.c.item)
            .order_by(copy.c.item)
        )
        with self._engine.connect() as conn:
            return {row.item: (row.held, row.newest) for row in conn.execute(query)}

    def flags(self, conn: Connection, addressee: str) -> list[StoredFlag]:
        """Every flag of an addressee, whatever it says."""
        rows = _FLAGS.rows(conn, institution=self._institution, addressee=addressee)
        return [StoredFlag(item, kind) for item, kind in rows]

    def standing(self, addressee: str) -> tuple[StoredFlag, ...]:
        """Every flag of an addressee, outside any other transaction."""
        with self._engine.connect() as conn:
            return tuple(self.flags(conn, addressee))

    def set_flag(self, addressee: str, item: str, kind: str, at: datetime) -> None:
        """Put a flag before the release of an item, or of every item ("*"); one that is there already begins anew."""
        row = {
            "institution": self._institution,
            "addressee_number": addressee,
            "item": item,
            "kind": kind,
            "since": at,
        }
        with self._engine.begin() as conn:
            upsert(conn, flag, [row])

    def lift_flag(self, addressee: str, item: str, kind: str) -> bool:
        """Take a flag away; whether there was one."""
        with self._engine.begin() as conn:
            lifted = conn.execute(
                flag.delete().where(
                    flag.c.institution == self._institution,
                    flag.c.addressee_number == addressee,
                    flag.c.item == item,
                    flag.c.kind == kind,
                )
            )
        return lifted.rowcount > 0

    def _row(self, one: CopyOf, at: datetime) -> dict[str, Any]:
        item = one.item
        body = canonical_json(item.body).decode()
        return {
            "institution": self._institution,
            "addressee_number": one.addressee_number,
            "item": item.item,
            "valid_from": item.valid_from,
            "valid_until": item.valid_until,
            "body": body,
            "placed_at": at,
            "sha256": self._digest(one.addressee_number, item.item, item.valid_from, item.valid_until, body),
        }

    def _stored(self, addressee: str, row: Any) -> StoredCopy:
        if self._digest(addressee, row.item, row.valid_from, row.valid_until, row.body) != row.sha256:
            return StoredCopy(row.item, None)
        body: dict[str, Any] = json.loads(row.body)
        return StoredCopy(
            row.item, DatedItem(item=row.item, valid_from=row.valid_from, valid_until=row.valid_until, body=body)
        )

    def _digest(self, addressee: str, item: str, since: date, until: date | None, body: str) -> str:
        """Over the whole row: a content cannot be moved to another person or year, nor be told from another store's hash."""
        parts = (self._institution, addressee, item, since.isoformat(), until.isoformat() if until else "", body)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
