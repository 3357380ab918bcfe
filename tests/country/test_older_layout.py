"""A country that an earlier version founded is upgraded in place: stores, and parties that there were not then."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from kumihimo.country import founding, topology
from kumihimo.country.desk import Desk, edge_of
from kumihimo.country.directories import newest, publish
from kumihimo.country.layout import MONITOR, Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import running
from kumihimo.country.upgrading import upgrade
from kumihimo.domain.kernel import PartyId, Problem, SystemClock, legal_day
from kumihimo.plumbing.storage import contents_of, downgrade, open_engine
from kumihimo.plumbing.web.certificate import CERTIFICATE
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.roles.gateway.store import exchange, ledger

LEDGER = topology.ledger_of("x-city")
OLDER = {LEDGER: ledger.MIGRATIONS, topology.exchange_of("x-city"): exchange.MIGRATIONS}


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A country as an earlier version would have founded it: older stores with people in them, no monitor, no site."""
    today = legal_day(SystemClock().now())
    country = founding.found(tmp_path_factory.mktemp("older") / "country", 12, 3, today, silent)
    document = newest(country)
    parties = tuple(one for one in document.parties if one.party != MONITOR)
    publish(country, document.model_copy(update={"version": document.version + 1, "parties": parties}))
    shutil.rmtree(country.home(MONITOR))
    settings = country.settings(topology.PORTAL)
    settings.write_text("".join(line for line in settings.open() if not line.startswith("site = ")))
    (country.keys(topology.PORTAL) / CERTIFICATE).unlink()
    for party, package in OLDER.items():
        engine = open_engine(store_url(country, party))
        downgrade(engine, package, "0001")
        engine.dispose()
    return country


def rows(country: Country, party: PartyId) -> dict[str, int]:
    return contents_of(store_url(country, party)).rows


def test_a_service_of_an_older_store_says_the_command_that_helps(older: Country) -> None:
    with pytest.raises(Problem) as caught, running(older):
        pass
    assert caught.value.code == "country.role_died"
    assert f"kumihimo migrate ledger --settings {older.settings(LEDGER)}" in caught.value.detail


def test_it_is_upgraded_with_everybody_in_it_and_once_more_changes_nothing(older: Country) -> None:
    before = rows(older, LEDGER)["addressee"]
    done = upgrade(older, silent)
    assert (done.parties, done.stores) == ((MONITOR,), len(older.services()))
    assert rows(older, LEDGER)["addressee"] == before > 0
    version = newest(older).version
    assert upgrade(older, silent).parties == ()
    assert newest(older).version == version
    assert "site = " in older.settings(topology.PORTAL).read_text()
    assert (older.keys(topology.PORTAL) / CERTIFICATE).is_file()
    with running(older):
        assert Desk.of(older, "x-city").find(hanako(older.founded).four_items).alive
        with closing(PeerClient(edge_of(older, MONITOR))) as monitor:
            assert b"kumihimo_directory_version" in monitor.get(LEDGER, "/metrics")
        with pytest.raises(Problem) as caught:
            upgrade(older, silent)
    assert caught.value.code == "country.running"


def test_a_key_that_was_lost_is_not_made_anew(older: Country, tmp_path: Path) -> None:
    seed = older.keys(topology.HUB_1) / "sign.key"
    shutil.move(seed, tmp_path / "sign.key")
    try:
        with pytest.raises(Problem) as caught:
            upgrade(older, silent)
    finally:
        shutil.move(tmp_path / "sign.key", seed)
    assert (caught.value.code, caught.value.where) == ("key.missing", str(older.keys(topology.HUB_1)))
