"""What institutions know about synthetic residents fits the law, their age and their income."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumihimo.country import topology
from kumihimo.country.people.attributes import information_about
from kumihimo.country.people.items import InformationItem
from kumihimo.country.people.population import households
from kumihimo.country.people.residents import SyntheticResident, YearlyIncome
from kumihimo.country.people.tax import salary_deduction, taxable_income

TODAY = date(2026, 11, 23)
SEED = 4
Known = list[tuple[SyntheticResident, InformationItem]]


@pytest.fixture(scope="module")
def known() -> Known:
    return [
        (next(one for one in home.members if one.number == item.resident), item)
        for home in households(6_000, SEED, today=TODAY)
        for item in information_about(home, SEED, today=TODAY)
    ]


def about(known: Known, item: str) -> list[tuple[SyntheticResident, InformationItem, dict[str, Any]]]:
    return [(who, one, dict(one.body)) for who, one in known if one.item == item]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers())
def test_the_same_seed_gives_the_same_information(seed: int) -> None:
    homes = list(households(40, seed, today=TODAY))
    first = [list(information_about(home, seed, today=TODAY)) for home in homes]
    assert first == [list(information_about(home, seed, today=TODAY)) for home in homes]


def test_every_provider_holds_only_its_own_items_and_each_holds_some(known: Known) -> None:
    seen = {(one.provider, one.item) for _, one in known}
    for provider, item in seen:
        assert item in topology.items_provided(provider)
    assert seen == {
        (provider, item) for provider in topology.institutions() for item in topology.items_provided(provider)
    }


def test_every_item_is_dated_and_ready_for_json(known: Known) -> None:
    for _, one in known:
        assert (one.fiscal_year is None) != (one.valid_from is None)
        if one.valid_from and one.valid_to:
            assert one.valid_from <= one.valid_to
        assert json.loads(json.dumps(one.body)) == one.body


def test_one_item_of_a_kind_has_the_same_keys_for_everybody(known: Known) -> None:
    keys: dict[str, set[frozenset[str]]] = {}
    for _, one in known:
        keys.setdefault(one.item, set()).add(frozenset(one.body))
    assert {item: len(variants) for item, variants in keys.items()} == dict.fromkeys(keys, 1)


def test_hanakos_local_tax_is_held_by_y_city_and_none_of_it_by_x_city(known: Known) -> None:
    hers = [one for who, one, _ in about(known, "local-tax") if who.number == 0]
    assert [(one.provider, one.fiscal_year) for one in hers] == [("y-city", 2024), ("y-city", 2025), ("y-city", 2026)]
    assert all(one.body["total_income"] for one in hers)


def test_hanakos_child_allowance_ended_in_y_city_and_has_not_begun_in_x_city(known: Known) -> None:
    hers = [one for who, one, _ in about(known, "child-allowance") if who.number == 0]
    assert [one.provider for one in hers] == ["y-city"]
    assert hers[0].valid_to == date(2026, 3, 19)


def test_no_body_holds_a_name_an_address_or_a_number_of_a_person(known: Known) -> None:
    for who, one in known:
        written = json.dumps(one.body, ensure_ascii=False)
        assert who.four_items.address.lines not in written
        assert who.four_items.name.family_kana not in written


def test_local_tax_is_levied_by_the_municipality_of_the_first_of_january(known: Known) -> None:
    for who, one, body in about(known, "local-tax"):
        home = who.residence_on(date(one.fiscal_year or 0, 1, 1))
        assert home is not None
        assert home.municipality == one.provider
        assert who.age_on(date.fromisoformat(body["assessed_on"])) >= 15


def test_who_earns_little_pays_no_local_tax_and_who_earns_more_pays_more(known: Known) -> None:
    bodies = [body for _, _, body in about(known, "local-tax")]
    assert all(body["tax_total"] == 0 for body in bodies if body["total_income"] <= 450_000)
    assert all(body["per_capita_levy"] == 5_000 for body in bodies if body["income_levy"] > 0)
    rich = [body["income_levy"] for body in bodies if body["total_income"] > 5_000_000]
    middle = [body["income_levy"] for body in bodies if 1_500_000 < body["total_income"] < 2_500_000]
    assert min(rich) > sum(middle) / len(middle)


@pytest.mark.parametrize(
    ("gross", "year", "deduction"),
    [
        (1_000_000, 2024, 550_000),
        (1_000_000, 2025, 650_000),
        (1_800_000, 2024, 620_000),
        (4_000_000, 2024, 1_240_000),
        (7_000_000, 2024, 1_800_000),
        (8_500_000, 2024, 1_950_000),
        (20_000_000, 2024, 1_950_000),
    ],
)
def test_the_deduction_for_salaries_is_that_of_the_income_tax_act(gross: int, year: int, deduction: int) -> None:
    assert salary_deduction(gross, year) == deduction


@given(salary=st.integers(0, 10**8), pension=st.integers(0, 10**7), year=st.integers(2020, 2030))
def test_income_is_never_negative_nor_more_than_was_earned(salary: int, pension: int, year: int) -> None:
    income = taxable_income(YearlyIncome(year, salary, 0, pension))
    assert 0 <= income.salary <= salary
    assert 0 <= income.pension <= pension


@given(gross=st.integers(0, 10**8))
def test_earning_a_yen_more_never_lowers_the_income(gross: int) -> None:
    lower, higher = (taxable_income(YearlyIncome(2024, yen, 0, 0)).salary for yen in (gross, gross + 1))
    assert lower <= higher


def test_everybody_alive_belongs_to_exactly_one_medical_scheme_and_from_75_to_the_late_elderly(known: Known) -> None:
    schemes = about(known, "medical-insurance")
    alive = {who.number for who, _ in known if who.died is None}
    assert Counter(who.number for who, _, _ in schemes) == Counter(alive)
    for who, one, body in schemes:
        assert (body["scheme"] == "late-elderly") == (who.age_on(TODAY) >= 75) == (one.provider == "late-elderly-union")
        assert (body["scheme"] == "employees") == (one.provider == "health-insurer")


def test_nursing_insurance_begins_at_65_and_the_very_old_are_cared_for_most(known: Known) -> None:
    insured = about(known, "nursing-insurance")
    assert {who.number for who, _, _ in insured} == {
        who.number for who, _ in known if who.age_on(TODAY) >= 65 and who.died is None
    }

    def cared_for(ages: range) -> float:
        bodies = [body for who, _, body in insured if who.age_on(TODAY) in ages]
        return sum(body["care_level"] is not None for body in bodies) / len(bodies)

    assert cared_for(range(65, 75)) < 0.1 < cared_for(range(80, 110))


def test_pensions_are_received_from_65_and_paid_for_before(known: Known) -> None:
    for who, _, body in about(known, "pension"):
        assert (body["status"] == "receiving") == (who.age_on(TODAY) >= 65)
        assert (body["category"] is None) == (body["status"] == "receiving")
        assert who.age_on(TODAY) >= 20


def test_child_allowance_adds_up_and_is_for_children_only(known: Known) -> None:
    for _, _, body in about(known, "child-allowance"):
        assert body["monthly_amount"] == sum(child["monthly_amount"] for child in body["children"]) > 0
        assert all(date.fromisoformat(child["birth"]) > TODAY - timedelta(days=19 * 366) for child in body["children"])


def test_public_assistance_is_rare_and_for_the_town_comes_from_the_prefecture(known: Known) -> None:
    assisted = about(known, "public-assistance")
    assert 0.005 < len(assisted) / 6_000 < 0.05
    for who, one, _ in assisted:
        assert one.provider == ("ko-pref" if who.municipality == "z-town" else who.municipality)


def test_nursery_is_free_from_three_and_only_for_children_below_school_age(known: Known) -> None:
    for who, _, body in about(known, "child-care-fees"):
        assert who.age_on(TODAY) <= 6
        if body["certification"] in (1, 2):
            assert body["monthly_fee"] == 0


def test_student_aid_is_for_students_of_18_and_older(known: Known) -> None:
    for who, _, body in about(known, "student-aid"):
        assert who.age_on(TODAY) >= 18
        assert body["kind"] != "grant" or body["outstanding"] == 0


def test_nobody_gets_a_second_dose_before_the_first(known: Known) -> None:
    given_on: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for who, _, body in about(known, "vaccination"):
        for dose in body["doses"]:
            assert date.fromisoformat(dose["given_on"]) <= TODAY
            if dose["vaccine"] != "influenza":
                given_on.setdefault((who.number, dose["vaccine"]), []).append((dose["dose"], dose["given_on"]))
    assert any(len(doses) == 3 for doses in given_on.values())
    for doses in given_on.values():
        days = [day for _, day in sorted(doses)]
        assert days == sorted(days)


def test_the_dead_leave_a_closed_resident_record_and_no_current_item(known: Known) -> None:
    of_the_dead = [(who, one) for who, one in known if who.died is not None]
    assert {one.item for _, one in of_the_dead} == {"resident-record", "local-tax"}
    last = {who.number: one for who, one in of_the_dead if one.item == "resident-record"}
    assert all(one.body["left_reason"] == "died" for one in last.values())


def test_a_resident_record_says_where_somebody_came_from(known: Known) -> None:
    hers = [one for who, one, _ in about(known, "resident-record") if who.number == 0]
    assert [(one.provider, one.body["moved_in_from"], one.body["left_reason"]) for one in hers] == [
        ("y-city", None, "moved"),
        ("x-city", "y-city", None),
    ]
