"""Keys are made once; every test gets a country with empty stores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def country(
    gateway_keys: Path, empty_stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GatewayCountry]:
    shutil.copytree(empty_stores, tmp_path / "stores")
    made = GatewayCountry(gateway_keys, tmp_path / "stores")

    def straight(self, method, party, path, content=None, params=None, timeout=None, repeat=True):
        return made.carry(self._edge.party, party, method, path, content, params)

    monkeypatch.setattr(PeerClient, "_exchange", straight)
    yield made
    made.stop()


@pytest.fixture
def case(country: GatewayCountry) -> Case:
    x, y = country.desk("x-city"), country.desk("y-city")
    resident = x.register(hanako())
    made = Case(country, x, y, x.with_code(resident), y.with_code(resident))
    x.grant()
    y.put_tax(made.at_y)
    return made
