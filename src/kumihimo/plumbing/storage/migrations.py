"""Migrations (スキーマ移行): bringing a store to the schema its role expects, or refusing to start on another one.

A role's migration package holds `versions/0001_*.py` and so on, in Alembic's format; everything else of Alembic's
environment is here. All steps run in one transaction on both engines, so a failed migration leaves nothing half done.
One store per trust boundary: the table that remembers the revision carries the package's name, and a database that
already belongs to another package is refused. A first version may make the feed of its role with
`feed_table(MetaData()).create(op.get_bind())`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, literal, select, text

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage.engine import store_name

VERSION_TABLE_PREFIX: Final = "schema_of__"
_POSTGRESQL_NAME_LIMIT: Final = 63
# Alembic's `op` and `context` are module-wide proxies: two migrations in one process must not overlap.
_ONE_AT_A_TIME: Final = threading.Lock()


def migrate(engine: Engine, package: str) -> None:
    """Bring the store to the newest revision of `package`, for example `kumihimo.roles.hub.migrations`.

    Safe to run again and from several processes at once. Raises Problem `store.belongs_to_another`; whatever a
    migration raises, with the store left as it was.
    """
    with _ONE_AT_A_TIME, _exclusive(engine) as conn:
        _refuse_foreign(conn, engine, package)
        _refuse_newer(conn, engine, package)
        command.upgrade(_config(package, conn), "head")


def downgrade(engine: Engine, package: str, revision: str) -> None:
    """Take the store back to `revision`, or to nothing with "base"; same promises as `migrate`."""
    with _ONE_AT_A_TIME, _exclusive(engine) as conn:
        _refuse_foreign(conn, engine, package)
        command.downgrade(_config(package, conn), revision)


def require_current(engine: Engine, package: str) -> None:
    """Refuse to go on with a store whose schema is not the one this program was written for.

    Raises Problem `store.not_migrated` (without advice where `kumihimo migrate` helps) or `store.belongs_to_another`.
    """
    expected = ", ".join(ScriptDirectory.from_config(_config(package, None)).get_heads()) or "none"
    with engine.connect() as conn:
        # Reflection alone would make SQLAlchemy begin a writing transaction: open a reading one first.
        conn.execute(select(literal(1)))
        _refuse_foreign(conn, engine, package)
        _refuse_newer(conn, engine, package)
        found = ", ".join(_revisions(conn, package)) or "none"
    if found != expected:
        # What to do, the caller knows, who has the role and its settings.
        raise Problem("store.not_migrated", f"revision {found}", store_name(engine), f"revision {expected}")


def _revisions(conn: Connection, package: str) -> tuple[str, ...]:
    return MigrationContext.configure(conn, opts={"version_table": _version_table(package)}).get_current_heads()


def _refuse_newer(conn: Connection, engine: Engine, package: str) -> None:
    """Raises Problem(store.not_migrated) for a store that a later version of the program has migrated."""
    known = {script.revision for script in ScriptDirectory.from_config(_config(package, None)).walk_revisions()}
    unknown = ", ".join(one for one in _revisions(conn, package) if one not in known)
    if unknown:
        raise Problem(
            "store.not_migrated",
            f"revision {unknown}, which this version of the program does not know",
            where=store_name(engine),
            expected="a store of this version or of an earlier one",
            advice="Run the newer program, or restore the backup that was made before the upgrade.",
        )


def _version_table(package: str) -> str:
    name = VERSION_TABLE_PREFIX + package.replace(".", "__")
    if len(name) > _POSTGRESQL_NAME_LIMIT:
        # PostgreSQL would cut it silently, and two long names could then meet.
        name = f"{name[:46]}_{hashlib.sha256(package.encode()).hexdigest()[:16]}"
    return name


def _config(package: str, connection: Connection | None) -> Config:
    versions = Path(str(resources.files(package))) / "versions"
    config = Config(attributes={"connection": connection, "version_table": _version_table(package)})
    for option, value in (
        ("script_location", str(Path(__file__).with_name("migration_environment"))),
        ("path_separator", "newline"),
        ("version_locations", str(versions)),
    ):
        config.set_main_option(option, value.replace("%", "%%"))
    return config


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """A writing transaction that no other migration of this database can overlap.

    No connection is kept afterwards: who migrates is often done with the store.
    """
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            with _foreign_keys_checked_at_the_end(conn), conn.begin():
                yield conn
                _check_foreign_keys(conn)
        else:
            with conn.begin():
                # Converting a hundred million rows takes longer than any statement of a service may.
                conn.execute(text("SET LOCAL statement_timeout TO 0"))
                conn.execute(text("SET LOCAL lock_timeout TO 0"))
                conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('kumihimo.migrations', 0))"))
                yield conn
    engine.dispose()


@contextmanager
def _foreign_keys_checked_at_the_end(conn: Connection) -> Iterator[None]:
    # Alembic changes a SQLite table by copying and dropping it, and dropping would delete what refers to it
    # (sqlite.org, "Making Other Kinds Of Table Schema Changes"). The pragma counts only outside a transaction.
    driver: Any = conn.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys = OFF").close()
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON").close()


def _check_foreign_keys(conn: Connection) -> None:
    broken = conn.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        raise Problem(
            "store.migration_failed",
            f"{len(broken)} rows refer to nothing",
            where=tables,
            expected="every foreign key to hold after the migration",
            advice="Nothing was changed. Report the migration.",
        )


def _refuse_foreign(conn: Connection, engine: Engine, package: str) -> None:
    own = _version_table(package)
    others = [name for name in inspect(conn).get_table_names() if name.startswith(VERSION_TABLE_PREFIX) and name != own]
    if others:
        raise Problem(
            "store.belongs_to_another",
            f"it holds {', '.join(others)}",
            where=store_name(engine),
            expected=own,
            advice="Give every store a file or database of its own.",
        )
