"""Feeds (配信): what one role has to tell others, written in the same transaction as the change itself.

A transactional outbox with cursors (architecture, "No message broker"): the producer appends, a consumer asks for what
comes after its cursor and keeps the cursor in its own store. A consumer that has seen number n never misses a lower
one: numbers become visible in ascending order. On PostgreSQL a sequence alone does not promise that, since a
transaction that drew a lower number may commit later; appending therefore holds one lock per feed until the end of the
transaction. SQLite has one writer at a time anyway. Append late in a transaction: others wait from there on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, Table, Text, bindparam, func, select

from kumihimo.plumbing.storage.bulk import insert_rows
from kumihimo.plumbing.storage.statements import Statement
from kumihimo.plumbing.storage.types import UtcDateTime

EVERYBODY: Final = "*"
MOST_CHARACTERS: Final = 8 * 1024 * 1024  # of bodies on one page: a reader takes an answer of 64 MiB
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True)
class FeedItem:
    """One message: `seq` ascends within a feed with gaps, `at` is when the producer wrote it."""

    seq: int
    kind: str
    body: dict[str, Any]
    at: datetime


class NewItem(NamedTuple):
    """An item to be appended; `body` may be JSON text already, `at` is an aware datetime."""

    audience: str
    kind: str
    body: Mapping[str, Any] | str
    at: datetime


def feed_table(metadata: MetaData, name: str = "feed") -> Table:
    """The producer's table; `audience` is a party id, or "*" for everybody."""
    return Table(
        name,
        metadata,
        Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("audience", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Index(f"ix_{name}_audience_seq", "audience", "seq"),
        # Without it SQLite gives a deleted last number out again, and cursors would pass over the new item.
        sqlite_autoincrement=True,
    )


def cursor_table(metadata: MetaData, name: str = "feed_cursor") -> Table:
    """The consumer's table: how far it has read each feed."""
    return Table(
        name,
        metadata,
        Column("feed", Text, primary_key=True),
        Column("seq", BigInteger, nullable=False),
    )


def append_feed(conn: Connection, table: Table, audience: str, kind: str, body: Mapping[str, Any], at: datetime) -> int:
    """Append one item and return its number; it is visible when the caller's transaction commits.

    Raises TypeError or ValueError when `body` is not JSON.
    """
    _hold_order(conn, table)
    insert = table.insert().values(audience=audience, kind=kind, body=_written(body), at=at).returning(table.c.seq)
    return int(conn.execute(insert).scalar_one())


def append_feed_all(conn: Connection, table: Table, items: Sequence[NewItem]) -> None:
    """Append many items in this order; they are visible when the caller's transaction commits. Raises as append_feed."""
    if items:
        _hold_order(conn, table)
        rows = [(one.audience, one.kind, _written(one.body), one.at) for one in items]
        insert_rows(conn, table, ("audience", "kind", "body", "at"), rows)


def read_feed(conn: Connection, table: Table, audience: str, after: int, limit: int) -> list[FeedItem]:
    """The next items for `audience` or everybody with numbers above `after`, at most `limit`, in ascending order.

    Fewer where they are large: no page takes more than about `MOST_CHARACTERS`, and one item goes in any case.
    """
    items: list[FeedItem] = []
    size = 0
    columns = table.c.seq, table.c.kind, table.c.body, table.c.at
    for seq, kind, body, at in _next_of(columns).rows(conn, **_place(audience, after, limit)):
        size += len(body)
        if items and size > MOST_CHARACTERS:
            break
        items.append(FeedItem(seq, kind, json.loads(body), at))
    return items


def waiting_in_feed(conn: Connection, table: Table, audience: str, after: int, limit: int) -> int:
    """How many items `read_feed` would look at."""
    return len(_next_of((table.c.seq,)).rows(conn, **_place(audience, after, limit)))


def delete_feed(
    conn: Connection, table: Table, audience: str, up_to: int, kinds: Collection[str] | None = None, after: int = 0
) -> int:
    """Forget items of exactly this audience up to and including number `up_to`; returns how many there were.

    Only those of the given kinds, where some are given, and only those with numbers above `after`: who forgets often need
    not look through all that stays each time. For items that may not be kept once the consumer has them, such as tickets.
    """
    forgotten = table.delete().where(table.c.audience == audience, table.c.seq > after, table.c.seq <= up_to)
    if kinds is not None:
        forgotten = forgotten.where(table.c.kind.in_(kinds))
    return conn.execute(forgotten).rowcount


def expire_feed(
    conn: Connection, table: Table, audience: str, up_to: int, kind: str, before: datetime, limit: int
) -> int:
    """Forget items of one kind and audience up to number `up_to` that were written before `before`; how many there were.

    Only the lowest `limit` numbers are looked at, so that asking again after fewer than `limit` costs one look: times
    ascend with numbers, near enough.
    """
    mine = (table.c.audience == audience) & (table.c.kind == kind) & (table.c.seq <= up_to)
    lowest = select(table.c.seq, table.c.at).where(mine).order_by(table.c.seq).limit(limit)
    old = [seq for seq, at in conn.execute(lowest) if at < before]
    if old:
        conn.execute(table.delete().where(table.c.seq.in_(old)))
    return len(old)


def count_feed(conn: Connection, table: Table, audience: str, after: int) -> int:
    """How many items for `audience` or everybody have numbers above `after`."""
    waiting = table.c.audience.in_((audience, EVERYBODY)), table.c.seq > after
    return conn.execute(select(func.count()).select_from(table).where(*waiting)).scalar_one()


def get_cursor(conn: Connection, table: Table, feed: str) -> int:
    """The number of the last item of `feed` that was dealt with; 0 before the first."""
    return _cursor_of(table).value(conn, feed=feed) or 0


def set_cursor(conn: Connection, table: Table, feed: str, seq: int) -> None:
    """Remember `seq` as dealt with, in the same transaction as what was done with the items."""
    if _moving(table).write(conn, {"of_feed": feed, "seq": seq}) == 0:
        conn.execute(table.insert().values(feed=feed, seq=seq))


@cache
def _next_of(columns: tuple[Column[Any], ...]) -> Statement:
    """These columns of what comes next in their feed."""
    table = columns[0].table
    theirs = table.c.audience.in_((bindparam("audience", type_=Text), bindparam("everybody", type_=Text)))
    query = select(*columns).where(theirs, table.c.seq > bindparam("after")).order_by(table.c.seq)
    return Statement(query.limit(bindparam("most", type_=Integer)))


def _place(audience: str, after: int, limit: int) -> dict[str, Any]:
    return {"audience": audience, "everybody": EVERYBODY, "after": after, "most": limit}


@cache
def _cursor_of(table: Table) -> Statement:
    return Statement(select(table.c.seq).where(table.c.feed == bindparam("feed")))


@cache
def _moving(table: Table) -> Statement:
    return Statement(table.update().where(table.c.feed == bindparam("of_feed")), ("seq",))


def _written(body: Mapping[str, Any] | str) -> str:
    return body if isinstance(body, str) else _ENCODER.encode(body)


def _hold_order(conn: Connection, table: Table) -> None:
    """Let nobody else draw numbers of this feed until the transaction ends."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_lock_key(table.name))))


def _lock_key(name: str) -> int:
    """A signed 64-bit number for PostgreSQL's advisory locks, which are shared by the whole database."""
    return int.from_bytes(hashlib.sha256(f"kumihimo.feed:{name}".encode()).digest()[:8], signed=True)
