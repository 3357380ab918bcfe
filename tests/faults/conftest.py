"""What the tests of faults share: a country of their own, which they may break, and one that is founded but not up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from signing import Attacker

from kumihimo.country.founding import found
from kumihimo.country.layout import Country
from kumihimo.country.running import issue_codes
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import legal_day

RESIDENTS = 20


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A country on disk, with people, keys and stores, of which nothing runs."""
    folder = tmp_path_factory.mktemp("founded") / "country"
    return found(folder, RESIDENTS, 7, legal_day(datetime.now(UTC)), silent)


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """A whole country that is up, with link codes issued, for tests that only send to it what is refused.

    The last of them, `test_signed_payloads.py`, leaves it in whatever state.
    """
    here = found(tmp_path_factory.mktemp("land") / "country", RESIDENTS, 8, legal_day(datetime.now(UTC)), silent)
    with running(here):
        issue_codes(here, silent)
        yield here


@pytest.fixture(scope="session")
def attacker(land: Country) -> Iterator[Attacker]:
    """Somebody with the keys of all parties of the country that is up."""
    one = Attacker(land)
    yield one
    one.close()


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> int:
    """How many chances for each route or kind of message."""
    return 300 if request.config.getoption("--deep") else 12
