"""Binary copies (バイナリ複写): rows into a PostgreSQL table by COPY in its binary form, which the server need not parse.

Written here, since the driver writes each value by itself. Rows of integers, the bulk of a nation's, are of one length: all of
them are laid out at once and filled a byte of a column at a time, without a Python object for any.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import psycopg
from sqlalchemy import BigInteger, Column, Connection, Date, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.exc import DBAPIError

from kumihimo.plumbing.storage.types import UtcDateTime

_AT_ONCE: Final = 8_192  # rows
# PostgreSQL, "COPY", Binary Format: rows follow, each a count of its fields, each field a length and that many bytes.
_BEGINS: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_ENDS: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_DAY_ZERO: Final = date(2000, 1, 1)
_INTEGERS: Final = {BigInteger: "q", SmallInteger: "h"}  # as `array` names them; others have 32 bits


def copy_columns(
    conn: Connection, into: str, columns: Mapping[Column[Any], Sequence[Any]], same: Mapping[Column[Any], Any]
) -> None:
    """Copy rows into `into`, a table with its columns: those of `columns`, all equally long, then those of `same`.

    Raises ValueError for a value that its column does not hold, without repeating it, and what SQLAlchemy raises for errors
    of the server; either way the caller must roll back.
    """
    driver: Any = conn.connection.dbapi_connection
    begin = (len(columns) + len(same)).to_bytes(2)
    end = b"".join(_fields(column, [value])[0] for column, value in same.items())
    count = len(next(iter(columns.values())))
    statement = f"COPY {into} FROM STDIN (FORMAT binary)"
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(_BEGINS)
            for at in range(0, count, _AT_ONCE):
                those = {column: values[at : at + _AT_ONCE] for column, values in columns.items()}
                copy.write(_rows_of_integers(begin, those, end) or _rows(begin, those, end))
            copy.write(_ENDS)
    except psycopg.Error as error:
        # As SQLAlchemy would have raised it: callers know its kinds of errors.
        raise DBAPIError.instance(statement, None, error, psycopg.Error, dialect=conn.dialect) from error


def _rows(begin: bytes, columns: Mapping[Column[Any], Sequence[Any]], end: bytes) -> bytes:
    rows = map(b"".join, zip(*(_fields(column, values) for column, values in columns.items()), strict=True))
    return begin + (end + begin).join(rows) + end


def _rows_of_integers(begin: bytes, columns: Mapping[Column[Any], Sequence[Any]], end: bytes) -> bytearray | None:
    """The same where every column holds integers and nothing else, None elsewhere."""
    row, filled = begin, []
    for column, values in columns.items():
        kind = _integer(column)
        try:
            found = array(kind, values) if kind else None
        except (TypeError, OverflowError):
            found = None
        if found is None:
            return None
        if sys.byteorder == "little":
            found.byteswap()
        row += found.itemsize.to_bytes(4)
        filled.append((len(row), found.itemsize, found.tobytes()))
        row += bytes(found.itemsize)
    row += end
    rows = bytearray(row * (len(filled[0][2]) // filled[0][1]))
    for place, size, data in filled:
        for byte in range(size):
            rows[place + byte :: len(row)] = data[byte::size]
    return rows


def _fields(column: Column[Any], values: Sequence[Any]) -> list[bytes]:
    """Each value with its length before it. Raises ValueError for one that the column does not hold."""
    binary = _binary(column)
    try:
        return [
            _NULL if value is None else len(written).to_bytes(4) + written
            for value in values
            for written in [b"" if value is None else binary(value)]
        ]
    except (AttributeError, TypeError, OverflowError, UnicodeError):
        # The error itself might repeat the value.
        raise ValueError(f"{column.table.name}.{column.name}: a value that {column.type!r} does not hold") from None


def _integer(column: Column[Any]) -> str:
    """The kind of array that holds the column's values, "" where they are not integers."""
    return _INTEGERS.get(type(column.type), "i") if isinstance(column.type, Integer) else ""


def _binary(column: Column[Any]) -> Callable[[Any], bytes]:
    """One value in PostgreSQL's binary form, without its length."""
    match column.type:
        case UtcDateTime():
            return UtcDateTime.binary
        case LargeBinary():
            return lambda value: bytes(memoryview(value))  # bytes(3) would be three of them
        case Date():
            return lambda value: (value - _DAY_ZERO).days.to_bytes(4, signed=True)
        case Integer():
            width = array(_integer(column)).itemsize
            return lambda value: value.to_bytes(width, signed=True)
        case String():
            return str.encode
        case kind:
            raise ValueError(f"{column.name}: no way is known to copy a value of type {kind!r}")
