"""Snapshots (控え): one store as it was at one moment, written to a file while it is in use, and put back from it.

SQLite's own backup copies the pages of one read transaction, so a writer neither waits nor is seen half done; on PostgreSQL
`pg_dump` reads in the very snapshot in which the rows are counted. A store that is put back goes on giving out feed
numbers far above any that its readers can have seen: they would else pass over its new items.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage.client_programs import run_program
from kumihimo.plumbing.storage.contents import (
    StoreContents,
    contents_of,
    contents_seen,
    looking_at,
    reading,
    without_limits,
)
from kumihimo.plumbing.storage.engine import open_engine, store_name

FEED_GAP: Final = 2**32  # more items than any feed writes between a backup and its restore
_FEED: Final = "feed"


Look = Callable[[Connection, StoreContents], None]
"""Looks at the very state of a store that a snapshot is of, while it is taken."""


def take_snapshot(url: str, file: Path, look: Look | None = None) -> StoreContents:
    """Write a snapshot of a store to a new file that only its owner can read; what it holds.

    Raises Problem(file.unwritable); for a damaged store, `store.damaged`; on PostgreSQL also (backup.impossible,
    store.unavailable, store.unreachable), and SQLAlchemyError where no connection can be had.
    """
    engine = open_engine(url)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if engine.dialect.name == "postgresql":
            return _dump(engine, file, look)
        assert engine.url.database is not None  # noqa: S101 - open_engine refuses a SQLite store without a file
        _copy(Path(engine.url.database), file)
    except OSError as error:
        raise Problem("file.unwritable", error.strerror or str(error), where=str(file)) from None
    finally:
        engine.dispose()
    with looking_at(f"sqlite:///{file.absolute()}") as conn:
        contents = contents_seen(conn)
        if look is not None:
            look(conn, contents)
    return contents


def restore_snapshot(file: Path, url: str) -> StoreContents:
    """Put a snapshot back into a store that is empty; what it holds then.

    Raises Problem(store.not_empty), and as `take_snapshot`.
    """
    engine = open_engine(url)
    try:
        require_empty(engine)
        if engine.dialect.name == "postgresql":
            run_program(
                "pg_restore", engine, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", file
            )
        else:
            assert engine.url.database is not None  # noqa: S101 - as above
            engine.dispose()  # a store that is open cannot be replaced
            _copy(file, Path(engine.url.database))
        with engine.begin() as conn:
            if inspect(conn).has_table(_FEED):
                _leave_gap(conn)
    finally:
        engine.dispose()
    return contents_of(url)


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> None:
    """Copy a SQLite store in use, whole, and check what came out."""
    with (
        closing(reading(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        try:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")  # one file, without -wal and -shm beside it
            faults = [row[0] for row in new.execute("PRAGMA integrity_check(10)")]
            faults += [f"{row[0]} refers to nothing" for row in new.execute("PRAGMA foreign_key_check")]
        except sqlite3.OperationalError as error:
            raise Problem("file.unwritable", str(error), where=str(target)) from None
        except sqlite3.DatabaseError as error:
            raise _damaged(str(error), source) from None
    if faults != ["ok"]:
        raise _damaged("; ".join(faults[:3]), source)
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(detail: str, file: Path) -> Problem:
    return Problem(
        "store.damaged",
        detail,
        where=str(file),
        expected="a whole SQLite database",
        advice="Restore this store from the last backup that was whole.",
    )


def _dump(engine: Engine, file: Path, look: Look | None) -> StoreContents:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
        without_limits(conn)
        shared = str(conn.execute(text("SELECT pg_export_snapshot()")).scalar_one())
        contents = contents_seen(conn)
        if look is not None:
            look(conn, contents)
        run_program(
            "pg_dump", engine, "--format=custom", f"--snapshot={shared}", "--no-owner", "--no-privileges",
            f"--file={file}",
        )  # fmt: skip
    return contents


def require_empty(engine: Engine) -> None:
    """Raises Problem(store.not_empty) for a store that has tables."""
    with engine.connect() as conn:
        conn.execute(text("SELECT 1"))
        tables = inspect(conn).get_table_names()
    if tables:
        raise Problem(
            "store.not_empty",
            f"it has {len(tables)} tables",
            where=store_name(engine),
            expected="a store without tables",
            advice="Move the old store away, or restore into another folder.",
        )


def _leave_gap(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        sequence = "pg_get_serial_sequence('feed', 'seq')"
        conn.execute(text(f"SELECT setval({sequence}, nextval({sequence}) + {FEED_GAP})"))
        return
    moved = conn.execute(text("UPDATE sqlite_sequence SET seq = seq + :gap WHERE name = 'feed'"), {"gap": FEED_GAP})
    if moved.rowcount == 0:
        conn.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('feed', :gap)"), {"gap": FEED_GAP})
