"""Partitions (分割表): tables with a row for every person, cut by the hash of a key on PostgreSQL, for migrations.

Architecture, "Growing past one machine". SQLite has nothing of the kind, and a store there is small: the functions do
nothing on it. Rows, constraints and indexes are kept under their names, both ways, so that the table is to its role, and to
every later migration, the one it was. The parts lie in a schema of their own: nobody names them, and whoever lists the
tables of a store sees only whole ones.

Every primary key and unique constraint must contain the key that is cut by; PostgreSQL refuses the others.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

PARTITION_SCHEMA: Final = "partitions"
_NEW: Final = "partitioning_under_way"


def partition(conn: Connection, table: str, by: str, parts: int) -> None:
    """Cut a table into `parts` by the hash of column `by`, with its rows; nothing happens on SQLite.

    Needs space for a second copy until the migration commits. Raises sqlalchemy's ProgrammingError or NotSupportedError
    where a unique constraint lacks the column or another table refers to this one.
    """
    if conn.dialect.name != "postgresql":
        return
    conn.execute(text(f"CREATE SCHEMA IF NOT EXISTS {PARTITION_SCHEMA}"))
    quote = conn.dialect.identifier_preparer.quote
    _rebuild(conn, table, f"PARTITION BY HASH ({quote(by)})", [f"{table}_{number}" for number in range(parts)])


def join_partitions(conn: Connection, table: str) -> None:
    """Make a partitioned table one again, with its rows; nothing happens on SQLite."""
    if conn.dialect.name == "postgresql":
        _rebuild(conn, table, "", [])


def drop_partition_schema(conn: Connection) -> None:
    """Take back the last of what `partition` made; nothing happens on SQLite."""
    if conn.dialect.name == "postgresql":
        conn.execute(text(f"DROP SCHEMA {PARTITION_SCHEMA}"))


def _rebuild(conn: Connection, table: str, partitioning: str, parts: list[str]) -> None:
    """Copy a table into a new one of the same shape, and let that take its place, name, constraints and indexes."""
    quote = conn.dialect.identifier_preparer.quote
    restored = _definitions(conn, table)
    # CHECK constraints and NOT NULL come with LIKE; keys and indexes are made after the rows, which is faster.
    _run(conn, f"CREATE TABLE {_NEW} (LIKE {quote(table)} INCLUDING ALL EXCLUDING INDEXES) {partitioning}")
    for number, part in enumerate(parts):
        _run(
            conn,
            f"CREATE TABLE {PARTITION_SCHEMA}.{quote(part)} PARTITION OF {_NEW}"
            f" FOR VALUES WITH (MODULUS {len(parts)}, REMAINDER {number})",
        )
    _run(conn, f"INSERT INTO {_NEW} SELECT * FROM {quote(table)}")  # noqa: S608 - both names are our own migrations'
    _run(conn, f"DROP TABLE {quote(table)}")
    _run(conn, f"ALTER TABLE {_NEW} RENAME TO {quote(table)}")
    for statement in restored:
        _run(conn, statement)
    _run(conn, f"ANALYZE {quote(table)}")


def _definitions(conn: Connection, table: str) -> list[str]:
    """The statements that give a table of this name its keys, references and indexes back."""
    quote = conn.dialect.identifier_preparer.quote
    constraints = conn.execute(
        text(
            "SELECT conname, pg_get_constraintdef(oid) AS said FROM pg_constraint"
            " WHERE conrelid = to_regclass(:name) AND contype IN ('p', 'u', 'f') ORDER BY contype = 'f', conname"
        ),
        {"name": quote(table)},
    )
    keys = [f"ALTER TABLE {quote(table)} ADD CONSTRAINT {quote(row.conname)} {row.said}" for row in constraints]
    indexes = conn.execute(
        text(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass(:name)"
            " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))"
        ),
        {"name": quote(table)},
    )
    # Of a partitioned table PostgreSQL writes "ON ONLY": without the parts. Here the parts are always meant.
    return [*keys, *(said.replace(" ON ONLY ", " ON ", 1) for said in indexes.scalars())]


def _run(conn: Connection, statement: str) -> None:
    conn.exec_driver_sql(statement.replace("%", "%%"))
