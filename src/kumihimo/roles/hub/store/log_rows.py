"""Rows of the log (監査台帳の行): a group of entries in one transaction, each with its mark and what others will be told.

All of the writer's time goes here while everybody waits, so nothing is done for an entry that could be done before or after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Text, bindparam, func, select

from kumihimo.plumbing.storage import (
    FeedItem,
    NewItem,
    Statement,
    among,
    append_feed_all,
    insert_rows,
    is_listed,
    listed,
)
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.roles.hub.store import tables as t
from kumihimo.roles.hub.store.entries import Entered, Prepared

RECORD_KIND: Final = "record"
RECORDS_KIND: Final = "records"
_NEXT: Final = Statement(select(func.coalesce(func.max(t.entries.c.entry_index) + 1, 0)))
_MADE: Final = Statement(
    lambda dialect: select(t.marks.c.mark).where(is_listed(dialect, t.marks.c.mark, bindparam("marks", type_=Text)))
)
_STANDING: Final = t.entries.c.entry_index, t.entries.c.record, t.entries.c.salt, t.entries.c.commitment
_AT: Final = Statement(
    lambda dialect: select(*_STANDING).where(
        is_listed(dialect, t.entries.c.entry_index, bindparam("indexes", type_=Text))
    )
)


@dataclass(frozen=True, slots=True)
class Written:
    """A durable entry as it stands, its record as canonical JSON."""

    index: int
    record: str
    salt: bytes
    commitment: bytes


def write_entries(conn: Connection, items: Sequence[Prepared], overseer: str) -> list[int | None]:
    """Write entries after those there are: the index of each, None where the mark was made before it.

    The overseer is told of each.
    """
    index = next_index(conn)
    used = marks_made(conn, [one.item.mark for one in items if one.item.mark is not None])
    indexes: list[int | None] = []
    taken: list[tuple[int, Prepared]] = []
    for one in items:
        mark = one.item.mark
        if mark is not None:
            if mark in used:
                indexes.append(None)
                continue
            used.add(mark)
        taken.append((index, one))
        indexes.append(index)
        index += 1
    _insert(conn, taken)
    append_feed_all(conn, t.feed, [*_told_singly(overseer, taken), *_told_together(overseer, taken)])
    return indexes


def _told_singly(overseer: str, taken: Sequence[tuple[int, Prepared]]) -> list[NewItem]:
    # As JSON already: encoding it would take longer than storing it.
    return [
        NewItem(overseer, RECORD_KIND, f'{{"index":{at}}}', one.item.record.logged_at)
        for at, one in taken
        if one.item.chunk is None
    ]


def _told_together(overseer: str, taken: Sequence[tuple[int, Prepared]]) -> list[NewItem]:
    chunks: dict[str, list[tuple[int, Prepared]]] = {}
    for at, one in taken:
        if one.item.chunk is not None:
            chunks.setdefault(one.item.chunk, []).append((at, one))
    return [
        NewItem(overseer, RECORDS_KIND, {"indexes": [at for at, _ in of]}, of[0][1].item.record.logged_at)
        for of in chunks.values()
    ]


def names_entry(item: FeedItem) -> bool:
    """Whether an item of the overseer's feed stands for one entry."""
    return item.kind == RECORD_KIND and item.body.keys() == {"index"}


def names_chunk(item: FeedItem) -> bool:
    """Whether it stands for the entries of a chunk."""
    return item.kind == RECORDS_KIND and item.body.keys() == {"indexes"}


def no_more_than(items: Sequence[FeedItem], most: int) -> Sequence[FeedItem]:
    """As many of the items as name about that many entries, one in any case."""
    named = 0
    for position, item in enumerate(items):
        named += len(item.body["indexes"]) if names_chunk(item) else 1
        if named >= most:
            return items[: position + 1]
    return items


def _insert(conn: Connection, taken: Sequence[tuple[int, Prepared]]) -> None:
    insert_rows(
        conn,
        t.entries,
        ("entry_index", "commitment", "salt", "record", "transaction_number", "logged_at"),
        [
            (
                at,
                one.commitment,
                one.item.salt,
                one.written.decode(),
                one.item.transaction or one.item.record.transaction,
                one.item.record.logged_at,
            )
            for at, one in taken
        ],
    )
    marked = [(mark, one.item.record.logged_at, at) for at, one in taken if (mark := one.item.mark) is not None]
    insert_rows(conn, t.marks, ("mark", "made_at", "entry_index"), marked)
    reported = [
        (one.item.mark, report.outcome.value, report.payload_hash, report.envelope.model_dump_json(), str(at))
        for at, one in taken
        if (report := one.item.report) is not None
    ]
    insert_rows(conn, t.outcomes, ("mark", "outcome", "payload_hash", "report", "logged"), reported)
    unheard = [
        (
            at,
            kept.request.model_dump_json(),
            str(at) if kept.logged is None else kept.logged.model_dump_json(),
        )
        for at, one in taken
        if (kept := one.item.unrelayed) is not None
    ]
    insert_rows(conn, t.unrelayed, ("entry_index", "request", "logged"), unheard)


def marks_made(conn: Connection, asked: Sequence[str]) -> set[str]:
    """Which of these marks were made before."""
    return {mark for (mark,) in _MADE.rows(conn, marks=listed(conn, t.marks.c.mark, asked))} if asked else set()


def next_index(conn: Connection) -> int:
    """The index the next entry gets, which is also the number of entries."""
    return int(_NEXT.value(conn))


def entries_at(conn: Connection, indexes: Sequence[int]) -> dict[int, Entered]:
    """The entries at these places, by place."""
    if not indexes:
        return {}
    return {
        index: Entered(index, LogRecord.model_validate_json(record), salt, commitment)
        for index, record, salt, commitment in _AT.rows(conn, indexes=listed(conn, t.entries.c.entry_index, indexes))
    }


def written_at(conn: Connection, indexes: Sequence[int]) -> list[Written]:
    """The entries at these places, in their order in the log, unread."""
    query = select(*_STANDING).where(among(conn, t.entries.c.entry_index, indexes))
    return [Written(*row) for row in conn.execute(query.order_by(t.entries.c.entry_index))]
