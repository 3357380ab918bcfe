"""Sudden deaths and restarts under load: nothing is lost, nothing doubled, and a restart is not even noticed.

Last of the country's tests, since these bring up countries of their own.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kumihimo.country import topology
from kumihimo.country.drills import handover, killing
from kumihimo.country.drills.agreement import disagreements, inconsistent
from kumihimo.country.drills.drilling import Ground
from kumihimo.country.drills.load import Asked, load
from kumihimo.country.drills.settled import settle
from kumihimo.country.inspection import read_rows
from kumihimo.country.layout import Country
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import PartyId
from kumihimo.domain.transparency.checkpoint import Checkpoint

KILLS = 50
X, Y = topology.exchange_of("x-city"), topology.exchange_of("y-city")
# What is done to a store, and what must be said of it.
SPOILED = (
    (topology.HUB_1, "DELETE FROM entry WHERE entry_index = 3", "gaps or doubles"),
    (topology.HUB_1, "UPDATE entry SET salt = zeroblob(32) WHERE entry_index = 5", "do not commit to their records"),
    (
        topology.PORTAL,
        "DELETE FROM access WHERE log_index = (SELECT max(log_index) FROM access)",
        "portal's access lacks",
    ),
    (topology.PORTAL, "UPDATE access SET record = replace(record, 'local-tax', 'pension')", "another record"),
    (topology.PORTAL, "DELETE FROM outcome WHERE log_index = (SELECT max(log_index) FROM outcome)", "outcome lacks"),
    (topology.OVERSIGHT, "DELETE FROM record WHERE log_index = 7", "oversight body's record lacks entry 7"),
    (X, "DELETE FROM access_record WHERE side = 'requester'", "has 0 records at its requester"),
    (X, "UPDATE access_record SET outcome = 'withheld' WHERE side = 'requester'", "its requester wrote down withheld"),
    (X, "UPDATE access_record SET log_index = 1 WHERE side = 'requester'", "its requester wrote down 1"),
    (X, "UPDATE inquiry SET closed_at = NULL", "is open at x-city"),
    (Y, "DELETE FROM access_record WHERE side = 'provider'", "0 provisions, 1 logged outcomes"),
    (Y, "UPDATE access_record SET outcome = 'pending' WHERE side = 'provider'", "was pending at its provider"),
)


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.mark.timeout(900)
def test_fifty_kills_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    shown = {one.what: one.found for one in killing.play(Ground(_silent, 20261123, tmp_path, times=KILLS))}
    assert {role.value for role in killing.ROLES} <= shown.keys()
    kills = sum(int(shown[role.value].split()[0]) for role in killing.ROLES)
    restarts = sum(int(shown[role.value].split()[1]) for role in killing.ROLES)
    assert kills == KILLS
    assert restarts >= KILLS - 5, "one that is killed twice before anybody looked died once"
    assert "agree about every inquiry" in shown["stores"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(900)
def test_every_service_is_restarted_under_load_and_not_one_question_fails(tmp_path: Path) -> None:
    shown = {one.what: one.found for one in handover.play(Ground(_silent, 20261123, tmp_path))}
    assert " 0 failed " in shown["inquiries"]
    assert not shown["inquiries"].startswith("0 asked")
    assert {role.value for role in killing.ROLES} <= shown.keys()
    assert "agree about every inquiry" in shown["stores"]


@pytest.fixture(scope="module")
def inquired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Country, list[Asked]]]:
    """A country that is down after some inquiries of every kind, and what its desks know of them."""
    ground = Ground(_silent, 7, tmp_path_factory.mktemp("inquired"))
    with ground.founded() as country:
        with running(country):
            issue_codes(country, _silent)
            provided = "SELECT count(*) FROM access_record WHERE side = 'provider'"
            with load(country, 7, patient=3) as asked:
                until(lambda: read_rows(country, Y, provided)[0][0] > 2 or None, 60, "some provisions")
                until(lambda: read_rows(country, X, provided)[0][0] > 2 or None, 60, "some provisions")
            settle(country)
        for service in topology.services():  # whole in one file each, to be copied
            with sqlite3.connect(country.home(service.party) / "store.db") as conn:
                conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            conn.close()
        yield country, asked.asked


def test_a_country_in_which_nothing_went_wrong_agrees(inquired: tuple[Country, list[Asked]]) -> None:
    assert disagreements(*inquired) == []


@pytest.mark.parametrize(("party", "spoil", "said"), SPOILED)
def test_what_somebody_spoils_is_found(
    inquired: tuple[Country, list[Asked]], tmp_path: Path, party: PartyId, spoil: str, said: str
) -> None:
    country, asked = inquired
    store = country.home(party) / "store.db"
    shutil.copy(store, tmp_path)
    try:
        with sqlite3.connect(store) as conn:
            assert conn.execute(spoil).rowcount > 0
        conn.close()
        assert [fault for fault in disagreements(country, asked) if said in fault]
    finally:
        shutil.copy(tmp_path / "store.db", store)


def test_an_answer_without_its_entry_and_a_question_nobody_asked_are_found(
    inquired: tuple[Country, list[Asked]],
) -> None:
    country, asked = inquired
    answered = [one for one in asked if one.answer is not None]
    unknown = [replace(answered[0], transaction="0" * 32), *asked]
    assert any("logged []" in fault for fault in disagreements(country, unknown))
    assert any("nobody asked it" in fault for fault in disagreements(country, asked[1:]))


def test_a_checkpoint_that_the_log_does_not_begin_with_is_found(inquired: tuple[Country, list[Asked]]) -> None:
    country, _ = inquired
    published = [
        Checkpoint("log", size, bytes(root))
        for size, root in read_rows(country, topology.HUB_1, "SELECT size, root FROM checkpoint")
    ]
    assert inconsistent(country, published) == []
    assert inconsistent(country, [*published, Checkpoint("log", 4, bytes(32))]) != []
    assert inconsistent(country, [Checkpoint("log", 10**6, bytes(32))]) != []
