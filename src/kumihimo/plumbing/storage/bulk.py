"""Bulk rows (一括挿入): many rows into one table as fast as the driver takes them, inside the caller's transaction.

SQLAlchemy binds each value of each row by itself, which costs several times what storing the row does. Here a statement
is made once, only the columns whose type needs it are converted, a column at a time, and the driver gets many rows in one
call: as one INSERT with many VALUES, during which other threads run, or, where PostgreSQL is given more than a few, by COPY
in its binary form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import psycopg
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Dialect,
    LargeBinary,
    Table,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from kumihimo.plumbing.storage.types import UtcDateTime

Row = tuple[Any, ...]
Conversion = Callable[[Iterable[Any]], list[Any]]

_MOST_BOUND: Final = 32_766  # values in one statement: what SQLite takes as its authors ship it
_MOST_ROWS: Final = 1_024
_FEW_ROWS: Final = 16  # up to here PostgreSQL takes an INSERT sooner than a COPY


def insert_rows(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows, each a tuple of values in the order of `columns`, which is that of the table; no rows, no statement.

    Values are what the column types take, such as aware datetimes. Raises what the engine raises, for instance
    sqlalchemy.exc.IntegrityError (a row that cannot be stored fails them all), and ValueError for columns in another order.
    """
    if not rows:
        return
    plan = _plan(table, tuple(columns), conn.dialect)
    values = _converted(plan, rows)
    if conn.dialect.name == "postgresql" and len(values) > _FEW_ROWS:
        _copy(conn, plan, values)
        return
    at = 0
    for size in _portions(len(values), len(columns)):
        bound = tuple(chain.from_iterable(values[at : at + size]))
        conn.exec_driver_sql(_with_values(plan.insert, plan.row, size), bound)
        at += size


def among(conn: Connection, column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that `column` holds one of `values`, text or integers, however many: one bound value holds them all."""
    if conn.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


@dataclass(frozen=True)
class _Plan:
    """How rows of some columns get into a table: the statements, and conversions by the place of their column."""

    insert: str
    row: str
    copy: str
    types: tuple[str, ...]
    conversions: dict[int, Conversion]


@lru_cache(maxsize=256)
def _plan(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Plan:
    if [one.name for one in table.columns if one.name in columns] != list(columns):
        raise ValueError(f"{', '.join(columns)}: not columns of {table.name} in its order")
    preparer = dialect.identifier_preparer
    into = f"{preparer.format_table(table)} ({', '.join(preparer.format_column(table.c[name]) for name in columns)})"
    mark = "%s" if dialect.name == "postgresql" else "?"
    found = {place: _conversion(table.c[name], dialect) for place, name in enumerate(columns)}
    return _Plan(
        insert=f"INSERT INTO {into} VALUES ",  # noqa: S608 - names of our own tables, no values
        row=f"({', '.join([mark] * len(columns))})",
        copy=f"COPY {into} FROM STDIN (FORMAT BINARY)",
        # The type's name as the driver knows it: without a length, in lower case.
        types=tuple(table.c[name].type.compile(dialect).partition("(")[0].lower() for name in columns),
        conversions={place: conversion for place, conversion in found.items() if conversion is not None},
    )


def _conversion(column: Column[Any], dialect: Dialect) -> Conversion | None:
    """What a column's values go through before the driver takes them; None where it takes them as they are."""
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return kind.bound_all(dialect)
    if isinstance(kind, LargeBinary):
        return None
    if isinstance(kind, Date) and dialect.name == "sqlite":
        return _dates
    one = kind.dialect_impl(dialect).bind_processor(dialect)
    return None if one is None else lambda values: list(map(one, values))


def _dates(values: Iterable[date | None]) -> list[str | None]:
    return [None if value is None else date.isoformat(value) for value in values]


def _converted(plan: _Plan, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows with those columns converted whose type asks for it."""
    if not plan.conversions:
        return rows
    by_column: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for place, conversion in plan.conversions.items():
        by_column[place] = conversion(by_column[place])
    return list(zip(*by_column, strict=True))


def _portions(rows: int, width: int) -> list[int]:
    """Into how many rows a statement each: powers of four, so that few different statements are ever prepared."""
    portions = []
    size = _MOST_ROWS
    while rows:
        while size > rows or size * width > _MOST_BOUND:
            size //= 4
        portions += [size] * (rows // size)
        rows %= size
    return portions


@lru_cache(maxsize=256)
def _with_values(insert: str, row: str, rows: int) -> str:
    return insert + ", ".join([row] * rows)


def _copy(conn: Connection, plan: _Plan, rows: Sequence[Row]) -> None:
    driver: Any = conn.connection.dbapi_connection
    try:
        with driver.cursor() as cursor, cursor.copy(plan.copy) as copy:
            copy.set_types(plan.types)
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # As SQLAlchemy would have raised it: callers know its kinds of errors.
        raise DBAPIError.instance(plan.copy, None, error, psycopg.Error, dialect=conn.dialect) from error
