"""A country whose every party keeps its store in a database of its own: it does, and holds, what it does on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kumihimo.country import founding, stores, topology
from kumihimo.country.inspection import cells
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.running import issue_codes, states
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import PartyId, Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from throwaway_postgresql import Cluster

RESIDENTS = 12
SERVER_TAKES = 100  # connections, as PostgreSQL comes


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgresql_cluster: Cluster) -> Iterator[Country]:
    """A small country on PostgreSQL, up, with link codes issued; gone afterwards with all its databases."""
    before = postgresql_cluster.databases()
    today = legal_day(SystemClock().now())
    folder = tmp_path_factory.mktemp("countries") / "on-postgresql"
    country = founding.found(folder, RESIDENTS, 3, today, _silent, postgresql_cluster.url("postgres"))
    with running(country):
        issue_codes(country, _silent)
        yield country
    dropped = founding.destroy(country)
    assert len(dropped) == len(topology.services())
    assert postgresql_cluster.databases() == before
    assert not folder.exists()


@pytest.fixture(scope="module")
def played(on_postgresql: Country) -> first_case.FirstCase:
    return first_case.play(on_postgresql)


def test_every_party_has_a_database_of_its_own_and_no_file(on_postgresql: Country, postgresql_cluster: Cluster) -> None:
    urls = {stores.store_url(on_postgresql, service.party) for service in topology.services()}
    assert len(urls) == len(topology.services())
    assert {url.rpartition("/")[2] for url in urls} <= postgresql_cluster.databases()
    assert not list(on_postgresql.folder.rglob("*.db"))


def test_the_first_case_goes_as_on_sqlite(on_postgresql: Country, played: first_case.FirstCase) -> None:
    assert played.granted.outcome is Outcome.PROVIDED
    assert played.refused.outcome is Outcome.REFUSED
    assert len(played.verified) >= 3
    assert verify_log(on_postgresql).witnesses == 1


def test_each_party_holds_what_its_boundary_says_and_nothing_else(
    on_postgresql: Country, played: first_case.FirstCase
) -> None:
    found = first_case.matrix(on_postgresql, played)
    x_city, y_city = PartyId("x-city/exchange"), PartyId("y-city/exchange")
    everybody = {service.party for service in topology.services()}
    ledgers = {party for party in everybody if party.endswith("/ledger")}
    assert found["number"] - ledgers == {topology.NUMBERING, topology.REGISTRY}
    assert found["number"] & ledgers >= {PartyId("x-city/ledger"), PartyId("y-city/ledger")}
    assert found["name"] - ledgers == {topology.REGISTRY}
    assert found["code_x"] == {x_city}
    assert found["code_y"] == {y_city}
    assert found["code_portal"] == {topology.PORTAL}
    assert found["tax"] - ledgers == {y_city}
    operators = {topology.HUB_1, topology.HUB_2}
    assert found["transaction"] == {*operators, topology.OVERSIGHT, topology.PORTAL, x_city, y_city}


def test_the_search_sees_all_rows_of_a_partitioned_table(on_postgresql: Country) -> None:
    drawn = [value for place, value in cells(on_postgresql, topology.NUMBERING) if place == "used_number.number"]
    assert len(drawn) == len(set(drawn)) == RESIDENTS


def test_the_country_leaves_room_on_the_server(
    on_postgresql: Country, played: first_case.FirstCase, postgresql_cluster: Cluster
) -> None:
    assert 0 < postgresql_cluster.connections() < SERVER_TAKES - 10


def test_a_server_that_restarts_is_found_again_by_every_process(
    on_postgresql: Country, played: first_case.FirstCase, postgresql_cluster: Cluster
) -> None:
    postgresql_cluster.stop()
    try:
        with pytest.raises(Problem):
            first_case.play(on_postgresql)
    finally:
        postgresql_cluster.start()
    again = until(lambda: _played(on_postgresql), 20, "the first case once more")
    assert again.granted.outcome is Outcome.PROVIDED
    assert all(one.answers for one in states(on_postgresql))
    log = verify_log(on_postgresql)
    assert log.size > again.granted.log_index > played.granted.log_index


def _played(country: Country) -> first_case.FirstCase | None:
    try:
        return first_case.play(country)
    except Problem:
        return None


def test_a_founding_that_fails_leaves_no_database(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    def power_cut(name: str, done: int, _total: int) -> None:
        if name == "stores" and done == 3:
            assert len(postgresql_cluster.databases() - before) == 3
            raise RuntimeError("power cut")

    before = postgresql_cluster.databases()
    today = legal_day(SystemClock().now())
    with pytest.raises(RuntimeError, match="power cut"):
        founding.found(tmp_path / "country", RESIDENTS, 3, today, power_cut, postgresql_cluster.url("postgres"))
    assert postgresql_cluster.databases() == before
    assert not list(tmp_path.iterdir())
