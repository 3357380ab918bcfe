"""What comes from offices in words, tables, pictures, files and on the tax sheet: from the people of the country."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import pytest

from kumihimo.country.people.attributes import information_about
from kumihimo.country.people.population import households
from kumihimo.domain.kernel import FixedClock
from kumihimo.domain.kernel.fiscal import FiscalYear
from kumihimo.plumbing.information_items import item_ids, schema_of
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.roles.portal.service.charts import Point, bars, line, timeline
from kumihimo.roles.portal.service.look_ups import Answered, Looked, Question, State
from kumihimo.roles.portal.service.looked import KEPT, OpenLookUps, as_csv, as_json
from kumihimo.roles.portal.service.own_items import ItemWords
from kumihimo.roles.portal.service.tax_sheet import tax_rows

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
TEXTS = tomllib.loads((resources.files("kumihimo.roles.portal") / "texts" / "information.toml").read_text("utf-8"))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - drawn by ourselves


def in_words(lang: str) -> ItemWords:
    def w(key: str, **values: object) -> str:
        return str(TEXTS[key][lang]).format(**values)

    return ItemWords(w, lang, lambda day: day.isoformat())


def dated(item: Any) -> DatedItem:
    year = None if item.fiscal_year is None else FiscalYear(item.fiscal_year)
    since, until = (year.start, year.end) if year else (item.valid_from, item.valid_to)
    return DatedItem(item=item.item, valid_from=since, valid_until=until, body=dict(item.body))


@pytest.fixture(scope="module")
def everything() -> list[tuple[int, str, DatedItem]]:
    """What is held about 400 households: number of the resident, provider, item."""
    return [
        (one.resident, one.provider, dated(one))
        for home in households(1_000, 4, today=TODAY)
        for one in information_about(home, 4, today=TODAY)
    ]


@pytest.fixture(scope="module")
def hanako(everything: list[tuple[int, str, DatedItem]]) -> Looked:
    """Her look-up, as the portal has it in memory."""
    held: dict[Question, list[DatedItem]] = {}
    for number, provider, item in everything:
        if number == 0:
            held.setdefault(Question(provider, item.item), []).append(item)
    answers = [
        Answered(question, State.PROVIDED, f"{place:032x}", tuple(items))
        for place, (question, items) in enumerate(held.items())
    ]
    return Looked(NOW, (*answers, Answered(Question("ko-pref", "public-assistance"), State.WITHHELD, "f" * 32)))


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_item_anybody_has_is_said_in_both_languages_with_all_its_fields(
    everything: list[tuple[int, str, DatedItem]], lang: str
) -> None:
    say, met = in_words(lang), set()
    for _, _, item in everything:
        shown = say.shown(item)
        assert shown.says
        assert "{" not in shown.says
        assert shown.fields or shown.tables
        met.add(item.item)
    assert met == set(item_ids())


def test_a_word_of_every_schema_has_a_text() -> None:
    def words(schema: Any) -> set[str]:
        found = {one for one in schema.get("enum", []) if isinstance(one, str) and one.isascii() and one[0].islower()}
        for part in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
            found |= words(part)
        return found

    for item in item_ids():
        for word in words(schema_of(item)):
            assert f"information.value.{word}" in TEXTS


def test_hanako_sees_years_in_pictures_and_every_value_in_a_table_beside(hanako: Looked) -> None:
    say = in_words("ja")
    for item in ("local-tax", "pension", "medical-insurance", "health-check", "vaccination"):
        items = [one for answered in hanako.provided(item) for one in answered.items]
        pictures = say.pictures(items)
        assert pictures, item
        for picture in pictures:
            assert parsed(str(picture.svg)).attrib["aria-label"] == picture.title
            assert "style=" not in picture.svg
    history = next(iter(hanako.provided("pension"))).items[0].body["history"]
    (table,) = say.shown(next(iter(hanako.provided("pension"))).items[0]).tables
    assert len(table.rows) == len(history) > 2
    assert table.rows[0][0] == str(history[0]["fiscal_year"])


def test_a_picture_says_each_value_and_writes_nothing_from_outside_as_markup() -> None:
    said = lambda value: f"{value:g}"  # noqa: E731
    svg = parsed(str(bars("<b>", [Point("<i>", 3), Point("b", 10)], said)))
    assert [one.text for one in svg.iter("title")] == ["<i> 3", "b 10"]
    heights = [float(one.attrib["height"]) for one in svg.iter("rect")]
    assert heights[0] * 10 == pytest.approx(heights[1] * 3, abs=1)
    assert len(list(parsed(str(line("t", [Point("a", 118), Point("b", 125)], said))).iter("circle"))) == 2
    assert "2021" in timeline("t", [("A", [date(2021, 5, 1)])], lambda day: day.isoformat())


def test_the_tax_sheet_has_incomes_premiums_medical_costs_and_family_with_who_holds_them(hanako: Looked) -> None:
    rows = {row.key: row for row in tax_rows(hanako, NOW)}
    assert rows["salary_gross"].amount == 4_305_000
    assert (rows["salary_gross"].provider, rows["salary_gross"].year) == ("y-city", 2025)
    assert rows["premium.pension"].provider == "pension-service"
    paid = [one["paid"] for one in hanako.provided("medical-insurance")[0].items[0].body["copayments"]]
    assert rows["copayments"].amount == sum(paid)
    assert rows["copayments_above"].amount == 100_000
    assert {row.key for row in rows.values() if row.counted} <= {"dependants", "dependants_under_16"}
    assert all(f"information.tax.{key}" in TEXTS for key in rows)


def test_a_downloaded_file_has_everything_and_says_what_was_withheld(hanako: Looked) -> None:
    document = json.loads(as_json(hanako))
    assert document["answers"][-1]["state"] == "withheld"
    assert document["answers"][-1]["items"] == []
    rows = list(csv.DictReader(io.StringIO(as_csv(hanako).decode("utf-8-sig"))))
    assert {"y-city", "health-insurer"} <= {row["provider"] for row in rows}
    assert {row["value"] for row in rows if row["field"] == "salary_gross"} >= {"4305000"}


def test_a_cell_never_begins_a_formula() -> None:
    item = DatedItem(item="pension", valid_from=TODAY, body={"a": '=HYPERLINK("x")'})
    looked = Looked(NOW, (Answered(Question("x", "pension"), State.PROVIDED, "0" * 32, (item,)),))
    assert "'=HYPERLINK" in as_csv(looked).decode()


def test_a_look_up_is_for_its_session_and_account_and_is_forgotten(hanako: Looked) -> None:
    clock = FixedClock(NOW)
    kept = OpenLookUps(clock)
    kept.keep("s1", "a", hanako)
    assert kept.of("s1", "a") is hanako
    assert kept.of("s2", "a") is kept.of("s1", "b") is None
    clock.at = NOW + KEPT + timedelta(seconds=1)
    assert kept.of("s1", "a") is None
    clock.at = NOW
    kept.keep("s1", "a", hanako)
    kept.forget("s1")
    assert kept.of("s1", "a") is None
