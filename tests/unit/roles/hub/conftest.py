"""Keys are made once; every test gets a country with empty stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_country import HubCountry, found


@pytest.fixture(scope="session")
def hub_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub-keys")
    found(folder)
    return folder


@pytest.fixture
def country(hub_keys: Path, tmp_path: Path) -> Iterator[HubCountry]:
    made = HubCountry(hub_keys, tmp_path)
    yield made
    for operator in made.operators.values():
        operator.engine.dispose()
