"""Faults of a database (保管庫の障害): what it means that it is full, locked or gone, said so that a person can act.

SQLite says it by its result codes, PostgreSQL by SQLSTATE (its manual, appendix A) or by ending the connection. Nothing was
written in any of these cases: the transaction that met the fault is rolled back. Everything else that a database refuses
is an error of the program, and is not told here.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kumihimo.domain.kernel.errors import Problem

_FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_FSYNC"})
_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")
_GONE: Final = ("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY")
_PG_FULL: Final = frozenset({"53100", "53200", "53400"})  # disk, memory, a configured limit
_PG_BUSY: Final = frozenset(
    {"55P03", "57014", "40P01", "40001", "25P03"}
)  # lock, statement timeout, deadlock, idle too long
_PG_GONE: Final = ("08", "57P", "53300")  # connection, shutdown or start under way, too many connections


def store_problem(error: SQLAlchemyError) -> Problem | None:
    """The problem that a full, locked or unreachable store is; None for an error of another kind."""
    if isinstance(error, PoolTimeoutError):
        return _busy("all connections of this service are in use")
    if not isinstance(error, DBAPIError):
        return None
    named = getattr(error.orig, "sqlite_errorname", None)
    return _sqlite(named) if named is not None else _postgresql(error)


def _sqlite(named: str) -> Problem | None:
    if named in _FULL:
        return _full(named)
    if named.startswith(_BUSY):
        return _busy(named)
    return _gone(named) if named.startswith(_GONE) else None


def _postgresql(error: DBAPIError) -> Problem | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state in _PG_FULL:
        return _full(f"SQLSTATE {state}")
    if state in _PG_BUSY:
        return _busy(f"SQLSTATE {state}")
    if error.connection_invalidated or (state or "").startswith(_PG_GONE):
        return _gone(f"SQLSTATE {state}" if state else "no connection")
    # psycopg's words for a server that does not answer at all come without a state.
    return _gone("no connection") if state is None and type(error.orig).__name__ == "OperationalError" else None


def _full(detail: str) -> Problem:
    return Problem("store.full", detail, advice="Nothing was written. Make room for the store, then try again.")


def _busy(detail: str) -> Problem:
    return Problem(
        "store.busy", detail, advice="Nothing was written. Try again; see who holds the database if it lasts."
    )


def _gone(detail: str) -> Problem:
    return Problem("store.unavailable", detail, advice="Nothing was written. Try again when the database is back.")
