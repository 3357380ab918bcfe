"""Years of changes: whatever happens to registrations, and however late, often or oddly ordered it is told, ledgers agree."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from registry_country import NOW, RegistryCountry, items_of, prepare

from kumihimo.domain.kernel import FixedClock, IndividualNumber, Problem
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import ResidentSnapshot, Standing
from kumihimo.roles.gateway.api.ledger import following
from kumihimo.roles.gateway.service.addressees import person_of
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.registry.service.residents import Reported

CITIES = ("x-city", "y-city")
LEDGERS = (*CITIES, "pension")
TODAY = date(2026, 6, 1)
ACTS = st.tuples(
    st.sampled_from(
        [
            Kind.NUMBER_CHANGE, Kind.DEATH, Kind.REVIVAL, Kind.ASSIGNMENT_CANCELLED, Kind.MERGE, Kind.MERGE,
            Kind.SPLIT, Kind.RECODE, Kind.UNDO, Kind.UNDO, Kind.MOVE,
        ]
    ),
    st.integers(0, 7),
    st.integers(0, 7),
    st.sampled_from(CITIES),
)  # fmt: skip


@dataclass
class Ledgers:
    """Three institutions' ledgers on real stores, to which the registry's feed is brought by a careless postman."""

    country: RegistryCountry
    folder: Path
    stores: dict[str, LedgerStore] = field(default_factory=dict)
    engines: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in LEDGERS:
            engine = open_engine(f"sqlite:///{self.folder}/{name}.db")
            self.engines[name] = engine
            self.stores[name] = LedgerStore(engine, name)

    def enter(self, name: str, found: Sequence[ResidentSnapshot]) -> None:
        self.stores[name].enter([person_of(one) for one in found], NOW)

    def deliver(self, name: str, order: Sequence[int]) -> None:
        """Every item of the feed at least once, in an order and with repeats that `order` tells."""
        items = self.country.heard(f"{name}/ledger")
        apply = following(self.stores[name], FixedClock(NOW))
        brought = sorted(items, key=lambda item: order[item.seq % len(order)])
        again = [item for item in brought if order[item.seq % len(order)] % 3 == 0]
        with self.engines[name].begin() as conn:
            for item in [*brought, *again]:
                apply(conn, item)


@pytest.fixture(scope="module")
def empty_stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lives")
    prepare(folder, LEDGERS)
    return folder


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    acts=[(Kind.NUMBER_CHANGE, 0, 0, "x-city"), (Kind.MERGE, 1, 0, "x-city"), (Kind.MERGE, 2, 0, "x-city")],
    order=list(range(13)),
)
@given(acts=st.lists(ACTS, min_size=3, max_size=12), order=st.permutations(list(range(13))))
def test_every_institution_agrees_with_the_registry_in_the_end(
    empty_stores: Path, acts: list[tuple[Kind, int, int, str]], order: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(empty_stores, folder, dirs_exist_ok=True)
        country = RegistryCountry(Path(folder))
        ledgers = Ledgers(country, Path(folder))
        for n, city in enumerate(("x-city", "x-city", "x-city", "y-city")):
            country.residents.report(city, Reported(Kind.BIRTH, TODAY, None, items_of(n), "出生届"))
        for one in list(country.everybody())[:3]:
            ledgers.enter("pension", country.look_ups.find("pension", number=one.individual_number))
        for serial, act in enumerate(acts):
            _act(country, act, serial)
        for name in LEDGERS:
            ledgers.deliver(name, order)
            _agrees(country, ledgers, name)
        _nothing_was_reused(country)


def _act(country: RegistryCountry, act: tuple[Kind, int, int, str], serial: int) -> None:
    """Report something that may or may not fit; what does not fit must leave everything as it was."""
    kind, first, second, _ = act
    everybody = country.everybody()
    about, other = everybody[first % len(everybody)], everybody[second % len(everybody)]
    items = items_of(100 + serial) if kind is Kind.SPLIT else None
    city = act[3] if kind is Kind.MOVE else about.municipality
    if kind is Kind.MOVE:
        items = about.four_items
    reported = Reported(kind, TODAY, None, items, "理由", about.individual_number, other.individual_number)
    before = country.dump()
    try:
        if kind in (Kind.DEATH, Kind.MOVE):
            country.residents.report(city, reported)
        else:
            country.lives.report(city, reported)
    except Problem:
        assert country.dump() == before


def _agrees(country: RegistryCountry, ledgers: Ledgers, name: str) -> None:
    store = ledgers.stores[name]
    subscribed = country.subscriptions(name)
    for one in country.everybody():
        told = country.snapshot(one)
        entry = store.by_individual_number(IndividualNumber(one.individual_number))
        if one.id in subscribed and one.municipality == name and one.standing is Standing.ACTIVE:
            assert entry is not None
        exact = country.entry_of(ledgers.engines[name], name, told)
        if exact is None:
            continue
        mine = exact.person
        assert (mine.individual_number.digits, mine.version) == (told.individual_number, told.version)
        assert (mine.standing, mine.alive, mine.residence) == (told.standing, told.alive, told.municipality)
        assert mine.four_items == told.four_items.read()
        # Every number a person ever had leads to the registration that stands for them, if it is here.
        survivor = country.survivor(one)
        if survivor is not None and country.entry_of(ledgers.engines[name], name, country.snapshot(survivor)):
            for number in (told.individual_number, *told.former_numbers):
                found = store.by_individual_number(IndividualNumber(number))
                assert found is not None
                assert found.person.individual_number.digits == survivor.individual_number


def _nothing_was_reused(country: RegistryCountry) -> None:
    """Each number belongs to one resident code for ever, and numbering and registry agree on those in force."""
    drawn = country.assignments()
    assert len({number for number, _, _ in drawn}) == len(drawn)
    in_force = {(code, number) for number, code, until in drawn if until is None}
    active = {
        (one.resident_code, one.individual_number) for one in country.everybody() if one.standing is Standing.ACTIVE
    }
    assert in_force == active
