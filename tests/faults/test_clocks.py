"""Clocks that are wrong: four minutes are borne, six are told with the seconds; a clock that is set back stops nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kumihimo.country import topology
from kumihimo.country.desk import edge_of
from kumihimo.country.drills import clock
from kumihimo.country.drills.drilling import Ground
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.kernel.clock import ShiftedClock
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.provision import Records, ShowRecords

DESK, EXCHANGE = topology.desk_of("x-city"), topology.exchange_of("x-city")


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


def ask(land: Country, party: PartyId, off: timedelta) -> Records:
    """A caller with a wrong clock asks a service whose clock is right."""
    edge = replace(edge_of(land, party), clock=ShiftedClock(off))
    client = PeerClient(edge)
    try:
        return client.send("/records", edge.message(ShowRecords, EXCHANGE), Records).value
    finally:
        client.close()


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_caller_four_minutes_off_is_heard(land: Country, minutes: int) -> None:
    assert ask(land, DESK, timedelta(minutes=minutes)).records is not None


@pytest.mark.parametrize(("minutes", "said"), [(-6, "360 s before the time of this clock"), (6, "s after the time of")])
def test_a_caller_six_minutes_off_is_told_so(land: Country, minutes: int, said: str) -> None:
    with pytest.raises(Problem) as caught:
        ask(land, DESK, timedelta(minutes=minutes))
    problem = caught.value
    assert problem.code == "message.stale"
    assert said in problem.detail
    assert problem.expected == "at most 300 s"
    assert "Check the clocks of both machines" in str(problem.advice)


def test_services_with_wrong_clocks_are_borne_or_told_and_the_log_stays_whole(tmp_path: Path) -> None:
    shown = [one.found for one in clock.play(Ground(silent, seed=5, scratch=tmp_path))]
    assert sum("answered" in found for found in shown) == 4
    assert sum("message.stale" in found for found in shown) == 2
    assert shown[-1].endswith("entries verified, no alarm")
