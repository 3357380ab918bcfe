"""Synthetic residents could live in Japan, and the same seed always gives the same ones."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumihimo.country import topology
from kumihimo.country.people.hanako import hanako
from kumihimo.country.people.population import households, residents
from kumihimo.country.people.residents import Household, Occupation, Relation, SyntheticResident
from kumihimo.domain.kernel.institutions import InstitutionId
from kumihimo.domain.kernel.person import Sex

TODAY = date(2026, 11, 23)
KATAKANA = re.compile("[ァ-ヺー]+( [ァ-ヺー]+)*")


@pytest.fixture(scope="module")
def town() -> list[SyntheticResident]:
    return list(residents(20_000, 20261123, today=TODAY))


@pytest.fixture(scope="module")
def homes() -> list[Household]:
    return list(households(20_000, 20261123, today=TODAY))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(), n=st.integers(1, 120))
def test_the_same_seed_gives_the_same_people_and_a_larger_country_begins_with_them(seed: int, n: int) -> None:
    few = list(households(n, seed, today=TODAY))
    more = list(households(n + 50, seed, today=TODAY))
    assert few == list(households(n, seed, today=TODAY))
    assert few[:-1] == more[: len(few) - 1]
    assert few[-1].members == more[len(few) - 1].members[: len(few[-1].members)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(), n=st.integers(0, 150))
def test_there_are_exactly_as_many_residents_as_asked_for_numbered_in_order(seed: int, n: int) -> None:
    assert [one.number for one in residents(n, seed, today=TODAY)] == list(range(n))


def test_another_seed_gives_other_people() -> None:
    one, other = ({r.four_items.key() for r in residents(500, seed, today=TODAY)} for seed in (1, 2))
    assert len(one & other) <= 5


# Who moved on 1 January cannot have spent that day elsewhere.
NOT_NEW_YEAR = st.dates(date(2020, 1, 2), date(2034, 12, 31)).filter(lambda day: (day.month, day.day) != (1, 1))


@given(day=NOT_NEW_YEAR)
def test_soumu_hanako_comes_first_and_moved_from_y_city_to_x_city_this_year(day: date) -> None:
    first = next(iter(residents(3, 5, today=day)))
    assert first == hanako(day)
    assert first.four_items.name.display == "総務　花子"
    assert first.four_items.name.reading_key() == "ソウムハナコ"
    assert (first.sex, first.birth) == (Sex.FEMALE, date(1975, 1, 1))
    moved = first.history[-1].since
    assert moved.year == day.year
    assert moved <= day
    assert [one.municipality for one in first.history] == ["y-city", "x-city"]
    assert first.history[0].until == moved
    new_year = first.residence_on(date(day.year, 1, 1))
    assert new_year is not None
    assert new_year.municipality == "y-city"


@given(day=st.dates(date(2020, 1, 2), date(2034, 12, 31)))
def test_hanako_has_a_child_of_an_age_for_child_allowance_born_at_a_plausible_age(day: date) -> None:
    mother, _, child = residents(3, 5, today=day)
    assert child.relation is Relation.CHILD
    assert 3 <= child.age_on(day) < 15
    assert 35 <= mother.age_on(child.birth) <= 59


def test_every_household_has_one_head_who_comes_first(homes: list[Household]) -> None:
    for home in homes:
        assert [one.relation for one in home.members].count(Relation.HEAD) == 1
        assert home.members[0].relation is Relation.HEAD
        assert {one.household for one in home.members} == {home.number}


def test_mothers_were_19_to_46_when_a_child_was_born(homes: list[Household]) -> None:
    for home in homes[1:]:
        women = [
            one for one in home.members if one.sex is Sex.FEMALE and one.relation in (Relation.HEAD, Relation.SPOUSE)
        ]
        for child in (one for one in home.members if one.relation is Relation.CHILD):
            assert all(18 <= mother.age_on(child.birth) <= 46 for mother in women)


def test_ages_are_those_of_an_old_country(town: list[SyntheticResident]) -> None:
    ages = [one.age_on(TODAY) for one in town]
    assert 0 <= min(ages) <= 1
    assert 90 < max(ages) <= 115
    assert 0.09 < sum(age < 15 for age in ages) / len(ages) < 0.16
    assert 0.24 < sum(age >= 65 for age in ages) / len(ages) < 0.33


def test_household_sizes_are_those_of_the_census(homes: list[Household]) -> None:
    sizes = Counter(len(home.members) for home in homes)
    assert 0.33 < sizes[1] / len(homes) < 0.43
    assert 2.0 < 20_000 / len(homes) < 2.4


def test_most_members_of_a_household_bear_its_family_name(homes: list[Household]) -> None:
    others = [one for home in homes for one in home.members[1:]]
    shared = sum(one.four_items.name.family == homes[one.household].members[0].four_items.name.family for one in others)
    assert 0.95 < shared / len(others) < 1


def test_twins_are_born_sometimes(homes: list[Household]) -> None:
    twins = sum(
        any(a.birth == b.birth for a, b in pairwise(one for one in home.members if one.relation is Relation.CHILD))
        for home in homes
    )
    assert 5 < twins < 120


def test_nobody_in_a_household_shares_a_given_name(homes: list[Household]) -> None:
    for home in homes:
        given_names = [one.four_items.name.given for one in home.members]
        assert len(given_names) - len(set(given_names)) <= 1


def test_every_reading_is_katakana(town: list[SyntheticResident]) -> None:
    for one in town:
        name = one.four_items.name
        assert KATAKANA.fullmatch(name.family_kana), name.family_kana
        assert KATAKANA.fullmatch(name.given_kana), name.given_kana


def test_sato_and_suzuki_are_the_commonest_names_and_frequencies_fall_like_zipfs(town: list[SyntheticResident]) -> None:
    heads = Counter(one.four_items.name.family for one in town if one.relation is Relation.HEAD)
    ranked = [name for name, _ in heads.most_common()]
    assert set(ranked[:2]) == {"佐藤", "鈴木"}
    assert heads[ranked[0]] > 5 * heads[ranked[49]] > 0


@pytest.mark.parametrize("sex", list(Sex))
def test_given_names_are_uneven_as_real_ones_are(town: list[SyntheticResident], sex: Sex) -> None:
    names = Counter(one.four_items.name.given for one in town if one.sex is sex)
    counts = [count for _, count in names.most_common()]
    assert counts[0] > 60
    assert counts[0] > 3 * counts[40]
    assert counts.count(1) > 300


def test_old_women_are_named_ko_and_girls_are_not(town: list[SyntheticResident]) -> None:
    def share(born: range) -> float:
        women = [one for one in town if one.sex is Sex.FEMALE and one.birth.year in born and one.nationality == "JP"]
        return sum(one.four_items.name.given.endswith("子") for one in women) / len(women)

    assert share(range(1935, 1950)) > 0.6
    assert share(range(2005, 2027)) < 0.1


def test_some_people_of_one_name_are_different_people(town: list[SyntheticResident]) -> None:
    shared = Counter(one.four_items.name.display for one in town)
    assert sum(count for count in shared.values() if count > 1) / len(town) > 0.05


def test_a_few_per_cent_are_foreigners(town: list[SyntheticResident]) -> None:
    foreign = [one for one in town if one.nationality != "JP"]
    assert 0.015 < len(foreign) / len(town) < 0.045
    assert any(one.four_items.name.family.isascii() for one in foreign)


def test_address_histories_have_no_gap_begin_after_birth_and_end_with_today_or_death(
    town: list[SyntheticResident],
) -> None:
    for one in town:
        assert one.history[0].since >= one.birth
        for before, after in pairwise(one.history):
            assert before.until == after.since
            assert before.since < after.since
        assert one.history[-1].until == one.died
        assert one.history[-1].since <= TODAY
        assert one.four_items.address == one.history[-1].address


def test_addresses_lie_in_the_municipality_and_carry_its_code(town: list[SyntheticResident]) -> None:
    for one in town:
        for residence in one.history:
            assert residence.address.prefecture == "甲県"
            assert residence.address.municipality == topology.institution(residence.municipality).name_ja
            assert residence.address.code == topology.local_government_code(residence.municipality)


def test_people_move_between_all_three_municipalities(town: list[SyntheticResident]) -> None:
    moves = Counter((a.municipality, b.municipality) for one in town for a, b in pairwise(one.history))
    three = topology.municipalities()
    assert all(moves[a, b] for a in three for b in three if a != b)


def test_about_one_in_a_hundred_died_within_a_year_and_mostly_the_old(town: list[SyntheticResident]) -> None:
    dead = [(one, one.died) for one in town if one.died is not None]
    assert 0.005 < len(dead) / len(town) < 0.02
    assert all(TODAY - timedelta(days=366) <= died <= TODAY for _, died in dead)
    assert sum(one.age_on(died) >= 70 for one, died in dead) / len(dead) > 0.7


def test_children_earn_nothing_and_the_old_have_pensions(town: list[SyntheticResident]) -> None:
    for one in town:
        if one.occupation is Occupation.CHILD:
            assert one.incomes == ()
            assert one.age_on(TODAY) < 15
        if one.age_on(TODAY) >= 70:
            assert one.income_of(2025).pension > 0
        assert one.income_of(1999).salary == 0


def test_a_country_of_one_town_has_everybody_there_but_hanako() -> None:
    only = [InstitutionId("z-town")]
    assert {one.municipality for one in list(residents(200, 3, today=TODAY, municipalities=only))[3:]} == {"z-town"}
