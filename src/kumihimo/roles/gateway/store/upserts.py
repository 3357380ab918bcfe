"""Placing rows (登録): insert, or replace what has the same key, in one statement on both engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from kumihimo.plumbing.storage import Statement


def upsert(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name the same columns; a row whose primary key is taken replaces the one that holds it."""
    if rows:
        _upserting(table, tuple(rows[0])).write_all(conn, rows)


def dialect_insert(conn: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what to do on conflict; both engines spell it alike, each under its own name."""
    return _insert(conn.dialect.name, table)


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def _upserting(table: Table, columns: tuple[str, ...]) -> Statement:
    keys = [column.name for column in table.primary_key]

    def made(dialect: str) -> postgresql.Insert | sqlite.Insert:
        insert = _insert(dialect, table)
        replaced = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
        return insert.on_conflict_do_update(index_elements=keys, set_=replaced)

    return Statement(made, columns)
