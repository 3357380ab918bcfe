"""Years in minutes: a number leaks, a death was none, codes leak, a person was registered twice; all by the commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import topology
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem, Inquired

SECONDS = 30.0
BASIS = "番号法第二十一条第二項"
CODE = "SELECT hex(code) FROM link_code WHERE addressee_number = ?"
NUMBER = "SELECT individual_number FROM addressee WHERE addressee_number = ?"
TAX = {
    "assessed_on": "2026-01-01", "salary_gross": 0, "salary_income": 0, "business_income": 0, "pension_gross": 0,
    "pension_income": 0, "total_income": 0, "deductions": 0, "taxable_income": 0, "income_levy": 0,
    "per_capita_levy": 0, "tax_total": 0, "spouse_supported": False, "dependants": 0, "dependants_under_16": 0,
}  # fmt: skip


def register(country: Country, command: str, *words: str, city: str = "x-city") -> str:
    """What `kumihimo register …` prints; raises the Problem it ends with."""
    result = CliRunner().invoke(app, ["register", command, "--in", city, *words, "--country", str(country.folder)])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code in (0, 1), result.output
    return result.output


@dataclass(frozen=True)
class Known:
    """Somebody with link codes in X市, where they live, and in Y市, which levied their tax."""

    country: Country
    at_x: str
    at_y: str

    def number(self, city: str) -> str:
        own = self.at_x if city == "x-city" else self.at_y
        return str(read_cell(self.country, topology.ledger_of(city), NUMBER, own))

    def codes(self) -> set[str]:
        """Both cities' codes."""
        pairs = (("x-city", self.at_x), ("y-city", self.at_y))
        return {str(read_cell(self.country, topology.exchange_of(city), CODE, own)) for city, own in pairs}

    def inquire(self) -> Inquired:
        """X市 asks Y市 for the tax."""
        return Desk.of(self.country, "x-city").inquire(
            staff=STAFF, case="異動後の照会", addressee_number=self.at_x, provider="y-city",
            affair="child-allowance.payment", items=("local-tax",),
            period=Period(since=date(2026, 4, 1), until=date(2027, 3, 31)),
        )  # fmt: skip


def settled(country: Country, given: str, lines: str) -> Known:
    """Register somebody in X市, have Y市 take them in and place a copy, and wait for both codes."""
    words = f"--family 統合 --given {given} --family-kana トウゴウ --given-kana カナ --birth 2026-01-01 --sex 女"
    printed = register(country, "birth", *words.split(), "--lines", lines)
    at_x = printed.splitlines()[-1].split()[0]
    number = str(read_cell(country, topology.ledger_of("x-city"), NUMBER, at_x))
    x, y = Desk.of(country, "x-city"), Desk.of(country, "y-city")
    at_y = y.take_in(number, BASIS).addressee_number
    for desk, own in ((x, at_x), (y, at_y)):
        desk.issue_missing_codes(BASIS)
        until(lambda d=desk, o=own: _coded(country, d, o), SECONDS, "the link code")  # type: ignore[misc]
    tax = DatedItem(item="local-tax", valid_from=date(2026, 4, 1), valid_until=date(2027, 3, 31), body=TAX)
    assert y.place_copies((CopyOf(addressee_number=at_y, item=tax),)).placed == 1
    return Known(country, at_x, at_y)


def _coded(country: Country, desk: Desk, own: str) -> bool | None:
    try:
        return bool(read_cell(country, topology.exchange_of(desk.institution), CODE, own)) or None
    except Problem:
        return None


@pytest.fixture(scope="module")
def person(country: Country) -> Known:
    found = settled(country, "松", "松町1番")
    assert found.inquire().outcome is Outcome.PROVIDED
    return found


def test_a_leaked_number_is_changed_everywhere_and_the_old_one_still_finds_its_person(person: Known) -> None:
    old = person.number("x-city")
    output = register(person.country, "new-number", "--about", person.at_x, "--reason", "漏えいのおそれ、本人の請求")
    assert person.number("x-city") not in (old, "")
    assert "version 2" in output
    until(lambda: person.number("y-city") == person.number("x-city") or None, SECONDS, "the new number in Y市")
    assert Desk.of(person.country, "y-city").take_in(person.number("x-city"), BASIS).addressee_number == person.at_y
    assert person.inquire().outcome is Outcome.PROVIDED


def test_a_death_that_was_none_is_taken_back(person: Known) -> None:
    assert "died" in register(person.country, "death", "--about", person.at_x)
    revived = register(person.country, "revive", "--about", person.at_x)
    assert "died" not in revived
    assert person.inquire().outcome is Outcome.PROVIDED


def test_leaked_codes_are_replaced_and_the_resident_still_sees_who_looked(person: Known) -> None:
    account = Desk.of(person.country, "x-city").open_portal_account(person.at_x)
    before = person.inquire()
    _seen(person.country, account, before)
    leaked = person.codes()
    register(person.country, "recode", "--about", person.at_x, "--reason", "符号の漏えい")
    until(lambda: not leaked & person.codes() or None, SECONDS, "new codes in both cities")
    after = person.inquire()
    assert after.outcome is Outcome.PROVIDED
    _seen(person.country, account, after)
    _seen(person.country, account, before)


def _seen(country: Country, account: str, asked: Inquired) -> None:
    def shown() -> bool | None:
        return (
            any(one.transaction == asked.transaction for one in ResidentsBrowser.of(country).accesses(account)) or None
        )

    until(shown, SECONDS, "the access in the portal")


def test_one_person_registered_twice_becomes_one_and_two_again(person: Known) -> None:
    country = person.country
    second = settled(country, "竹", "竹町2番")
    register(country, "merge", "--about", person.at_x, "--other", second.at_x)
    y = Desk.of(country, "y-city")
    until(lambda: y.addressee(second.at_y).addressee_number == person.at_y or None, SECONDS, "the merge in Y市")
    until(lambda: person.inquire().outcome is Outcome.PROVIDED or None, SECONDS, "the survivor's answer")
    assert "merge" in register(country, "tasks", city="y-city")
    until(
        lambda: "0 announcements" in register(country, "unacknowledged") or None, SECONDS, "everybody's acknowledgement"
    )
    register(country, "undo", "--about", person.at_x, "--reason", "別人と判明")
    until(lambda: y.addressee(second.at_y).addressee_number == second.at_y or None, SECONDS, "the second person in Y市")
    assert second.inquire().outcome is Outcome.PROVIDED
