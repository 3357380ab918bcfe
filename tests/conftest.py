"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from card_programs import pytest_terminal_summary
from throwaway_postgresql import Cluster, throwaway_cluster

__all__ = ["pytest_addoption", "pytest_terminal_summary"]  # hooks


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of our own, gone after the test run."""
    with throwaway_cluster() as cluster:
        yield cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--deep`: tests that try things by chance try many more of them."""
    parser.addoption("--deep", action="store_true", help="many more chances for tests that try things by chance")
