"""Answers by hand on a running country: pending, decided by an officer, fetched, seen by the resident."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import topology
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.desk import ResidentsBrowser
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF, FirstCase
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquired

OUTCOMES = 'SELECT count(*) FROM entry WHERE transaction_number = ? AND record LIKE \'%"entry":"outcome"%\''


@pytest.fixture
def x_city(country: Country) -> OfficersDesk:
    return OfficersDesk.of(country, "x-city")


@pytest.fixture
def y_city(country: Country, case: FirstCase) -> Iterator[OfficersDesk]:
    """Y市, where somebody must answer for 花子 by hand."""
    desk = OfficersDesk.of(country, "y-city")
    at_y = desk.find(case.person).addressee_number
    desk.protect(at_y, FlagKind.ANSWER_BY_HAND)
    yield desk
    for kind in FlagKind:
        desk.lift(at_y, kind)


def ask(desk: OfficersDesk, case: FirstCase) -> Inquired:
    return desk.inquire(
        staff=STAFF, case=CASE, addressee_number=case.addressee.addressee_number, provider="y-city", affair=AFFAIR,
        items=("local-tax",), period=Period(since=case.year.start, until=case.year.end),
    )  # fmt: skip


def seen_by_the_resident(country: Country, case: FirstCase, transaction: str, outcome: Outcome) -> None:
    def shown() -> bool | None:
        seen = ResidentsBrowser.of(country).accesses(case.account)
        told = [one.outcome for one in seen if one.transaction == transaction]
        return (told and told[0] is not None and told[0].outcome is outcome) or None

    until(shown, 15, f"the portal's {outcome}")


def test_an_officer_answers_and_the_requester_fetches_it_under_the_same_number(
    country: Country, case: FirstCase, x_city: OfficersDesk, y_city: OfficersDesk
) -> None:
    asked = ask(x_city, case)
    assert (asked.outcome, asked.items) == (Outcome.PENDING, ())
    (waiting,) = [one for one in y_city.pending() if one.transaction == asked.transaction]
    assert (waiting.requester, waiting.items, waiting.overdue) == ("x-city", ("local-tax",), False)
    assert (waiting.due_at - waiting.asked_at).days == 14
    seen_by_the_resident(country, case, asked.transaction, Outcome.PENDING)
    assert x_city.fetch(STAFF, asked.transaction).outcome is Outcome.PENDING
    assert y_city.answer(STAFF, asked.transaction) is Outcome.PROVIDED
    fetched = x_city.fetch(STAFF, asked.transaction)
    assert (fetched.outcome, fetched.transaction) == (Outcome.PROVIDED, asked.transaction)
    assert [item.item for item in fetched.items] == ["local-tax"]
    assert x_city.fetch(STAFF, asked.transaction).items == fetched.items, "an answer lost on the way comes again"
    assert [one for one in y_city.pending() if one.transaction == asked.transaction] == []
    (mine,) = x_city.records(None, asked.transaction)
    (theirs,) = y_city.records(None, asked.transaction)
    assert (mine.outcome, theirs.outcome, theirs.staff) == (Outcome.PROVIDED, Outcome.PROVIDED, STAFF)
    assert mine.payload_hash == theirs.payload_hash is not None
    seen_by_the_resident(country, case, asked.transaction, Outcome.PROVIDED)
    assert read_cell(country, topology.HUB_1, OUTCOMES, asked.transaction) == 2, "pending, then provided, each once"


def test_what_an_officer_withholds_comes_without_a_word(
    country: Country, case: FirstCase, x_city: OfficersDesk, y_city: OfficersDesk
) -> None:
    asked = ask(x_city, case)
    assert y_city.withhold(STAFF, asked.transaction) is Outcome.WITHHELD
    fetched = x_city.fetch(STAFF, asked.transaction)
    assert (fetched.outcome, fetched.items) == (Outcome.WITHHELD, ())
    seen_by_the_resident(country, case, asked.transaction, Outcome.WITHHELD)


def test_nobody_else_can_fetch_it(case: FirstCase, x_city: OfficersDesk, y_city: OfficersDesk) -> None:
    asked = ask(x_city, case)
    y_city.answer(STAFF, asked.transaction)
    for desk in (OfficersDesk.of(x_city.country, "z-town"), y_city):
        with pytest.raises(Problem) as caught:
            desk.fetch(STAFF, asked.transaction)
        assert caught.value.code == "transaction.unknown"
    with pytest.raises(Problem) as caught:
        x_city.fetch("toshokan-07", asked.transaction)
    assert caught.value.code == "staff.not_entitled"


def test_the_whole_way_by_command(country: Country, case: FirstCase, x_city: OfficersDesk, tmp_path: Path) -> None:
    def command(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [*words, "--country", str(country.folder)])
        return result.exit_code, result.output

    at_y = OfficersDesk.of(country, "y-city").find(case.person).addressee_number
    flag = ("--in", "y-city", "--about", at_y, "--kind", "answer_by_hand", "--item", "local-tax")
    status, text = command("protect", *flag)
    assert status == 0
    assert "answer_by_hand  local-tax\n1 flags\n" in text
    answered, refused = ask(x_city, case).transaction, ask(x_city, case).transaction
    status, text = command("pending", "list", "--in", "y-city")
    assert status == 0
    assert answered in text
    assert refused in text
    corrected = tmp_path / "items.json"
    (item,) = case.granted.items
    body = item.model_dump(mode="json")
    body["body"]["total_income"] = 1_234_567
    corrected.write_text(json.dumps([body]))
    answer = ("pending", "answer", "--in", "y-city", "--transaction", answered, "--items", str(corrected))
    assert command(*answer)[0] == 0
    assert command("pending", "refuse", "--in", "y-city", "--transaction", refused)[0] == 0
    status, text = command("fetch", "--from", "x-city", "--transaction", answered)
    assert status == 0
    assert "1234567" in text
    status, text = command("fetch", "--from", "x-city", "--transaction", refused)
    assert status == 1
    assert "withheld" in text
    status, text = command("protect", *flag, "--lift")
    assert text.endswith("0 flags\n")
