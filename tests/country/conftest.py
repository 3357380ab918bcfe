"""A whole country, up with all its processes, for the tests that play on it. Made once, messages captured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kumihimo.country import topology
from kumihimo.country.founding import found
from kumihimo.country.layout import Country
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import legal_day
from kumihimo.plumbing.wire.client import CAPTURE

RESIDENTS = 60


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


def prove_everything(country: Country) -> None:
    """In tests the operators must prove every translation of an inquiry to each other, not a share of them."""
    for hub in (topology.HUB_1, topology.HUB_2):
        with country.settings(hub).open("a") as file:
            file.write("proof_share = 1.0\n")


@pytest.fixture(scope="session")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every message of the country is written down."""
    return tmp_path_factory.mktemp("captured")


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory, captured: Path) -> Iterator[Country]:
    """The country, founded and up, with link codes issued."""
    os.environ[CAPTURE] = str(captured)
    try:
        here = found(
            tmp_path_factory.mktemp("countries") / "miniature", RESIDENTS, 5, legal_day(datetime.now(UTC)), _silent
        )
        prove_everything(here)
        with running(here):
            issue_codes(here, _silent)
            yield here
    finally:
        del os.environ[CAPTURE]


@pytest.fixture(scope="session")
def case(country: Country) -> first_case.FirstCase:
    """The first case, played on the country."""
    return first_case.play(country)
