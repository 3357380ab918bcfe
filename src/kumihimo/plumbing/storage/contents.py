"""What a store holds (保管庫の中身): its schema, its rows counted, and its rows as digests that two stores can be held against.

Looking changes nothing, not even the mode of a SQLite file, and may take as long as it takes: the limits on statements that
services live with are for callers who wait.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text

from kumihimo.plumbing.storage.engine import open_engine
from kumihimo.plumbing.storage.migrations import VERSION_TABLE_PREFIX

_AT_ONCE: Final = 1_000  # rows
_DIGESTS: Final = 2**256


@dataclass(frozen=True)
class StoreContents:
    """What a store holds: its schema's revision ("" for none), and the number of rows of every table."""

    revision: str
    rows: dict[str, int]


@dataclass(frozen=True)
class TableDigest:
    """The rows of a table: how many, and the sum of their SHA-256 modulo 2²⁵⁶ (hex), whatever order they lie in."""

    rows: int
    sha256: str


def contents_of(url: str) -> StoreContents:
    """What a store holds. Raises SQLAlchemyError where it cannot be read."""
    with looking_at(url) as conn:
        return contents_seen(conn)


def digests_of(url: str) -> dict[str, TableDigest]:
    """Table → its rows' digest. Every row is read. Raises as `contents_of`."""
    with looking_at(url) as conn:
        return {table: _digest(conn, table) for table in _tables(conn)}


@contextmanager
def looking_at(url: str) -> Iterator[Connection]:
    """A connection to a store that only reads, and sees one state of it all along."""
    parsed = make_url(url)
    engine = _looking_engine(url) if parsed.get_backend_name() == "sqlite" else open_engine(url)
    try:
        with engine.connect() as conn:
            if conn.dialect.name == "postgresql":
                conn.execution_options(isolation_level="REPEATABLE READ")
                without_limits(conn)
            yield conn
    finally:
        engine.dispose()


def without_limits(conn: Connection) -> None:
    """Let the transaction that begins here, on PostgreSQL, take its time."""
    conn.execute(text("SET LOCAL statement_timeout = 0"))
    conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def reading(file: Path) -> sqlite3.Connection:
    """A SQLite file opened for reading only."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


def contents_seen(conn: Connection) -> StoreContents:
    """What a connection sees of its store."""
    revision, rows = "", {}
    for table in sorted(inspect(conn).get_table_names()):
        if table.startswith(VERSION_TABLE_PREFIX):
            revision = str(conn.execute(text(f'SELECT version_num FROM "{table}"')).scalar_one_or_none() or "")  # noqa: S608
        else:
            rows[table] = int(conn.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one())  # noqa: S608
    return StoreContents(revision, rows)


def _looking_engine(url: str) -> Engine:
    file = Path(str(make_url(url).database))
    return create_engine("sqlite://", creator=lambda: reading(file))


def _tables(conn: Connection) -> list[str]:
    return [name for name in sorted(inspect(conn).get_table_names()) if not name.startswith(VERSION_TABLE_PREFIX)]


def _digest(conn: Connection, table: str) -> TableDigest:
    rows = digest = 0
    options = {"stream_results": True, "yield_per": _AT_ONCE}
    for row in conn.execute(text(f'SELECT * FROM "{table}"'), execution_options=options):  # noqa: S608
        rows += 1
        digest += int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest())
    return TableDigest(rows, f"{digest % _DIGESTS:064x}")
