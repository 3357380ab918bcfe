"""Bulk rows (一括挿入): many rows into one table as fast as the driver takes them, inside the caller's transaction.

SQLAlchemy binds each value of each row by itself, which costs several times what storing the row does. Here the statement
is made once, and only the columns whose type needs it are converted. PostgreSQL takes the rows by COPY in its binary form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


def insert_rows(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows, each a tuple of values in the order of `columns`, which is that of the table; no rows, no statement.

    Values are what the column types take, such as aware datetimes. Raises what the engine raises, for instance
    sqlalchemy.exc.IntegrityError (a row that cannot be stored fails them all), and ValueError for columns in another order.
    """
    if not rows:
        return
    if [one.name for one in table.columns if one.name in columns] != list(columns):
        raise ValueError(f"{', '.join(columns)}: not columns of {table.name} in its order")
    values = _converted(conn, table, columns, rows)
    if conn.dialect.name == "postgresql":
        _copy(conn, table, columns, values)
    else:
        statement = table.insert().compile(dialect=conn.dialect, column_keys=list(columns))
        conn.exec_driver_sql(statement.string, values)


def _copy(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    preparer = conn.dialect.identifier_preparer
    names = ", ".join(preparer.format_column(table.c[name]) for name in columns)
    statement = f"COPY {preparer.format_table(table)} ({names}) FROM STDIN (FORMAT BINARY)"
    driver: Any = conn.connection.dbapi_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_type_name(conn, table, name) for name in columns])
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # As SQLAlchemy would have raised it: callers know its kinds of errors.
        raise DBAPIError.instance(statement, None, error, psycopg.Error, dialect=conn.dialect) from error


def _type_name(conn: Connection, table: Table, column: str) -> str:
    """The type's name as the driver knows it: without a length, in lower case."""
    return table.c[column].type.compile(conn.dialect).partition("(")[0].lower()


def _converted(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows with those columns converted whose type asks for it."""
    converters: dict[int, Callable[[Any], Any]] = {}
    for position, name in enumerate(columns):
        converter = table.c[name].type.dialect_impl(conn.dialect).bind_processor(conn.dialect)
        if converter is not None:
            converters[position] = converter
    if not converters:
        return list(rows)
    by_column = [
        [*map(converters[position], values)] if position in converters else values
        for position, values in enumerate(zip(*rows, strict=True))
    ]
    return list(zip(*by_column, strict=True))
