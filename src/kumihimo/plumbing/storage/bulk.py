"""Bulk rows (一括挿入): many rows into one table as fast as the driver takes them, inside the caller's transaction.

SQLAlchemy binds each value of each row by itself, which costs several times what storing the row does. Here a statement is
made once, values are converted a column at a time, and what is the same in all rows is given once. SQLite gets many rows in
one INSERT, during which other threads run; PostgreSQL gets more than a few by COPY (`binary_copy`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Dialect,
    Integer,
    LargeBinary,
    Table,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from kumihimo.plumbing.storage.binary_copy import copy_columns
from kumihimo.plumbing.storage.statements import run
from kumihimo.plumbing.storage.types import UtcDateTime

Row = tuple[Any, ...]
Conversion = Callable[[Sequence[Any]], list[Any]]

_MOST_BOUND: Final = 32_766  # values in one statement: what SQLite takes as its authors ship it
_MOST_ROWS: Final = 4_096
_FEW_ROWS: Final = 16  # up to here PostgreSQL takes an INSERT sooner than a COPY
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
    fails them all: the caller must roll back, as `engine.begin()` does), and ValueError for columns in another order or
    of a type that is not known here.
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
    plan = _plan(table, tuple(columns), tuple(same), conn.dialect)
    if conn.dialect.name == "postgresql" and count > _FEW_ROWS:
        by_column = {table.c[name]: values for name, values in columns.items()}
        copy_columns(conn, plan.into, by_column, {table.c[name]: value for name, value in same.items()})
        return
    constants = [plan.converted(name, [value])[0] for name, value in same.items()]
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
        run(conn, statement, (*constants, *bound))
        at += size


def among(conn: Connection, column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that `column` holds one of `values`, text or integers, however many: one bound value holds them all."""
    return is_listed(conn.dialect.name, column, literal(listed(conn, column, values), Text))


def is_listed(dialect: str, column: Column[Any], bound: ColumnElement[Any]) -> ColumnElement[bool]:
    """The same for a `Statement`, whose bound value is what `listed` makes of the values."""
    if dialect == "postgresql":
        # Rows, not an array to compare with: that one the server would go through for every row of the table.
        return column.in_(select(func.unnest(cast(bound, ARRAY(column.type)))))
    return column.in_(select(func.json_each(bound).table_valued("value").c.value))


def listed(conn: Connection, column: Column[Any], values: Iterable[Any]) -> str:
    """Text or integers as one text: a JSON array, or PostgreSQL's form of one, which its server reads fastest."""
    if conn.dialect.name != "postgresql":
        return json.dumps(list(values))
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
    """How rows get into a table: it and its columns, the statement, and by name what becomes of the values of a column."""

    into: str
    insert: str
    conversions: dict[str, Conversion]

    def converted(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """The column's values as the driver takes them."""
        conversion = self.conversions.get(name)
        return values if conversion is None else conversion(values)


@lru_cache(maxsize=256)
def _plan(table: Table, columns: tuple[str, ...], same: tuple[str, ...], dialect: Dialect) -> _Plan:
    if [one.name for one in table.columns if one.name in columns] != list(columns):
        raise ValueError(f"{', '.join(columns)}: not columns of {table.name} in its order")
    preparer = dialect.identifier_preparer
    names_of_all = (*columns, *same)
    names = ", ".join(preparer.format_column(table.c[name]) for name in names_of_all)
    into = f"{preparer.format_table(table)} ({names})"
    # Told to undo a statement alone, SQLite would keep a copy of every page that it touches: with random keys, nearly all.
    insert = "INSERT OR FAIL" if dialect.name == "sqlite" else "INSERT"
    found = {name: _as_bound(table.c[name], dialect) for name in names_of_all}
    return _Plan(
        into=into,
        insert=f"{insert} INTO {into} VALUES ",
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
