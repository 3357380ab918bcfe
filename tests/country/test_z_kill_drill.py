"""Sudden deaths and restarts under load: nothing is lost, nothing doubled, and a restart is not even noticed.

Last of the country's tests, since these bring up countries of their own.
"""

from __future__ import annotations

from pathlib import Path

from kumihimo.country.boundaries import Role
from kumihimo.country.drills import handover, killing
from kumihimo.country.drills.drilling import Ground

KILLS = 50


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


def test_fifty_kills_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    shown = {one.what: one.found for one in killing.play(Ground(_silent, 20261123, tmp_path, times=KILLS))}
    assert {role.value for role in Role} <= shown.keys()
    kills = sum(int(shown[role.value].split()[0]) for role in Role)
    restarts = sum(int(shown[role.value].split()[1]) for role in Role)
    assert kills == KILLS
    assert restarts >= KILLS - 5, "one that is killed twice before anybody looked died once"
    assert "agree about every inquiry" in shown["stores"]
    assert list(tmp_path.iterdir()) == []


def test_every_service_is_restarted_under_load_and_not_one_question_fails(tmp_path: Path) -> None:
    shown = {one.what: one.found for one in handover.play(Ground(_silent, 20261123, tmp_path))}
    assert " 0 failed " in shown["inquiries"]
    assert not shown["inquiries"].startswith("0 asked")
    assert {role.value for role in Role} <= shown.keys()
    assert "agree about every inquiry" in shown["stores"]
