"""Statements of every request (定型文): put into words once for each engine, and then handed to the driver as they are.

SQLAlchemy looks a statement up, lays out its values, and makes a result of a dozen objects each time; for a row by its key
that takes ten times what the database does. What a service runs for every request is a `Statement`: a constant of its
store with a name for each value. Types convert as always, and errors are those that SQLAlchemy raises.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.types import TypeEngine

READS: Final = "kumihimo_transaction_reads"  # in Connection.info: whether the transaction may only read
Element = Select[Any] | Insert | Update | Delete
Conversion = Callable[[Any], Any]
_row_type: Final[Callable[..., Any]] = namedtuple


@dataclass(frozen=True)
class _Words:
    """A statement in the words of one engine. `names`: its values, in this order where they do not go by name."""

    text: str
    names: tuple[str, ...]
    in_order: bool
    constants: dict[str, Any]
    bound: dict[str, Conversion]
    row: Callable[[Iterable[Any]], Any]
    read: tuple[tuple[int, Conversion], ...]

    def laid_out(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them. Raises KeyError for one that is missing."""
        given = {**self.constants, **values}
        for name, conversion in self.bound.items():
            given[name] = conversion(given[name])
        return [given[name] for name in self.names] if self.in_order else {name: given[name] for name in self.names}

    def rows(self, fetched: Sequence[Sequence[Any]]) -> list[Any]:
        """Rows with names, their values as the column types give them."""
        if not self.read:
            return [self.row(one) for one in fetched]
        found = []
        for one in fetched:
            values = list(one)
            for place, conversion in self.read:
                values[place] = conversion(values[place])
            found.append(self.row(values))
        return found


class Statement:
    """A statement that never changes, given as SQLAlchemy's element, or as what makes one for a dialect's name.

    Outside a transaction a SELECT reads for itself; whatever writes needs one. Values are given by the names of the bound
    parameters; an INSERT or UPDATE takes one for each of `columns` beside them. Safe for many threads.
    """

    def __init__(self, element: Element | Callable[[str], Element], columns: Iterable[str] = ()) -> None:
        self._element = element
        self._columns = list(columns)
        self._by_dialect: dict[str, _Words] = {}

    def rows(self, conn: Connection, **values: Any) -> list[Any]:
        """The rows as named tuples. Raises what SQLAlchemy raises, and KeyError for a value that is missing."""
        words = self._words(conn)
        return words.rows(fetched(conn, words.text, words.laid_out(values)))

    def row(self, conn: Connection, **values: Any) -> Any:
        """The only row, None where there is none. Raises as rows."""
        found = self.rows(conn, **values)
        if len(found) > 1:
            raise InvalidRequestError(f"{len(found)} rows where one was expected")
        return found[0] if found else None

    def value(self, conn: Connection, **values: Any) -> Any:
        """The first column of the only row, None where there is none. Raises as rows."""
        found = self.row(conn, **values)
        return None if found is None else found[0]

    def write(self, conn: Connection, values: Mapping[str, Any]) -> int:
        """Change what it changes: how many rows. Raises as rows, and InvalidRequestError outside a writing transaction."""
        words = self._words(conn)
        _require_writing(conn)
        return run(conn, words.text, words.laid_out(values))

    def write_all(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """As write, for each of these; the driver gets them at once."""
        words = self._words(conn)
        _require_writing(conn)
        if len(rows) == 1:
            run(conn, words.text, words.laid_out(rows[0]))
        elif rows:
            run(conn, words.text, [words.laid_out(row) for row in rows], many=True)

    def _words(self, conn: Connection) -> _Words:
        known = self._by_dialect.get(conn.dialect.name)
        if known is None:
            element = self._element if isinstance(self._element, Element) else self._element(conn.dialect.name)
            known = self._by_dialect[conn.dialect.name] = _put_into_words(element, self._columns, conn.dialect)
        return known


def run(conn: Connection, text: str, values: Any, *, many: bool = False) -> int:
    """Have the driver run a text in its own dialect: how many rows it changed.

    Raises what SQLAlchemy would for the driver's error, without the values.
    """
    cursor = conn.connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(text, values)
        return int(cursor.rowcount)
    except conn.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy(conn, text, error) from error
    finally:
        cursor.close()


def fetched(conn: Connection, text: str, values: Any) -> Sequence[Any]:
    """Have the driver run a text in its own dialect: all its rows. Raises as run."""
    cursor = conn.connection.cursor()
    try:
        cursor.execute(text, values)
        return cursor.fetchall()
    except conn.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy(conn, text, error) from error
    finally:
        cursor.close()


def _as_sqlalchemy(conn: Connection, text: str, error: Exception) -> BaseException:
    kind = conn.dialect.loaded_dbapi.Error
    return DBAPIError.instance(text, None, error, kind, hide_parameters=True, dialect=conn.dialect)


def _require_writing(conn: Connection) -> None:
    if not conn.in_transaction() or conn.info.get(READS):
        raise InvalidRequestError("A transaction that only reads was to write; write inside engine.begin().")


def _put_into_words(element: Element, columns: list[str], dialect: Dialect) -> _Words:
    compiled = element.compile(dialect=dialect, column_keys=columns or None)
    binds = {name: compiled.binds[name] for name in compiled.params}
    converting = {name: _binding(bind.type, dialect) for name, bind in binds.items()}
    results = list(getattr(element, "exported_columns", ()))
    read = ((place, _reading(column.type, dialect)) for place, column in enumerate(results))
    return _Words(
        text=str(compiled),
        names=tuple(compiled.positiontup or binds),
        in_order=compiled.positiontup is not None,
        constants={name: bind.effective_value for name, bind in binds.items() if not bind.required},
        bound={name: conversion for name, conversion in converting.items() if conversion is not None},
        row=_row_type("Row", [column.key for column in results], rename=True)._make,
        read=tuple((place, conversion) for place, conversion in read if conversion is not None),
    )


def _binding(kind: TypeEngine[Any], dialect: Dialect) -> Conversion | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reading(kind: TypeEngine[Any], dialect: Dialect) -> Conversion | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
