"""Keys are made once; every test gets a country with empty stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from gateway_country import Case, GatewayCountry, found, hanako

from kumihimo.plumbing.wire.client import PeerClient


@pytest.fixture(scope="session")
def gateway_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway-keys")
    found(folder)
    return folder


@pytest.fixture(scope="session")
def empty_stores(gateway_keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway-stores")
    GatewayCountry(gateway_keys, folder).prepare()
    return folder


def straight_through(made: GatewayCountry) -> Callable[..., httpx.Response]:
    """What stands in for the connections of `PeerClient`."""

    def straight(self, method, party, path, content=None, params=None, timeout=None, repeat=True):
        return made.carry(self._edge.party, party, method, path, content, params)

    return straight


@pytest.fixture
def country(
    gateway_keys: Path, empty_stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GatewayCountry]:
    shutil.copytree(empty_stores, tmp_path / "stores")
    made = GatewayCountry(gateway_keys, tmp_path / "stores")

    monkeypatch.setattr(PeerClient, "_exchange", straight_through(made))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def begun(gateway_keys: Path, empty_stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """What every case begins with, made once: Hanako known to both cities, the grant, and her tax."""
    stores = tmp_path_factory.mktemp("case") / "stores"
    shutil.copytree(empty_stores, stores)
    made = GatewayCountry(gateway_keys, stores)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PeerClient, "_exchange", straight_through(made))
        x, y = made.desk("x-city"), made.desk("y-city")
        resident = x.register(hanako())
        case = Case(made, x, y, x.with_code(resident), y.with_code(resident))
        x.grant()
        y.put_tax(case.at_y)
    made.stop()
    for party in made.apps:
        made.engine(party).dispose()
    return case


@pytest.fixture
def case(begun: Case, country: GatewayCountry) -> Case:
    assert not country.apps, "the case has to come first: its stores take the place of the empty ones"
    shutil.copytree(begun.country.stores, country.stores, dirs_exist_ok=True)
    return replace(begun, country=country, x=country.desk("x-city"), y=country.desk("y-city"))
