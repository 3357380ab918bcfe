"""Days in both calendars: eras change on the day, every spelling is read, and no day is invented."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.calendar import parse_date
from kumihimo.domain.kernel.eras import GREGORIAN_SINCE, Era, format_both, to_wareki
from kumihimo.domain.kernel.errors import Problem


def day_or_code(text: str) -> date | str:
    try:
        return parse_date(text)
    except Problem as problem:
        return problem.code


NEW_YEAR_1975 = [
    "1975-01-01",
    "1975/1/1",
    "1975.1.1",
    "19750101",
    "1975年1月1日",
    "西暦1975年01月01日",
    "昭和50年1月1日",
    "昭和50年01月01日",
    "昭和 50 年 1 月 1 日",
    "昭和５０年１月１日",
    "昭和五十年一月一日",
    "昭和五〇年一月一日",
    "一九七五年一月一日",
    "千九百七十五年一月一日",
    "S50.1.1",
    "s50/1/1",
    "Ｓ５０．１．１",
    "S50-01-01",
    "Ｓ５０－１－１",
    "S500101",
    "昭和50.1.1",
    "㍼50年1月1日",
    " 1975－01－01\n",
    "1975ー1ー1",
]


@pytest.mark.parametrize("written", NEW_YEAR_1975)
def test_a_day_is_read_however_it_is_written(written: str) -> None:
    assert parse_date(written) == date(1975, 1, 1)


@pytest.mark.parametrize(
    ("day", "wareki"),
    [
        (date(1873, 1, 1), "明治6年1月1日"),
        (date(1912, 7, 29), "明治45年7月29日"),
        (date(1912, 7, 30), "大正元年7月30日"),
        (date(1926, 12, 24), "大正15年12月24日"),
        (date(1926, 12, 25), "昭和元年12月25日"),
        (date(1927, 1, 1), "昭和2年1月1日"),
        (date(1989, 1, 7), "昭和64年1月7日"),
        (date(1989, 1, 8), "平成元年1月8日"),
        (date(2019, 4, 30), "平成31年4月30日"),
        (date(2019, 5, 1), "令和元年5月1日"),
        (date(2024, 2, 29), "令和6年2月29日"),
    ],
)
def test_an_era_begins_on_its_day(day: date, wareki: str) -> None:
    assert to_wareki(day) == wareki
    assert parse_date(wareki) == day


def test_every_day_from_1873_to_2100_comes_back_from_the_japanese_calendar() -> None:
    days = (date(2101, 1, 1) - GREGORIAN_SINCE).days
    written = [to_wareki(GREGORIAN_SINCE + timedelta(days=n)) for n in range(days)]
    assert len(set(written)) == days
    assert [parse_date(text) for text in written] == [GREGORIAN_SINCE + timedelta(days=n) for n in range(days)]


@given(st.dates(date(1, 1, 1)))
def test_every_plain_spelling_of_a_day_is_read_back(day: date) -> None:
    for written in (
        day.isoformat(),
        f"{day.year:04d}/{day.month}/{day.day}",
        f"{day.year:04d}{day.month:02d}{day.day:02d}",
        f"{day.year:04d}年{day.month}月{day.day}日",
    ):
        assert parse_date(written) == day


@given(st.dates(date(1912, 7, 30), date(2100, 12, 31)))
def test_every_abbreviated_era_spelling_of_a_day_is_read_back(day: date) -> None:
    era = Era.on(day)
    year = day.year - era.first_year + 1
    assert parse_date(f"{era.letter}{year}.{day.month}.{day.day}") == day
    assert parse_date(f"{era.letter.lower()}{year:02d}{day.month:02d}{day.day:02d}") == day


def test_forms_show_both_calendars() -> None:
    assert format_both(date(1975, 1, 1)) == "昭和50年1月1日 (1975-01-01)"
    assert format_both(date(1868, 9, 8)) == "1868-09-08"


@pytest.mark.parametrize(
    ("written", "would_be"),
    [
        ("平成32年4月1日", "令和2年4月1日 (2020-04-01)"),
        ("H31.5.1", "令和元年5月1日 (2019-05-01)"),
        ("昭和64年1月8日", "平成元年1月8日 (1989-01-08)"),
        ("平成元年1月7日", "昭和64年1月7日 (1989-01-07)"),
        ("大正十五年十二月二十五日", "昭和元年12月25日 (1926-12-25)"),
    ],
)
def test_a_day_outside_its_era_is_refused_with_what_it_would_be(written: str, would_be: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_date(written, where="birth")
    assert (refused.value.code, refused.value.where) == ("date.impossible", "birth")
    assert refused.value.expected == would_be


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("昭和50年2月30日", "a day from 1 to 28 in 1975-02"),
        ("2024-02-30", "a day from 1 to 29 in 2024-02"),
        ("1900/2/29", "a day from 1 to 28 in 1900-02"),
        ("9999-12-32", "a day from 1 to 31 in 9999-12"),
        ("1975-13-01", "a month from 1 to 12"),
        ("S50.0.1", "a month from 1 to 12"),
        ("0000-01-01", "a year from 1 to 9999"),
        ("昭和0年1月1日", "a year from 1 (元年)"),
        ("明治5年12月2日", "a day since 明治6年1月1日"),
    ],
)
def test_a_day_that_does_not_exist_is_refused_with_what_could_be(written: str, expected: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_date(written)
    assert (refused.value.code, refused.value.expected) == ("date.impossible", expected)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "　",
        "75-1-1",
        "1975-1/1",
        "1975",
        "昭和50年",
        "昭和一二十年1月1日",
        "慶応4年1月1日",
        "1975-01-01T00:00",
        "明日",
        "X50.1.1",
    ],
)
def test_what_is_not_a_date_is_refused(written: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_date(written)
    assert refused.value.code == "date.format"


def test_an_individual_number_in_a_date_column_is_not_repeated() -> None:
    with pytest.raises(Problem) as refused:
        parse_date("621498320257")
    assert "6214" not in str(refused.value)


@given(st.text(alphabet="昭和平成令大正明治元年月日SH0123456789-/. 〇一二十百千", max_size=16))
def test_any_text_is_either_a_day_or_a_clear_refusal(text: str) -> None:
    outcome = day_or_code(text)
    assert isinstance(outcome, date) or outcome in ("date.format", "date.impossible")


def test_days_before_the_gregorian_calendar_have_no_era_date() -> None:
    with pytest.raises(Problem, match="lunisolar"):
        to_wareki(date(1872, 12, 31))
