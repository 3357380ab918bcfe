"""What the log says of the time before a start (監査台帳の振返り): whose requests still count against a quota."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, select

from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord
from kumihimo.roles.hub.store import tables as t
from kumihimo.roles.hub.store.log_rows import next_index

_PAGE: Final = 5_000


def requests_logged(engine: Engine, since: datetime) -> Iterator[tuple[str, datetime]]:
    """Requester and instant of every request that counted since then, oldest first; a transaction number counts once."""
    seen: set[str] = set()
    with engine.connect() as conn:
        at = _first_since(conn, since)
        while rows := conn.execute(
            select(t.entries.c.record)
            .where(t.entries.c.entry_index >= at, t.entries.c.entry_index < at + _PAGE)
            .order_by(t.entries.c.entry_index)
        ).all():
            at += _PAGE
            for row in rows:
                record = LogRecord.model_validate_json(row.record)
                over = record.refusal is not None and record.refusal.code == "quota.exceeded"
                if record.entry is not EntryKind.REQUEST or record.requester is None or over:
                    continue
                if record.transaction is not None and record.transaction not in seen:
                    seen.add(record.transaction)
                    yield record.requester, record.logged_at


def _first_since(conn: Connection, since: datetime) -> int:
    """The first index logged at or after an instant, by halving: entries are in the order of time."""
    low, high = 0, next_index(conn)
    while low < high:
        middle = (low + high) // 2
        logged_at = conn.execute(select(t.entries.c.logged_at).where(t.entries.c.entry_index == middle)).scalar_one()
        low, high = (middle + 1, high) if logged_at < since else (low, middle)
    return low
