"""Fiscal years and ages: what year a payment belongs to and how old a resident is on a day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.ages import age_on, age_reached_by_end_of
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.fiscal import FiscalYear, fiscal_year


def test_a_fiscal_year_runs_from_april_to_march() -> None:
    assert fiscal_year(date(2025, 3, 31)) == FiscalYear(2024)
    assert fiscal_year(date(2025, 4, 1)) == FiscalYear(2025)
    assert (FiscalYear(2025).start, FiscalYear(2025).end) == (date(2025, 4, 1), date(2026, 3, 31))


@given(st.dates(date(1873, 4, 1), date(9998, 12, 31)))
def test_every_day_lies_in_its_fiscal_year_and_no_other(day: date) -> None:
    year = fiscal_year(day)
    assert day in year
    assert year.start + timedelta(days=400) not in year
    assert FiscalYear(year.year).end + timedelta(days=1) not in year


@pytest.mark.parametrize(
    ("year", "label"),
    [
        (2025, "令和7年度"),
        (2020, "令和2年度"),
        (2019, "令和元年度"),
        (2018, "平成30年度"),
        (1989, "平成元年度"),
        (1988, "昭和63年度"),
        (1926, "大正15年度"),
        (1873, "明治6年度"),
    ],
)
def test_a_fiscal_year_is_labelled_as_documents_write_it(year: int, label: str) -> None:
    assert str(FiscalYear(year)) == label
    assert FiscalYear.parse(label) == FiscalYear(year)


@given(st.integers(1873, 2100).map(FiscalYear))
def test_a_label_names_one_fiscal_year(year: FiscalYear) -> None:
    assert FiscalYear.parse(year.label) == year
    assert FiscalYear.parse(f"{year.year}年度") == year


@pytest.mark.parametrize(
    "written", ["平成31年度", "令和元年度", "R1", "h31年度", "２０１９年度", "2019", "令和 元 年度"]
)
def test_one_fiscal_year_has_several_names(written: str) -> None:
    assert FiscalYear.parse(written) == FiscalYear(2019)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("昭和64年度", "date.impossible"),
        ("平成0年度", "date.impossible"),
        ("1800", "date.impossible"),
        ("9999", "date.impossible"),
        ("来年度", "date.format"),
        ("", "date.format"),
        ("621498320257", "date.format"),
    ],
)
def test_a_fiscal_year_that_never_was_is_refused(written: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        FiscalYear.parse(written, "period")
    assert (refused.value.code, refused.value.where) == (code, "period")
    assert "6214" not in str(refused.value)


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        (date(1975, 1, 1), date(1975, 1, 1), 0),
        (date(1975, 1, 1), date(2025, 1, 1), 50),
        (date(1975, 1, 2), date(2025, 1, 1), 49),
        (date(2004, 2, 29), date(2025, 2, 28), 20),
        (date(2004, 2, 29), date(2025, 3, 1), 21),
        (date(2004, 2, 29), date(2024, 2, 29), 20),
    ],
)
def test_people_grow_older_on_their_birthday(birth: date, day: date, age: int) -> None:
    assert age_on(birth, day) == age


def test_the_statute_completes_a_year_at_the_end_of_the_day_before_the_birthday() -> None:
    born_on_1_april = date(2019, 4, 1)
    assert age_on(born_on_1_april, date(2025, 3, 31)) == 5
    assert age_reached_by_end_of(born_on_1_april, date(2025, 3, 31)) == 6
    assert age_reached_by_end_of(date(2019, 4, 2), date(2025, 3, 31)) == 5
    assert age_reached_by_end_of(date(2004, 2, 29), date(2025, 2, 28)) == 21


@given(st.dates(date(1900, 1, 1), date(2000, 1, 1)), st.integers(0, 40000))
def test_both_ways_of_counting_differ_only_on_the_day_before_a_birthday(birth: date, days: int) -> None:
    day = birth + timedelta(days=days)
    gained = age_reached_by_end_of(birth, day) - age_on(birth, day)
    assert gained == age_on(birth, day + timedelta(days=1)) - age_on(birth, day)
    assert gained in (0, 1)


def test_nobody_has_an_age_before_birth() -> None:
    with pytest.raises(Problem) as refused:
        age_on(date(2025, 5, 1), date(2025, 4, 30))
    assert refused.value.code == "date.impossible"
