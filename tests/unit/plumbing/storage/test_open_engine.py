"""Opening a store: only its owner can read the file, it lies where its role may reach, and readers do not write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, exc, insert, select, text

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import open_engine, store_name

offices = Table("office", MetaData(), Column("id", Integer, primary_key=True))


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/hall.db")
    offices.create(engine)
    yield engine
    engine.dispose()


def test_a_new_store_and_its_journal_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        engine = open_engine(f"sqlite:///{tmp_path}/new/hall.db")
        offices.create(engine)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    finally:
        os.umask(before)
    engine.dispose()
    assert modes == {"hall.db": 0o600, "hall.db-wal": 0o600, "hall.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_store_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hall.db"
    path.touch()
    path.chmod(0o640)
    with pytest.raises(Problem, match=rf"mode 0640.*chmod 600 {path}") as caught:
        open_engine(f"sqlite:///{path}")
    assert caught.value.code == "store.permissions"


def test_a_role_opens_a_store_inside_its_own_folder_by_a_relative_path(tmp_path: Path) -> None:
    engine = open_engine("sqlite:///hall.db", reach=tmp_path)
    offices.create(engine)
    engine.dispose()
    assert (tmp_path / "hall.db").stat().st_size > 0


@pytest.mark.parametrize("path", ["../portal/portal.db", "/var/portal.db", "link/portal.db"])
def test_a_role_does_not_reach_into_the_folder_of_another(tmp_path: Path, path: str) -> None:
    gateway, portal = tmp_path / "gateway", tmp_path / "portal"
    gateway.mkdir()
    portal.mkdir()
    (gateway / "link").symlink_to(portal)
    with pytest.raises(Problem, match="its own folder") as caught:
        open_engine(f"sqlite:///{path}", reach=gateway)
    assert caught.value.code == "store.out_of_reach"
    assert list(portal.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///hall.db",
        "postgresql+psycopg2://clerk@server/hall",
        "postgresql://clerk@server",
        "postgresql://clerk@server/hall?connections=many",
        "postgresql://clerk@server/hall?connections=1",
        "postgresql://clerk@server/hall?kept=some",
        "postgresql://clerk@server/hall?connections=2&connections=3",
        "mysql://clerk@server/hall",
        "hall.db",
    ],
)
def test_what_is_not_the_url_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(Problem, match="postgresql") as caught:
        open_engine(url)
    assert caught.value.code == "value.invalid"


def test_the_plain_postgresql_url_means_psycopg_and_the_password_is_never_named() -> None:
    engine = open_engine("postgresql://clerk:s3cret@server/hall")
    assert engine.driver == "psycopg"
    assert store_name(engine) == "postgresql+psycopg://clerk:***@server/hall"


def test_the_url_says_how_many_connections_a_process_may_hold() -> None:
    engine = open_engine("postgresql://clerk@server/hall?connections=12&application_name=hall")
    assert engine.pool.size() == 12
    assert dict(engine.url.query) == {"application_name": "hall"}


def test_a_transaction_that_began_by_reading_does_not_write(hall: Engine) -> None:
    with hall.connect() as conn:
        conn.execute(select(offices))
        with pytest.raises(exc.InvalidRequestError, match=r"engine\.begin\(\)"):
            conn.execute(insert(offices).values(id=1))


def test_a_connection_that_begins_by_writing_may_write_and_read_in_turns(hall: Engine) -> None:
    with hall.connect() as conn:
        for number in (1, 2):
            conn.execute(insert(offices).values(id=number))
            assert conn.execute(select(offices.c.id)).scalars().all()[-1] == number
            conn.commit()
            conn.execute(select(offices))
            conn.commit()


def test_two_may_read_at_once_but_the_second_writer_waits_for_the_first(hall: Engine) -> None:
    with hall.connect() as reader, hall.begin() as writer:
        reader.execute(text("SELECT id FROM office"))
        writer.execute(select(offices))
        impatient = hall.connect()
        impatient.connection.dbapi_connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(exc.OperationalError, match="database is locked"):
            impatient.begin()
        impatient.invalidate()
        impatient.close()
