"""A country on PostgreSQL is backed up, put back and drilled as one in files is, and a drill never touches what is in use."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from kumihimo.country import founding, stores, topology
from kumihimo.country.backup import Party, back_up, back_up_keys, digests_now, parties_in, restore, restore_parties
from kumihimo.country.drills import beside
from kumihimo.country.drills.restore import drill_restore
from kumihimo.country.layout import Country
from kumihimo.country.relocating import on_another_server
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import PartyId, Problem, SystemClock, SystemRandomness, legal_day
from kumihimo.plumbing.storage import client_programs
from throwaway_postgresql import Cluster

RESIDENTS = 12
KEEPER = "keeper"
DRILLED = "kumihimo_drill_"
ENDS = 60  # seconds
SOME = 6  # connections: enough to ask the server, too few for a country


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def keeper(postgresql_cluster: Cluster) -> Iterator[str]:
    """The URL of the server, as an account that may make databases and nothing else."""
    postgresql_cluster.administer(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(KEEPER)))
    yield postgresql_cluster.url("postgres").replace("postgres@", f"{KEEPER}@")
    postgresql_cluster.administer(sql.SQL("DROP ROLE {}").format(sql.Identifier(KEEPER)))


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory, postgresql_cluster: Cluster, keeper: str) -> Iterator[Country]:
    """A small country on PostgreSQL, down; gone afterwards with all its databases, and nobody else's are left."""
    before = postgresql_cluster.databases()
    folder = tmp_path_factory.mktemp("restored") / "country"
    today = legal_day(SystemClock().now())
    country = founding.found(folder, RESIDENTS, 4, today, _silent, keeper)
    yield country
    founding.destroy(country)
    assert postgresql_cluster.databases() == before


@pytest.fixture(scope="module")
def archives(founded: Country, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A backup of the country, and one of its keys."""
    folder = tmp_path_factory.mktemp("archives")
    back_up(founded.folder, folder / "stores", _silent)
    back_up_keys(founded.folder, folder / "keys")
    return folder / "stores", folder / "keys"


def test_a_restore_makes_the_databases_that_are_gone(
    founded: Country, archives: tuple[Path, Path], postgresql_cluster: Cluster
) -> None:
    before = digests_now(founded.folder)
    for party in ("x-city/exchange", "hub-1/operator"):
        stores.drop_database(make_url(stores.store_url(founded, PartyId(party))))
    restore_parties(archives[0], founded.folder, _silent, ("x-city/exchange", "hub-1/operator"))
    assert digests_now(founded.folder) == before


def test_nothing_is_restored_over_databases_in_use_and_no_database_is_left_of_it(
    founded: Country, archives: tuple[Path, Path], postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    before, rows = postgresql_cluster.databases(), digests_now(founded.folder)
    with pytest.raises(Problem) as caught:
        restore(archives[0], tmp_path / "country", _silent, archives[1])
    assert caught.value.code == "store.not_empty"
    assert postgresql_cluster.databases() == before
    assert digests_now(founded.folder) == rows
    assert list(tmp_path.iterdir()) == []


def test_a_country_restored_to_another_place_has_databases_of_its_own(
    founded: Country, archives: tuple[Path, Path], postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    places = on_another_server(
        stores.on_server(stores.server_of(postgresql_cluster.url("postgres")), SystemRandomness())
    )
    restore(archives[0], tmp_path / "country", _silent, archives[1], places)
    other = Country.open(tmp_path / "country")
    assert digests_now(other.folder) == digests_now(founded.folder)
    assert not {party.store for party in parties_in(other.folder)} & {p.store for p in parties_in(founded.folder)}
    assert len(founding.destroy(other)) == len(topology.services())
    assert digests_now(founded.folder)


def test_a_restore_that_fails_leaves_no_database(
    archives: tuple[Path, Path], postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    def power_cut(_name: str, done: int, _total: int) -> None:
        if done == 2:
            assert len(postgresql_cluster.databases()) > len(before)
            raise RuntimeError("power cut")

    before = postgresql_cluster.databases()
    server = stores.server_of(postgresql_cluster.url("postgres"))
    with pytest.raises(RuntimeError, match="power cut"):
        restore(
            archives[0], tmp_path / "country", power_cut,
            places=on_another_server(stores.on_server(server, SystemRandomness())),
        )  # fmt: skip
    assert postgresql_cluster.databases() == before
    assert list(tmp_path.iterdir()) == []


def test_programs_that_are_missing_or_older_than_the_server_are_named(
    founded: Country, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_programs, "DEBIAN", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem) as missing:
        back_up(founded.folder, tmp_path / "archive", _silent, (topology.NUMBERING,))
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    with pytest.raises(Problem) as outdated:
        back_up(founded.folder, tmp_path / "archive", _silent, (topology.NUMBERING,))
    assert [one.value.code for one in (missing, outdated)] == ["backup.impossible"] * 2
    assert "not installed" in missing.value.detail
    assert "version 9" in outdated.value.detail
    assert not (tmp_path / "archive").exists()


def test_a_backup_from_a_server_that_is_gone_or_forbids_it_says_whose_store_and_why(
    founded: Country, postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    url = make_url(stores.store_url(founded, topology.NUMBERING))
    stranger, database = sql.Identifier("stranger"), sql.Identifier(str(url.database))
    postgresql_cluster.administer(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(stranger))
    postgresql_cluster.administer(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, stranger))
    found = []
    try:
        for other in (url.set(port=1), url.set(username="stranger", password="secret"), url.set(database="nowhere")):
            settings = founded.settings(topology.NUMBERING).read_text()
            place = other.render_as_string(hide_password=False)
            (tmp_path / "role.toml").write_text(settings.replace(url.render_as_string(hide_password=False), place))
            with pytest.raises(Problem) as caught:
                back_up(tmp_path, tmp_path / "archive", _silent)
            found.append(caught.value)
    finally:
        postgresql_cluster.administer(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, stranger))
        postgresql_cluster.administer(sql.SQL("DROP ROLE {}").format(stranger))
    assert [one.code for one in found] == ["store.unavailable", "store.unreachable", "store.unavailable"]
    for one, words in zip(found, ("refused", "permission denied", "does not exist"), strict=True):
        assert words in one.detail
        assert str(one.where).startswith(topology.NUMBERING)
        assert "secret" not in f"{one.detail}{one.where}"
    assert not (tmp_path / "archive").exists()


@pytest.fixture(scope="module")
def up(founded: Country, archives: tuple[Path, Path]) -> Iterator[Country]:
    """The country, up, with link codes issued and a first case in its log."""
    with running(founded):
        issue_codes(founded, _silent)
        first_case.play(founded)
        yield founded


def _drilled(cluster: Cluster) -> set[str]:
    return {name for name in cluster.databases() if name.startswith(DRILLED)}


def _drill(country: Country, scratch: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-c", "from kumihimo.cli.main import main; main()",
            "drill", "restore", str(country.folder), "--scratch", str(scratch),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _ended_when_under_way(drill: subprocess.Popen[str], how: signal.Signals, cluster: Cluster) -> str:
    """End a drill when all its databases are there; what it said."""
    until(
        lambda: len(_drilled(cluster)) == len(topology.services()) or drill.poll() is not None or None,
        ENDS,
        "databases",
    )
    assert drill.poll() is None, drill.communicate()[0]
    drill.send_signal(how)
    said, _ = drill.communicate(timeout=ENDS)
    assert drill.returncode != 0, said
    return said


def test_a_drill_that_is_stopped_drops_its_databases(up: Country, postgresql_cluster: Cluster, tmp_path: Path) -> None:
    _ended_when_under_way(_drill(up, tmp_path), signal.SIGTERM, postgresql_cluster)
    assert _drilled(postgresql_cluster) == set()
    assert list(tmp_path.iterdir()) == []


def test_the_drill_proves_the_backup_of_a_country_in_use_and_clears_up_after_one_that_was_killed(
    up: Country, postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    _ended_when_under_way(_drill(up, tmp_path), signal.SIGKILL, postgresql_cluster)
    left, (folder,) = _drilled(postgresql_cluster), tmp_path.iterdir()
    assert len(left) == len(topology.services())
    used = digests_now(up.folder)[topology.NUMBERING]
    done = drill_restore(up, tmp_path, _silent)
    assert (done.stores, done.services, done.databases) == (28, 28, 28)
    assert done.tables > 150
    assert done.verified_after > done.verified_before > 0
    assert {one.name for one in done.leftovers if one.dropped} == left
    # The one that was just being made when it was killed may not say yet what it is.
    assert [one.about for one in done.leftovers if str(folder) not in one.about] in ([], [""])
    assert _drilled(postgresql_cluster) == set()
    assert list(tmp_path.iterdir()) == [folder]
    assert digests_now(up.folder)[topology.NUMBERING] == used


def test_a_drill_leaves_the_databases_of_another_that_goes_on(
    keeper: str, postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    party = Party(PartyId("x-city/exchange"), tmp_path / "100% o'clock", keeper)
    with beside.databases_beside([party], None, str(party.home), SystemRandomness()) as one:
        with beside.databases_beside([party], None, "", SystemRandomness()) as other:
            assert other.leftovers == []
            assert len(_drilled(postgresql_cluster)) == 2
        assert _drilled(postgresql_cluster) == {str(url.database) for url in one.databases.values()}
    name = f"{DRILLED}0a1b2c3d_00_x_city_exchange"
    stores.make_database(make_url(keeper).set(database=name), str(party.home))
    with beside.databases_beside([party], None, "", SystemRandomness()) as third:
        assert third.leftovers == [beside.Leftover(name, str(party.home), dropped=True)]
    assert _drilled(postgresql_cluster) == set()


def _all_connections(url: str, held: ExitStack) -> list[psycopg.Connection[tuple[object, ...]]]:
    """Every connection that the server still gives to an account like this one."""
    taken = []
    with suppress(psycopg.OperationalError):
        while True:
            taken.append(held.enter_context(psycopg.connect(url.replace("+psycopg", ""))))
    return taken


def test_a_drill_that_cannot_be_says_what_is_missing(
    up: Country, keeper: str, postgresql_cluster: Cluster, tmp_path: Path
) -> None:
    role = sql.Identifier(KEEPER)
    postgresql_cluster.administer(sql.SQL("ALTER ROLE {} NOCREATEDB").format(role))
    try:
        with pytest.raises(Problem) as forbidden:
            drill_restore(up, tmp_path, _silent)
    finally:
        postgresql_cluster.administer(sql.SQL("ALTER ROLE {} CREATEDB").format(role))
    with pytest.raises(Problem) as gone:
        drill_restore(up, tmp_path, _silent, "postgresql://nobody@127.0.0.1:1")
    with ExitStack() as held:
        taken = _all_connections(keeper, held)
        for connection in taken[:SOME]:
            connection.close()
        with pytest.raises(Problem) as crowded:
            drill_restore(up, tmp_path, _silent)
    assert [one.value.code for one in (forbidden, gone, crowded)] == [
        "store.unreachable", "store.unreachable", "drill.impossible",
    ]  # fmt: skip
    assert "may not create databases" in forbidden.value.detail
    assert f'ALTER ROLE "{KEEPER}" CREATEDB' in str(forbidden.value.advice)
    assert _drilled(postgresql_cluster) == set()
    assert list(tmp_path.iterdir()) == []
