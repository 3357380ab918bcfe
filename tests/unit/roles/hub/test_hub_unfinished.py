"""A request that was logged and cut off before operator 2 had heard of it reaches its resident nevertheless."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, NOON, HubCountry, X
from test_hub_refusals import relay, shown, waiting

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.hub.service.permits import PermitDesk
from kumihimo.roles.hub.service.unfinished import Finishing


@pytest.fixture
def code(country: HubCountry) -> bytes:
    """花子's code at X市."""
    country.issue("portal", ["hanako"])
    return country.issue("x-city", ["hanako"])[0]


def finishing(country: HubCountry) -> Finishing:
    found: Finishing = country.apps[HUB_1].state.finishing
    return found


def cut_off(country: HubCountry, code: bytes, **changes: Any) -> None:
    """Operator 1 dies right after the entry was written."""

    def power_cut(*_: object) -> None:
        raise RuntimeError("power cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PermitDesk, "_with_operator_2", power_cut)
        with pytest.raises(Problem, match="internal"):
            country.party(X).inquire(code, **changes)


def later(country: HubCountry, after: timedelta) -> None:
    country.clock.at = NOON + after


def test_a_granted_request_that_was_cut_off_is_passed_on_once_and_forgotten(country: HubCountry, code: bytes) -> None:
    cut_off(country, code)
    entries = len(country.log())
    assert shown(country) == []
    later(country, timedelta(seconds=10))
    finishing(country).round()
    finishing(country).round()
    (access,) = shown(country)
    assert access.logged.record == country.log()[-1]
    assert access.logged.record.granted
    assert len(country.log()) == entries, "nothing was decided anew"
    assert waiting(country) == 0


def test_one_that_was_refused_is_told_by_the_sender_of_refusals(country: HubCountry, code: bytes) -> None:
    cut_off(country, code, items=("pension",))
    later(country, timedelta(seconds=10))
    finishing(country).round()
    assert shown(country) == []
    assert relay(country) == 0
    (access,) = shown(country)
    assert access.logged.record.granted is False
    assert waiting(country) == 0


def test_what_may_still_be_under_way_is_left_alone(country: HubCountry, code: bytes) -> None:
    cut_off(country, code)
    finishing(country).round()
    assert (shown(country), waiting(country)) == ([], 1)


def test_it_waits_for_operator_2(country: HubCountry, code: bytes) -> None:
    cut_off(country, code)
    later(country, timedelta(seconds=10))
    country.down.add(HUB_2)
    finishing(country).round()
    assert waiting(country) == 1
    country.down.clear()
    finishing(country).round()
    assert (len(shown(country)), waiting(country)) == (1, 0)


def test_one_that_operator_2_had_before_the_death_is_not_told_twice(country: HubCountry, code: bytes) -> None:
    country.party(X).inquire(code)  # its row is there still: the process dies before it forgets it
    later(country, timedelta(seconds=10))
    finishing(country)._unfinished._underway.take_heard()
    finishing(country).round()
    assert (len(shown(country)), waiting(country)) == (1, 0)


def test_one_too_old_for_operator_2_is_told_as_interrupted_when_nothing_came_of_it(
    country: HubCountry, code: bytes
) -> None:
    cut_off(country, code)
    later(country, timedelta(minutes=6))
    finishing(country).round()
    assert (shown(country), waiting(country)) == ([], 1), "an outcome may still be reported"
    later(country, timedelta(minutes=16))
    finishing(country).round()
    later(country, timedelta(minutes=17))
    assert relay(country) == 0
    (access,) = shown(country)
    assert access.logged.record.refusal is not None
    assert access.logged.record.refusal.code == "inquiry.interrupted"
    assert waiting(country) == 0
