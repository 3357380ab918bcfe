"""Migrations: a store goes up and down whole steps, and a role refuses a schema it was not written for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import downgrade, migrate, require_current

FIRST = """
import sqlalchemy as sa
from alembic import op
from kumihimo.plumbing.storage import UtcDateTime, feed_table

revision, down_revision = "0001", None

def upgrade():
    op.create_table("household", sa.Column("id", sa.Integer, primary_key=True), sa.Column("since", UtcDateTime))
    op.create_table("member",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("household", sa.Integer, sa.ForeignKey("household.id", ondelete="CASCADE"), nullable=False))
    feed_table(sa.MetaData()).create(op.get_bind())

def downgrade():
    for table in ("feed", "member", "household"):
        op.drop_table(table)
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

def upgrade():
    with op.batch_alter_table("household") as table:
        table.add_column(sa.Column("head", sa.Text))
        table.drop_column("since")

def downgrade():
    with op.batch_alter_table("household") as table:
        table.add_column(sa.Column("since", sa.Text))
        table.drop_column("head")
"""
FAILING = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

def upgrade():
    op.create_table("half_done", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO half_done VALUES (1)")
    raise RuntimeError("power cut")
"""
ORPHANING = """
from alembic import op

revision, down_revision = "0003", "0002"

def upgrade():
    op.execute("DELETE FROM member")
    op.execute("INSERT INTO member VALUES (7, 99)")
"""
MIGRATING = """
import sys
from kumihimo.plumbing.storage import migrate, open_engine

sys.path.insert(0, sys.argv[1])
migrate(open_engine(sys.argv[2]), sys.argv[3])
"""


class Package:
    """A role's migration package, growing release by release."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        self._versions = folder / name / "versions"
        self._versions.mkdir(parents=True)
        (folder / name / "__init__.py").touch()

    def release(self, *versions: str) -> None:
        for number, version in enumerate(versions, len(list(self._versions.glob("*.py"))) + 1):
            (self._versions / f"{number:04}_step.py").write_text(version)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # A per cent sign and a blank: both mean something to the format Alembic's settings are kept in.
    folder = tmp_path / "100% source"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("registry_steps", "portal_steps"):
        sys.modules.pop(name, None)


@pytest.fixture
def registry(source: Path) -> Package:
    return Package(source, "registry_steps")


def _columns(engine: Engine, table: str) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns(table)}


def _settle(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO household (id) VALUES (1)"))
        conn.execute(text("INSERT INTO member VALUES (7, 1)"))


def _members(engine: Engine) -> list[tuple[int, int]]:
    with engine.connect() as conn:
        return [(row.id, row.household) for row in conn.execute(text("SELECT id, household FROM member"))]


def test_an_empty_store_goes_to_the_newest_revision_and_again_is_harmless(engine: Engine, registry: Package) -> None:
    registry.release(FIRST, SECOND)
    migrate(engine, registry.name)
    migrate(engine, registry.name)
    require_current(engine, registry.name)
    assert _columns(engine, "household") == {"id", "head"}


def test_a_store_goes_up_one_release_and_down_again_keeping_its_rows(engine: Engine, registry: Package) -> None:
    registry.release(FIRST)
    migrate(engine, registry.name)
    _settle(engine)
    registry.release(SECOND)
    migrate(engine, registry.name)
    assert _columns(engine, "household") == {"id", "head"}
    assert _members(engine) == [(7, 1)]
    downgrade(engine, registry.name, "0001")
    assert _columns(engine, "household") == {"id", "since"}
    assert _members(engine) == [(7, 1)]
    downgrade(engine, registry.name, "base")
    assert not {"household", "member", "feed"} & set(inspect(engine).get_table_names())


def test_an_old_or_empty_store_is_refused(engine: Engine, registry: Package) -> None:
    registry.release(FIRST)
    with pytest.raises(Problem, match=r"revision none.*expected revision 0001") as caught:
        require_current(engine, registry.name)
    assert caught.value.code == "store.not_migrated"
    assert caught.value.where == str(engine.url)
    migrate(engine, registry.name)
    registry.release(SECOND)
    with pytest.raises(Problem, match=r"revision 0001.*expected revision 0002"):
        require_current(engine, registry.name)


def test_a_store_that_a_later_version_migrated_is_left_alone(engine: Engine, registry: Package) -> None:
    registry.release(FIRST, SECOND)
    migrate(engine, registry.name)
    (registry.folder / "versions" / "0002_step.py").unlink()
    for refused in (require_current, migrate):
        with pytest.raises(Problem, match=r"revision 0002, which this version.*restore the backup") as caught:
            refused(engine, registry.name)
        assert caught.value.code == "store.not_migrated"


def test_a_migration_that_fails_leaves_the_store_as_it_was(engine: Engine, registry: Package) -> None:
    registry.release(FIRST)
    migrate(engine, registry.name)
    registry.release(SECOND, FAILING)
    with pytest.raises(RuntimeError, match="power cut"):
        migrate(engine, registry.name)
    assert not inspect(engine).has_table("half_done")
    assert _columns(engine, "household") == {"id", "since"}
    with pytest.raises(Problem, match=r"revision 0001.*expected revision 0003"):
        require_current(engine, registry.name)


def test_a_migration_that_breaks_a_reference_is_undone(engine: Engine, registry: Package) -> None:
    registry.release(FIRST, SECOND)
    migrate(engine, registry.name)
    _settle(engine)
    registry.release(ORPHANING)
    with pytest.raises(Exception, match=r"store\.migration_failed|ForeignKeyViolation"):
        migrate(engine, registry.name)
    assert _members(engine) == [(7, 1)]


def test_references_are_enforced_again_after_a_migration(engine: Engine, registry: Package) -> None:
    registry.release(FIRST, SECOND)
    migrate(engine, registry.name)
    for _ in range(3):
        with pytest.raises(Exception, match=r"FOREIGN KEY|ForeignKeyViolation"), engine.begin() as conn:
            conn.execute(text("INSERT INTO member VALUES (8, 99)"))


def test_two_roles_do_not_share_a_database(engine: Engine, registry: Package, source: Path) -> None:
    registry.release(FIRST)
    migrate(engine, registry.name)
    portal = Package(source, "portal_steps")
    portal.release(FIRST)
    for attempt in (migrate, require_current):
        with pytest.raises(Problem, match="registry_steps") as caught:
            attempt(engine, portal.name)
        assert caught.value.code == "store.belongs_to_another"


def test_processes_that_migrate_at_the_same_time_do_it_once(
    engine: Engine, store_url: str, registry: Package, source: Path
) -> None:
    registry.release(FIRST, SECOND)
    command = [sys.executable, "-c", MIGRATING, str(source), store_url, registry.name]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    require_current(engine, registry.name)
