"""A store is copied whole while in use, put back only where there is none, and its feed never repeats a number."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, select

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import (
    append_feed,
    contents_of,
    delete_feed,
    digests_of,
    feed_table,
    migrate,
    open_engine,
    read_feed,
    require_current,
    restore_snapshot,
    take_snapshot,
)
from kumihimo.plumbing.storage.snapshot import FEED_GAP

NOON = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
HUB = "kumihimo.roles.hub.migrations"
REGISTRY = "kumihimo.roles.registry.migrations"
metadata = MetaData()
feed = feed_table(metadata)
pairs = Table("pair", metadata, Column("n", Integer, primary_key=True), Column("side", Integer, primary_key=True))


@pytest.fixture
def empty_again(engine: Engine, store_url: str, tmp_path: Path) -> str:
    """A URL of the same engine whose store is empty: the first one's tables are dropped before it is used."""
    return f"sqlite:///{tmp_path}/restored/store.db" if engine.dialect.name == "sqlite" else store_url


def _emptied(engine: Engine) -> None:
    if engine.dialect.name == "postgresql":
        with engine.begin() as conn:
            conn.exec_driver_sql("DROP SCHEMA IF EXISTS partitions CASCADE")
            conn.exec_driver_sql("DROP SCHEMA public CASCADE")
            conn.exec_driver_sql("CREATE SCHEMA public")


def test_a_restored_store_holds_the_same_and_its_feed_goes_on_far_above(
    engine: Engine, store_url: str, empty_again: str, tmp_path: Path
) -> None:
    migrate(engine, HUB)
    with engine.begin() as conn:
        numbers = [append_feed(conn, feed, "portal/portal", "access", {"n": n}, NOON) for n in range(3)]
        delete_feed(conn, feed, "portal/portal", numbers[-1])  # the sequence alone knows how far it was
        numbers.append(append_feed(conn, feed, "portal/portal", "access", {"n": 3}, NOON))
    taken = take_snapshot(store_url, tmp_path / "snapshot")
    assert stat.S_IMODE((tmp_path / "snapshot").stat().st_mode) == 0o600
    assert taken == contents_of(store_url)
    assert (taken.revision, taken.rows["feed"]) != ("", 0)
    _emptied(engine)
    assert restore_snapshot(tmp_path / "snapshot", empty_again) == taken
    restored = open_engine(empty_again)
    with restored.begin() as conn:
        assert append_feed(conn, feed, "portal/portal", "access", {"n": 4}, NOON) >= numbers[-1] + FEED_GAP
    with restored.connect() as conn:
        items = read_feed(conn, feed, "portal/portal", 0, 10)
    assert [item.body["n"] for item in items] == [3, 4]
    restored.dispose()


def test_tables_that_are_cut_by_person_come_back_whole(
    engine: Engine, store_url: str, empty_again: str, tmp_path: Path
) -> None:
    migrate(engine, REGISTRY)
    taken = take_snapshot(store_url, tmp_path / "snapshot")
    _emptied(engine)
    assert restore_snapshot(tmp_path / "snapshot", empty_again) == taken
    restored = open_engine(empty_again)
    require_current(restored, REGISTRY)
    restored.dispose()


def test_a_snapshot_of_a_store_in_use_has_no_half_of_a_transaction(
    engine: Engine, store_url: str, tmp_path: Path
) -> None:
    metadata.create_all(engine)
    stopping = threading.Event()
    begun = threading.Event()

    def work() -> None:
        n = 0
        while not stopping.is_set():
            with engine.begin() as conn:
                conn.execute(pairs.insert().values(n=n, side=0))
                conn.execute(pairs.insert().values(n=n, side=1))
            n += 1
            begun.set()

    clerk = threading.Thread(target=work)
    clerk.start()
    try:
        assert begun.wait(10)
        counts = [take_snapshot(store_url, tmp_path / f"snapshot{n}").rows["pair"] for n in range(5)]
    finally:
        stopping.set()
        clerk.join()
    assert counts == sorted(counts)
    assert all(count > 0 and count % 2 == 0 for count in counts)
    with engine.connect() as conn:
        assert conn.execute(select(func.count()).select_from(pairs)).scalar_one() >= counts[-1]


def test_digests_tell_every_change_of_a_row_and_not_the_order_of_rows(engine: Engine, store_url: str) -> None:
    metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(pairs.insert(), [{"n": n, "side": 0} for n in range(2500)])
    before = digests_of(store_url)
    assert (before["pair"].rows, before["feed"].rows) == (2500, 0)
    with engine.begin() as conn:
        conn.execute(pairs.update().where(pairs.c.n == 7).values(side=1))
    assert digests_of(store_url)["pair"].rows == 2500
    assert digests_of(store_url)["pair"] != before["pair"]
    with engine.begin() as conn:
        conn.execute(pairs.delete().where(pairs.c.n == 7))
        conn.execute(pairs.insert().values(n=7, side=0))
    assert digests_of(store_url) == before


def test_nothing_is_restored_over_a_store(engine: Engine, store_url: str, tmp_path: Path) -> None:
    migrate(engine, HUB)
    before = take_snapshot(store_url, tmp_path / "snapshot")
    with pytest.raises(Problem) as caught:
        restore_snapshot(tmp_path / "snapshot", store_url)
    assert caught.value.code == "store.not_empty"
    assert contents_of(store_url) == before


def test_what_is_no_snapshot_is_told_and_leaves_the_store_empty(
    engine: Engine, store_url: str, empty_again: str, tmp_path: Path
) -> None:
    (tmp_path / "snapshot").write_bytes(b"something else, of more than one page " * 200)
    with pytest.raises(Problem) as caught:
        restore_snapshot(tmp_path / "snapshot", empty_again)
    assert caught.value.code == "store.damaged"
    assert contents_of(empty_again).rows == {}


def test_a_snapshot_is_never_written_over_a_file(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "snapshot").write_text("something else")
    with pytest.raises(Problem) as caught:
        take_snapshot(store_url, tmp_path / "snapshot")
    assert caught.value.code == "file.unwritable"
    assert (tmp_path / "snapshot").read_text() == "something else"


def test_looking_at_a_snapshot_does_not_change_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store/store.db"
    engine = open_engine(url)
    migrate(engine, HUB)
    take_snapshot(url, tmp_path / "snapshot")
    before = (tmp_path / "snapshot").read_bytes()
    contents_of(f"sqlite:///{tmp_path}/snapshot")
    assert (tmp_path / "snapshot").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshot", "store"]
    engine.dispose()


def test_a_damaged_store_is_told_and_not_kept_as_if_it_were_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store/store.db"
    engine = open_engine(url)
    metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(pairs.insert(), [{"n": n, "side": 0} for n in range(5000)])
    engine.dispose()
    file = tmp_path / "store" / "store.db"
    with closing(sqlite3.connect(file)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(file.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 100] = b"\xff" * 100
    file.write_bytes(data)
    with pytest.raises(Problem) as caught:
        take_snapshot(url, tmp_path / "snapshot")
    assert caught.value.code == "store.damaged"
