"""What a store promises its role, whichever database is below."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    exc,
    func,
    insert,
    select,
    text,
    update,
)

from kumihimo.country.scenarios.waiting import until
from kumihimo.plumbing.storage import UtcDateTime, empty_wal, open_engine
from kumihimo.plumbing.storage.engine import POSTGRESQL_CONNECTIONS

metadata = MetaData()
offices = Table("office", metadata, Column("id", Text, primary_key=True), Column("cases", Integer, nullable=False))
visits = Table(
    "visit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("office", ForeignKey("office.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

JAPAN = timezone(timedelta(hours=9))


@pytest.fixture
def town(engine: Engine) -> Engine:
    metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(insert(offices).values(id="tax", cases=0))
    return engine


def test_a_commit_is_durable_on_every_connection(town: Engine) -> None:
    if town.dialect.name == "sqlite":
        expected: dict[str, object] = {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2}
    else:
        expected = {"SHOW synchronous_commit": "on", "SHOW fsync": "on"}
    with town.connect() as first, town.connect() as second:
        # A reading transaction first, so that both connections may be open at once.
        for conn in (first, second):
            conn.execute(text("SELECT 1"))
            assert {name: conn.exec_driver_sql(name).scalar_one() for name in expected} == expected


def in_the_file_itself(engine: Engine) -> int:
    """How many offices a copy of the SQLite file has, without the -wal beside it."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        copy.write_bytes(Path(engine.url.database or "").read_bytes())
        alone = sqlite3.connect(copy)
        try:
            count: int = alone.execute("SELECT count(*) FROM office").fetchone()[0]
            return count
        finally:
            alone.close()


def test_what_was_committed_is_moved_into_the_file_beside_readers_and_writers(town: Engine) -> None:
    if town.dialect.name != "sqlite":
        assert empty_wal(town) == 0
        return
    empty_wal(town)
    assert in_the_file_itself(town) == 1
    with town.connect() as reader, town.begin() as writer:
        assert reader.execute(select(func.count()).select_from(offices)).scalar_one() == 1
        writer.execute(insert(offices).values(id="parks", cases=0))
        assert empty_wal(town) == 0  # nobody waits for anybody
        assert in_the_file_itself(town) == 1
    empty_wal(town)
    assert in_the_file_itself(town) == 2
    with town.connect() as conn:
        assert conn.execute(select(func.count()).select_from(offices)).scalar_one() == 2


def test_waiting_for_a_lock_ends_after_ten_seconds(town: Engine) -> None:
    with town.connect() as conn:
        if conn.dialect.name == "sqlite":
            assert conn.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
        else:
            assert conn.exec_driver_sql("SHOW lock_timeout").scalar_one() == "10s"


def test_a_connection_that_the_server_has_cut_is_replaced_before_it_is_used(town: Engine) -> None:
    if town.dialect.name == "sqlite":
        pytest.skip("SQLite has no server")
    with town.connect() as conn:
        cut = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = create_engine(town.url)
    with other.connect() as conn:
        assert conn.execute(text("SELECT pg_terminate_backend(:cut, 5000)"), {"cut": cut}).scalar_one()
    other.dispose()
    with town.connect() as conn:
        assert conn.execute(text("SELECT pg_backend_pid()")).scalar_one() != cut


def test_a_process_holds_few_connections_and_no_statement_or_open_transaction_for_ever(town: Engine) -> None:
    if town.dialect.name == "sqlite":
        pytest.skip("SQLite has no server")
    expected = {"statement_timeout": "1min", "idle_in_transaction_session_timeout": "2min", "TimeZone": "UTC"}
    with ExitStack() as held:
        conns = [held.enter_context(town.connect()) for _ in range(POSTGRESQL_CONNECTIONS)]
        for conn in conns:
            assert {name: conn.exec_driver_sql(f"SHOW {name}").scalar_one() for name in expected} == expected
        assert town.pool.checkedout() == POSTGRESQL_CONNECTIONS
        waiting = threading.Thread(target=lambda: town.connect().close())
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive(), "a further connection was opened"
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_connection_that_is_not_to_be_kept_is_closed_when_it_is_given_back(town: Engine, store_url: str) -> None:
    if town.dialect.name == "sqlite":
        pytest.skip("SQLite has no server")
    passing = open_engine(f"{store_url}?connections=2&kept=no")
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ANY(:pids)"
    pids = []
    for _ in range(3):
        with passing.connect() as one, passing.connect() as two:
            pids += [conn.execute(text("SELECT pg_backend_pid()")).scalar_one() for conn in (one, two)]
            assert passing.pool.checkedout() == 2
    assert len(set(pids)) == 6
    with town.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        until(lambda: conn.execute(text(gone), {"pids": pids}).scalar_one() or None, 10, "connections closed")
    passing.dispose()


def test_a_visit_to_an_office_that_does_not_exist_is_refused(town: Engine) -> None:
    statement = insert(visits).values(office="nowhere", at=datetime(2026, 4, 1, tzinfo=UTC))
    with pytest.raises(exc.IntegrityError), town.begin() as conn:
        conn.execute(statement)


def test_a_failed_transaction_leaves_no_table_behind(town: Engine) -> None:
    def make_a_table_and_fail() -> None:
        with town.begin() as conn:
            conn.execute(text("CREATE TABLE half_done (id INTEGER)"))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        make_a_table_and_fail()
    with town.connect() as conn:
        assert not town.dialect.has_table(conn, "half_done")


def test_a_commit_that_is_refused_does_not_hang_over_the_next_transaction(town: Engine) -> None:
    claims = Table("claim", MetaData(), Column("of", ForeignKey(offices.c.id, deferrable=True, initially="DEFERRED")))
    claims.create(town)
    with pytest.raises(exc.IntegrityError), town.begin() as conn:
        conn.execute(insert(claims).values(of="nowhere"))
    with town.begin() as conn:
        conn.execute(insert(claims).values(of="tax"))
    with town.connect() as conn:
        assert conn.execute(select(claims.c.of)).scalars().all() == ["tax"]


def test_a_savepoint_undoes_only_its_own_part(town: Engine) -> None:
    with town.begin() as conn:
        conn.execute(update(offices).values(cases=1))
        savepoint = conn.begin_nested()
        conn.execute(update(offices).values(cases=2))
        savepoint.rollback()
    with town.connect() as conn:
        assert conn.execute(select(offices.c.cases)).scalar_one() == 1


def test_two_clerks_counting_the_same_cases_lose_none(town: Engine) -> None:
    """Read, then write: the lock on the row, or on SQLite's file, is taken before reading."""

    def count_fifty() -> None:
        for _ in range(50):
            with town.begin() as conn:
                cases = conn.execute(select(offices.c.cases).with_for_update()).scalar_one()
                conn.execute(update(offices).values(cases=cases + 1))

    clerks = [threading.Thread(target=count_fifty) for _ in range(4)]
    for clerk in clerks:
        clerk.start()
    for clerk in clerks:
        clerk.join()
    with town.connect() as conn:
        assert conn.execute(select(offices.c.cases)).scalar_one() == 200


def test_reading_goes_on_while_somebody_writes(town: Engine) -> None:
    with town.begin() as writing, town.connect() as reading:
        writing.execute(update(offices).values(cases=9))
        assert reading.execute(select(offices.c.cases)).scalar_one() == 0


def test_an_instant_comes_back_as_the_same_instant_in_utc(town: Engine) -> None:
    instant = datetime(2026, 4, 1, 0, 0, 0, 123456, tzinfo=JAPAN)
    with town.begin() as conn:
        conn.execute(insert(visits).values(office="tax", at=instant))
    with town.connect() as conn:
        found = conn.execute(select(visits.c.at)).scalar_one()
        assert conn.execute(select(func.count()).where(visits.c.at == instant)).scalar_one() == 1
    assert found == instant
    assert found.tzinfo is UTC


def test_instants_sort_and_compare_as_time_does(town: Engine) -> None:
    instants = [
        datetime(999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 31, 23, 0, tzinfo=UTC),
        datetime(2026, 4, 1, 9, 0, tzinfo=JAPAN),
        datetime(2026, 4, 1, 0, 0, 0, 1, tzinfo=UTC),
    ]
    with town.begin() as conn:
        conn.execute(insert(visits), [{"office": "tax", "at": instant} for instant in reversed(instants)])
    with town.connect() as conn:
        assert conn.execute(select(visits.c.at).order_by(visits.c.at)).scalars().all() == instants
        later = conn.execute(select(visits.c.at).where(visits.c.at > instants[1]).order_by(visits.c.at))
        assert later.scalars().all() == instants[2:]


def test_an_instant_without_a_time_zone_is_refused(town: Engine) -> None:
    naive = datetime(2026, 4, 1)  # noqa: DTZ001
    with pytest.raises(exc.StatementError, match="has no time zone"), town.begin() as conn:
        conn.execute(insert(visits).values(office="tax", at=naive))


def test_a_store_opened_twice_is_one_store(town: Engine, store_url: str) -> None:
    other = open_engine(store_url)
    with other.connect() as conn:
        assert conn.execute(select(offices.c.id)).scalars().all() == ["tax"]
    other.dispose()
