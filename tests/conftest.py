"""What tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from card_programs import pytest_terminal_summary
from kumihimo.country import founding
from throwaway_postgresql import Cluster, throwaway_cluster

_WORKERS = 4  # at most, of those that share a machine
__all__ = ["pytest_addoption", "pytest_terminal_summary"]  # hooks


@pytest.fixture(scope="session", autouse=True)
def _ports_of_its_own() -> Iterator[None]:
    """Each worker founds its countries on ports of its own: between founding one and starting it, another could take them."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first, each = founding._FIRST_PORT, (founding._LAST_PORT - founding._FIRST_PORT) // _WORKERS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(founding, "_FIRST_PORT", first + worker * each)
        patch.setattr(founding, "_LAST_PORT", first + (worker + 1) * each)
        yield


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of our own, gone after the test run."""
    with throwaway_cluster() as cluster:
        yield cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--deep`: tests that try things by chance try many more of them."""
    parser.addoption("--deep", action="store_true", help="many more chances for tests that try things by chance")
