"""Bulk rows (一括挿入): many rows into one table as fast as the driver takes them, inside the caller's transaction.

SQLAlchemy binds each value of each row by itself, which costs several times what storing the row does. Here a statement is
made once, values are converted a column at a time, and what is the same in all rows is given once. SQLite gets many rows in
one INSERT, during which other threads run; PostgreSQL gets more than a few by COPY, as text: its types of time are written
by the driver in Python, which for the binary form is slower than all else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import psycopg
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Date,
    Dialect,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from kumihimo.plumbing.storage.types import UtcDateTime

Row = tuple[Any, ...]
Conversion = Callable[[Sequence[Any]], list[Any]]

_MOST_BOUND: Final = 32_766  # values in one statement: what SQLite takes as its authors ship it
_MOST_ROWS: Final = 4_096
_FEW_ROWS: Final = 16  # up to here PostgreSQL takes an INSERT sooner than a COPY
_COPIED_AT_ONCE: Final = 8_192  # rows
_NULL: Final = r"\N"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_QUOTES: Final = str.maketrans({"\\": r"\\", '"': r"\""})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def insert_rows(
    conn: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Row],
    same: Mapping[str, Any] = _NOTHING,
) -> None:
    """Insert rows, each a tuple of values in the order of `columns`, which is that of the table; no rows, no statement.

    `same` are further columns with the value they have in all rows. Values are what the column types take, such as aware
    datetimes. Raises what the engine raises, for instance sqlalchemy.exc.IntegrityError (a row that cannot be stored
    fails them all), and ValueError for columns in another order or of a type that is not known here.
    """
    if rows:
        insert_columns(conn, table, dict(zip(columns, zip(*rows, strict=True), strict=True)), same)


def insert_columns(
    conn: Connection, table: Table, columns: Mapping[str, Sequence[Any]], same: Mapping[str, Any] = _NOTHING
) -> None:
    """As insert_rows, from the values of each column, all equally many: for the largest batches, without a tuple a row."""
    count = len(next(iter(columns.values())))
    if not count:
        return
    copied = conn.dialect.name == "postgresql" and count > _FEW_ROWS
    plan = _plan(table, tuple(columns), tuple(same), conn.dialect, _as_text if copied else _as_bound)
    constants = [plan.converted(name, [value])[0] for name, value in same.items()]
    if copied:
        _copy(conn, plan, columns, constants)
        return
    numbered = conn.dialect.name == "sqlite"
    varying = [plan.converted(name, values) for name, values in columns.items()]
    if not numbered:
        varying += [[constant] * count for constant in constants]
        constants = []
    width, at = len(varying), 0
    for size in _portions(count, width):
        bound = [None] * (size * width)
        for place, values in enumerate(varying):
            bound[place::width] = values[at : at + size]
        statement = plan.insert + _values("?" if numbered else "%s", width, len(constants), size)
        conn.exec_driver_sql(statement, (*constants, *bound))
        at += size


def among(conn: Connection, column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that `column` holds one of `values`, text or integers, however many: one bound value holds them all."""
    if conn.dialect.name == "postgresql":
        # Rows, not an array to compare with: that one the server would go through for every row of the table.
        return column.in_(select(func.unnest(cast(literal(_array(column, values), Text), ARRAY(column.type)))))
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def _array(column: Column[Any], values: Iterable[Any]) -> str:
    """PostgreSQL's text of an array, which the server reads faster than the driver writes one."""
    if isinstance(column.type, Integer):
        return f"{{{','.join(map(str, values))}}}"
    texts = list(values)
    if not _holds_any(texts, '\\"'):
        return "{" + ",".join(f'"{one}"' for one in texts) + "}"
    return "{" + ",".join(f'"{one.translate(_QUOTES)}"' for one in texts) + "}"


def _holds_any(texts: Sequence[str], characters: str) -> bool:
    """Whether any of the characters is in any of the texts: looking at all at once is quick, and mostly enough."""
    joined = "".join(texts)
    return any(one in joined for one in characters)


@dataclass(frozen=True)
class _Plan:
    """How rows get into a table: the statements, and by name what becomes of the values of a column."""

    insert: str
    copy: str
    conversions: dict[str, Conversion]

    def converted(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """The column's values as the driver takes them."""
        conversion = self.conversions.get(name)
        return values if conversion is None else conversion(values)


@lru_cache(maxsize=256)
def _plan(
    table: Table,
    columns: tuple[str, ...],
    same: tuple[str, ...],
    dialect: Dialect,
    conversion: Callable[[Column[Any], Dialect], Conversion | None],
) -> _Plan:
    if [one.name for one in table.columns if one.name in columns] != list(columns):
        raise ValueError(f"{', '.join(columns)}: not columns of {table.name} in its order")
    preparer = dialect.identifier_preparer
    names_of_all = (*columns, *same)
    names = ", ".join(preparer.format_column(table.c[name]) for name in names_of_all)
    into = f"{preparer.format_table(table)} ({names})"
    found = {name: conversion(table.c[name], dialect) for name in names_of_all}
    return _Plan(
        insert=f"INSERT INTO {into} VALUES ",  # noqa: S608 - names of our own tables, no values
        copy=f"COPY {into} FROM STDIN",
        conversions={name: one for name, one in found.items() if one is not None},
    )


def _as_bound(column: Column[Any], dialect: Dialect) -> Conversion | None:
    """What values to be bound go through; None where the driver takes them as they are."""
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return kind.bound_all(dialect)
    if isinstance(kind, LargeBinary):
        return None
    if isinstance(kind, Date) and dialect.name == "sqlite":
        return lambda values: [None if value is None else date.isoformat(value) for value in values]
    one = kind.dialect_impl(dialect).bind_processor(dialect)
    return None if one is None else lambda values: list(map(one, values))


def _as_text(column: Column[Any], dialect: Dialect) -> Conversion:  # noqa: ARG001 - as _as_bound
    """What values to be copied go through."""
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return kind.written_all
    if isinstance(kind, LargeBinary):
        return lambda values: [_NULL if value is None else rf"\\x{value.hex()}" for value in values]
    if isinstance(kind, Date):
        return lambda values: [_NULL if value is None else date.isoformat(value) for value in values]
    if isinstance(kind, Integer | BigInteger):
        return lambda values: [_NULL if value is None else str(value) for value in values]
    if isinstance(kind, String):
        return _escaped
    raise ValueError(f"{column.name}: no way is known to copy a value of type {kind!r}")


def _escaped(values: Sequence[str | None]) -> list[str]:
    texts = [_NULL if value is None else value for value in values]
    if not _holds_any(texts, "\\\t\n\r"):
        return texts
    return [_NULL if value is None else value.translate(_ESCAPES) for value in values]


def _portions(rows: int, width: int) -> list[int]:
    """Into how many rows a statement each: powers of two and a small rest, so that few different ones are ever prepared."""
    portions = []
    size = _MOST_ROWS
    while rows >= _FEW_ROWS:
        if size <= rows and size * width <= _MOST_BOUND - width:
            portions += [size] * (rows // size)
            rows %= size
        size //= 2
    return [*portions, rows] if rows else portions


@lru_cache(maxsize=1_024)
def _values(mark: str, width: int, same: int, rows: int) -> str:
    """VALUES of so many rows; where the first `same` bound values stand in every row, marks have numbers."""
    if not same:
        return ", ".join([f"({', '.join([mark] * width)})"] * rows)
    shared = "".join(f", {mark}{place}" for place in range(1, same + 1))
    starts = range(same + 1, same + 1 + rows * width, width)
    return ", ".join(
        f"({', '.join(f'{mark}{place}' for place in range(start, start + width))}{shared})" for start in starts
    )


def _copy(conn: Connection, plan: _Plan, columns: Mapping[str, Sequence[Any]], constants: Sequence[str]) -> None:
    driver: Any = conn.connection.dbapi_connection
    end = "".join(f"\t{value}" for value in constants) + "\n"
    count = len(next(iter(columns.values())))
    try:
        with driver.cursor() as cursor, cursor.copy(plan.copy) as copy:
            for at in range(0, count, _COPIED_AT_ONCE):
                written = [plan.converted(name, values[at : at + _COPIED_AT_ONCE]) for name, values in columns.items()]
                lines = map("\t".join, zip(*written, strict=True))
                copy.write(f"{end.join(lines)}{end}".encode())
    except psycopg.Error as error:
        # As SQLAlchemy would have raised it: callers know its kinds of errors.
        raise DBAPIError.instance(plan.copy, None, error, psycopg.Error, dialect=conn.dialect) from error
