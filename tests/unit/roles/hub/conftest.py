"""Keys are made once; every test gets a country with empty stores; no test may make the hub log more than is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_country import HubCountry, found
from structlog.testing import capture_logs

from kumihimo.plumbing.program_log import ALLOWED


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


@pytest.fixture(autouse=True)
def only_allowed_fields_are_logged() -> Iterator[None]:
    with capture_logs() as lines:
        yield
    fields = {name for line in lines for name in line}
    assert fields <= ALLOWED | {"log_level", "exc_info"}
