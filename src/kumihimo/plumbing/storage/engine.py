"""Stores (保管庫): opening one store's database so that SQLite and PostgreSQL keep the same promises.

Architecture, "Decisions taken": SQLite by default, PostgreSQL in production, one code path; one file or database per
trust boundary. Promises on both: a commit that returned is durable, foreign keys hold, waiting for a lock ends after
ten seconds with an error, and nobody but the owner can open the file.

`engine.begin()` opens a writing transaction, `engine.connect()` a reading one. On SQLite the first takes the write lock
at once (BEGIN IMMEDIATE): a transaction that read first and asked for the lock later could be refused at any moment.
So a transaction that SQLAlchemy began by itself for a SELECT stays a reading one, and refuses to write with a clear
error instead of failing now and then under load.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, TextClause, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.ddl import ExecutableDDLElement
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage.statements import READS, run

LOCK_WAIT_SECONDS: Final = 10
# FastAPI runs plain `def` endpoints on 40 threads, and the writer needs a connection of its own.
_POOL_SIZE: Final = 8
_POOL_OVERFLOW: Final = 40
# A PostgreSQL server takes 100 connections unless told otherwise: 28 processes of one country must fit, and tools beside
# them. Whoever waits for a connection queues here instead of there; all are kept open, since opening one costs 5 ms.
POSTGRESQL_CONNECTIONS: Final = 3
_CONNECTIONS: Final = "connections"
_KEPT: Final = "kept"
OF_ENGINE: Final = (_CONNECTIONS, _KEPT)  # options of a store's URL that its server does not know
_FEWEST_CONNECTIONS: Final = 2  # one for the writer, one for everybody else
_POSTGRESQL_SETTINGS: Final = {
    # A database or role may carry other defaults (synchronous_commit = off is a common tuning): say what we rely on.
    "synchronous_commit": "on",
    "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "120s",
    "timezone": "UTC",
}
# libpq's own: an unreachable server is noticed in seconds, not after the two hours of the system's default.
_POSTGRESQL_LINE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_CACHE_KIB: Final = 65_536  # at most, a connection
_CHECKPOINT_PAGES: Final = 8_000  # 32 MiB of WAL

_NEXT_READS: Final = "kumihimo_next_transaction_reads"


def open_engine(url: str, *, reach: Path | None = None) -> Engine:
    """Open a store: `sqlite:////abs/path.db` or `postgresql[+psycopg]://user@host/database[?connections=N]`.

    On PostgreSQL this process holds at most N connections, 3 unless said otherwise, and with `kept=no` each only while it is
    used.

    `reach` is the folder a role may keep files in: a relative SQLite path is taken from there, and a file outside it is
    refused. A new SQLite file is made with mode 0600, its folder with 0700.

    Raises Problem `value.invalid` (not such a URL), `store.out_of_reach`, `store.permissions` (others may read the
    file).
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _not_a_store_url("the text cannot be read as a URL") from error
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return _open_sqlite(parsed, reach)
        case "postgresql" | "postgresql+psycopg":
            return _open_postgresql(parsed.set(drivername="postgresql+psycopg"))
        case other:
            raise _not_a_store_url(other)


def store_name(engine: Engine) -> str:
    """The store as an error message may name it: its URL without the password."""
    return engine.url.render_as_string(hide_password=True)


def bytes_used(engine: Engine) -> int:
    """What a store's content takes on disk, in bytes; what is free within its file, or waits in the -wal, does not count."""
    with engine.connect() as conn:
        if engine.dialect.name == "postgresql":
            return int(conn.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
        size, pages, free = (
            int(conn.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_size", "page_count", "freelist_count")
        )
        return size * (pages - free)


def empty_wal(engine: Engine) -> int:
    """Move what was committed from a SQLite store's -wal into its file, as far as no reader needs it where it is.

    Left to itself, SQLite does so within the commit that makes the -wal too long: 8,000 pages in random order, and all who
    write wait for up to a second. Done beside the commits, often, little is left for them. Returns how many pages still wait;
    0 for PostgreSQL, which has a process for it.
    """
    if engine.dialect.name != "sqlite":
        return 0
    plain = engine.raw_connection()  # outside a transaction, where SQLAlchemy would begin one
    try:
        cursor = plain.cursor()
        _busy, pages, moved = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        cursor.close()
    finally:
        plain.close()
    return int(pages) - int(moved)


def _not_a_store_url(detail: str) -> Problem:
    return Problem(
        "value.invalid",
        detail,
        where="store URL",
        expected="sqlite:////absolute/path.db or postgresql+psycopg://user@host/database[?connections=N, from 2][&kept=no]",
        advice="Correct the store URL in the settings.",
    )


def _open_sqlite(url: URL, reach: Path | None) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise _not_a_store_url("a SQLite store without a file")
    path = Path(url.database)
    if reach is not None:
        path = (reach / path).resolve()
        if not path.is_relative_to(reach.resolve()):
            raise Problem(
                "store.out_of_reach",
                str(path),
                where="store URL",
                expected=f"a file under {reach.resolve()}",
                advice="Keep the stores of a role inside its own folder.",
            )
    elif not path.is_absolute():
        raise _not_a_store_url(f"the relative path {url.database}")
    _own_file(path)
    engine = create_engine(
        url.set(database=str(path)),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        connect_args={"timeout": LOCK_WAIT_SECONDS},
        hide_parameters=True,  # an error must not repeat what was to be stored
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "checkin", _leave_clean)
    event.listen(engine, "before_execute", _notice_intent)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _own_file(path: Path) -> None:
    """Make the file readable by its owner only, before SQLite would make it with the umask's mode.

    SQLite gives the -wal and -shm files the mode of the database file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
    if mode & 0o077:
        raise Problem(
            "store.permissions",
            f"mode {mode:04o}",
            where=str(path),
            expected="0600",
            advice=f"Run: chmod 600 {path}",
        )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin by itself, or DDL and SAVEPOINT would escape the transaction (SQLAlchemy 2.1,
    # "Enabling Non-Legacy SQLite Transactional Modes", the variant for Python below 3.12).
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {LOCK_WAIT_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        # Random keys (transaction numbers, numbers of persons) touch a page each. A page kept in memory, and written to the
        # file once for several commits, costs a fraction; memory is taken only as a store has so many pages.
        f"cache_size = {-_CACHE_KIB}",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _leave_clean(connection: Any, record: Any) -> None:
    """Hand nothing on from one user of a pooled connection to the next."""
    record.info.pop(_NEXT_READS, None)
    # A COMMIT that SQLite refuses leaves its transaction open, and SQLAlchemy takes it for finished.
    if connection is not None and connection.in_transaction:
        connection.rollback()


def _notice_intent(conn: Connection, statement: Any, _multi: object, _params: object, _options: object) -> None:
    """Tell a reading transaction from a writing one: this runs before SQLAlchemy begins one by itself."""
    if not conn.in_transaction():
        conn.info[_NEXT_READS] = _only_reads(statement)
    elif conn.info[READS] and isinstance(statement, UpdateBase | ExecutableDDLElement):
        raise InvalidRequestError(
            "A transaction that began with a SELECT on engine.connect() only reads; write inside engine.begin()."
        )


def _only_reads(statement: object) -> bool:
    if isinstance(statement, TextClause):
        return statement.text.lstrip()[:6].upper() == "SELECT"
    return isinstance(statement, SelectBase)


def _begin_sqlite(conn: Connection) -> None:
    reads = conn.info.pop(_NEXT_READS, False)
    conn.info[READS] = reads
    run(conn, "BEGIN" if reads else "BEGIN IMMEDIATE", ())


def _open_postgresql(url: URL) -> Engine:
    if not url.database:
        raise _not_a_store_url("a PostgreSQL store without a database name")
    asked = url.query.get(_CONNECTIONS, str(POSTGRESQL_CONNECTIONS))
    if not (isinstance(asked, str) and asked.isascii() and asked.isdigit() and int(asked) >= _FEWEST_CONNECTIONS):
        raise _not_a_store_url(f"{_CONNECTIONS}={asked}")
    kept = url.query.get(_KEPT, "yes")
    if kept not in ("yes", "no"):
        raise _not_a_store_url(f"{_KEPT}={kept}")
    engine = create_engine(
        url.difference_update_query(OF_ENGINE),
        pool_size=int(asked),
        max_overflow=0,
        # A connection that a restart of the server has cut is noticed and replaced before it is used.
        pool_pre_ping=True,
        connect_args=_POSTGRESQL_LINE,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_postgresql)
    if kept == "no":
        event.listen(engine, "checkin", _let_go)
    return engine


def _let_go(_connection: object, record: Any) -> None:
    """Close a connection that is given back; its place in the pool stays, so the most at once stay as many."""
    record.invalidate()


def _prepare_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for name, value in _POSTGRESQL_SETTINGS.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.commit()
