"""Deliveries of copies (副本の送信状況): for each item when it last came, when last nothing waited, and how much waits.

One row an item. The rows of a day are counted too: an institution may place so many in a day and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import Connection, Engine, Text, bindparam, func, select

from kumihimo.domain.kernel import legal_day
from kumihimo.plumbing.storage import Statement, is_listed, listed
from kumihimo.roles.gateway.service.freshness import Delivered
from kumihimo.roles.gateway.store.exchange import delivery
from kumihimo.roles.gateway.store.upserts import upsert

_DELIVERED = Statement(
    lambda dialect: select(delivery).where(
        delivery.c.institution == bindparam("institution"),
        is_listed(dialect, delivery.c.item, bindparam("items", type_=Text)),
    )
)


def note_delivery(
    conn: Connection, institution: str, item: str, placed: int, told: int | None, at: datetime, as_of: datetime | None
) -> None:
    """Rows of an item were placed, and `told` are still to come (None: those known to wait, less these).

    In the caller's transaction.
    """
    known = _row(conn, institution, item)
    waiting = told if told is not None else max(0, (known.waiting if known else 0) - placed)
    today = legal_day(at)
    complete = waiting == 0
    row = {
        "institution": institution,
        "item": item,
        "delivered_at": at,
        "complete_at": at if complete else known.complete_at if known else None,
        "as_of": (as_of or at) if complete else known.as_of if known else None,
        "waiting": waiting,
        "waiting_since": None if complete else (known.waiting_since if known else None) or at,
        "day": today,
        "placed_on_day": placed + (_placed_on(conn, institution, item, today)),
    }
    upsert(conn, delivery, [row])


def note_refusal(conn: Connection, institution: str, item: str, waiting: int, at: datetime) -> None:
    """Rows of an item were turned away by the daily limit: they wait at the business system."""
    known = _row(conn, institution, item)
    today = legal_day(at)
    row = {
        "institution": institution,
        "item": item,
        "delivered_at": known.delivered_at if known else None,
        "complete_at": known.complete_at if known else None,
        "as_of": known.as_of if known else None,
        "waiting": waiting,
        "waiting_since": (known.waiting_since if known else None) or at,
        "day": today,
        "placed_on_day": _placed_on(conn, institution, item, today),
    }
    upsert(conn, delivery, [row])


def placed_today(conn: Connection, institution: str, at: datetime) -> int:
    """How many rows of all items were placed on the day of `at` (Japan time)."""
    here = (delivery.c.institution == institution) & (delivery.c.day == legal_day(at))
    return int(conn.execute(select(func.coalesce(func.sum(delivery.c.placed_on_day), 0)).where(here)).scalar_one())


def delivered(conn: Connection, institution: str, items: Collection[str]) -> list[Delivered]:
    """These items as they were delivered; one that never was has no instants."""
    rows = _DELIVERED.rows(conn, institution=institution, items=listed(conn, delivery.c.item, items))
    found = {row.item: row for row in rows}
    return [
        Delivered(one, row.delivered_at, row.complete_at, row.as_of, row.waiting, row.waiting_since)
        if (row := found.get(one)) is not None
        else Delivered(one)
        for one in items
    ]


class DeliveryStore:
    """One institution's deliveries in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution

    def declare(self, item: str, waiting: int, at: datetime, as_of: datetime | None = None) -> None:
        """The business system says how far an item is delivered, without placing anything."""
        with self._engine.begin() as conn:
            note_delivery(conn, self._institution, item, 0, waiting, at, as_of)

    def items(self) -> list[str]:
        """Every item that was ever delivered or turned away."""
        query = select(delivery.c.item).where(delivery.c.institution == self._institution).order_by(delivery.c.item)
        with self._engine.connect() as conn:
            return list(conn.execute(query).scalars())

    def delivered(self, items: Sequence[str]) -> list[Delivered]:
        """These items as they were delivered, outside any other transaction."""
        with self._engine.connect() as conn:
            return delivered(conn, self._institution, items)


def _row(conn: Connection, institution: str, item: str) -> Delivered | None:
    (found,) = delivered(conn, institution, [item])
    return found if found.delivered_at is not None or found.waiting_since is not None else None


def _placed_on(conn: Connection, institution: str, item: str, day: date) -> int:
    query = select(delivery.c.placed_on_day).where(
        delivery.c.institution == institution, delivery.c.item == item, delivery.c.day == day
    )
    return int(conn.execute(query).scalar_one_or_none() or 0)
