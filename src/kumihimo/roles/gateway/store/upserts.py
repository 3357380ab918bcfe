"""Placing rows (登録): insert, or replace what has the same key, in one statement on both engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name every column; a row whose primary key is taken replaces the one that holds it."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    insert = dialect_insert(conn, table)
    replaced = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    conn.execute(insert.on_conflict_do_update(index_elements=keys, set_=replaced), list(rows))


def dialect_insert(conn: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what to do on conflict; both engines spell it alike, each under its own name."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
