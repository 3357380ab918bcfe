"""A clock that is set back: the log goes on growing, checkpoints never shrink, and the witness is asked again at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hub_country import HUB_1, HUB_2, NOON, OVERSIGHT, HubCountry, X
from hub_witness import WITNESS, OversightBody, sequencer

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import FRESHNESS


@pytest.fixture
def country(hub_keys: Path, tmp_path: Path) -> Iterator[HubCountry]:
    witnessed = {"witnesses": (OVERSIGHT,), "witness_keys": (str(WITNESS.witness_key),)}
    made = HubCountry(hub_keys, tmp_path, overrides={1: witnessed})
    yield made
    for operator in made.operators.values():
        operator.engine.dispose()


def test_checkpoints_only_grow_whatever_the_clock_does(country: HubCountry) -> None:
    body, sequence = OversightBody(country), sequencer(country)
    x, sizes = country.party(X), []
    (hanako,) = country.issue("x-city", ["hanako"])
    for hours in (0, -3, 5, -24, 0):
        country.clock.at = NOON + timedelta(hours=hours)
        assert x.inquire(hanako).permit is not None
        published = sequence.tick()
        assert published is not None
        sizes.append(published.size)
        assert sequence.missing_cosignatures == 0
    assert sizes == sorted(set(sizes))
    assert body.states
    assert [record.logged_at for record in country.log()][-1] == NOON


def test_a_pause_from_before_the_clock_was_set_back_is_not_waited_for(country: HubCountry) -> None:
    sequence = sequencer(country)
    country.issue("x-city", ["hanako"])
    country.clock.at = NOON + timedelta(hours=2)
    country.down.add(OVERSIGHT)
    sequence.tick()
    assert sequence.missing_cosignatures == 1
    country.clock.at = NOON
    country.down.discard(OVERSIGHT)
    OversightBody(country)
    sequence.tick()
    assert sequence.missing_cosignatures == 0


def test_a_request_from_a_clock_set_back_is_stale_and_used_numbers_stay_used(country: HubCountry) -> None:
    x = country.party(X)
    (hanako,) = country.issue("x-city", ["hanako"])
    request = x.request(hanako)
    assert x.send(request).permit is not None
    country.clock.at = NOON - FRESHNESS - timedelta(seconds=1)
    with pytest.raises(Problem) as caught:
        x.send(request)
    assert caught.value.code == "message.stale"
    again = x.request(hanako, transaction=request.transaction)
    refused = x.send(again)
    assert refused.refusal is not None
    assert refused.refusal.code == "message.replayed"
    assert country.operators[HUB_1].edge.clock.now() == country.operators[HUB_2].edge.clock.now()
