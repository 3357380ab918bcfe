"""The benches: every figure is well formed, and a promise that is not kept is told by the exit status. Nothing here times."""

import json
from collections.abc import Iterator
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kumihimo.cli import bench
from kumihimo.country.benches.figures import Effort, Measured, Reach, Reference, judged
from kumihimo.country.benches.reaches import REACHES
from kumihimo.country.benches.rules import questions
from kumihimo.country.benches.timing import Paired, paired
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem
from kumihimo.domain.law import Permission, RuleBook

FIELDS = ["bench", "figure", "value", "unit", "reference", "ratio", "reach", "holds"]


def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(bench.app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


@pytest.fixture(scope="module")
def everything() -> tuple[int, list[dict[str, Any]], str]:
    """All benches, once. Nothing is promised: how fast this machine is today is no matter of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "REACHES", {})
        return run("all", "--quick")


def test_every_bench_prints_well_formed_figures(everything: tuple[int, list[dict[str, Any]], str]) -> None:
    status, lines, _ = everything
    assert status == 0
    assert {line["bench"] for line in lines} == set(bench.BENCHES)
    for line in lines:
        assert list(line) == FIELDS
        assert line["unit"]
        assert line["reach"] is line["holds"] is None
        for number in (line["value"], line["reference"]["value"], line["ratio"]):
            assert isfinite(number)
            assert number > 0


def test_every_promise_is_about_a_figure_that_is_measured(everything: tuple[int, list[dict[str, Any]], str]) -> None:
    _, lines, _ = everything
    measured = {f"{line['bench']}.{line['figure']}" for line in lines}
    assert {
        name for name in REACHES if not name.startswith(("inquiry.", "batch.", "portal.", "notices.", "login."))
    } <= measured


def test_all_says_loudly_that_inquiries_are_not_measured_without_a_country(
    everything: tuple[int, list[dict[str, Any]], str],
) -> None:
    _, _, errors = everything
    assert "inquiry: NOT MEASURED" in errors
    assert "--country" in errors


@pytest.fixture
def one_quick_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in bench of two known figures."""

    def measure(_effort: Effort) -> Iterator[Measured]:
        yield Measured("fast", "enough", 2.0, "µs", Reference("an empty call", 1.0), 2.0)
        yield Measured("fast", "other", 7.0, "µs")

    monkeypatch.setattr(bench, "BENCHES", {"fast": (measure, "")})


@pytest.mark.usefixtures("one_quick_bench")
def test_a_kept_promise_ends_with_status_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "REACHES", {"fast.enough": Reach("value", "<=", 2)})
    status, lines, _ = run("all", "--quick")
    assert status == 0
    assert [line["holds"] for line in lines] == [True, None]
    assert lines[0]["reach"] == "value <= 2"


@pytest.mark.usefixtures("one_quick_bench")
def test_an_impossible_promise_ends_with_status_1_after_all_figures_are_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "REACHES", {"fast.enough": Reach("value", "<", 0)})
    status, lines, errors = run("all", "--quick")
    assert status == 1
    assert [line["holds"] for line in lines] == [False, None]
    assert "not held: fast.enough" in errors


def test_the_rules_bench_itself_fails_when_nothing_can_be_fast_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REACHES, "rules.decision", Reach("value", "<", 0))
    status, lines, errors = run("rules", "--quick")
    assert status == 1
    assert {line["figure"]: line["holds"] for line in lines}["decision"] is False
    assert "rules.decision" in errors


def test_inquiries_need_a_country(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench.app, ["inquiry", "--quick", "--country", str(tmp_path / "nowhere")])
    assert isinstance(result.exception, Problem)
    assert result.exception.code == "country.missing"


def test_inquiries_need_a_country_that_is_up(tmp_path: Path) -> None:
    Country(tmp_path, 1, 3, date(2026, 6, 1), {}).save()
    result = CliRunner().invoke(bench.app, ["inquiry", "--quick", "--country", str(tmp_path)])
    assert isinstance(result.exception, Problem)
    assert result.exception.code == "country.not_running"


def test_a_ratio_that_was_not_measured_keeps_no_promise() -> None:
    figure = judged(Measured("fast", "enough", 1.0, "µs"), {"fast.enough": Reach("ratio", ">=", 0.0)})
    assert figure.holds is False


def test_subject_and_reference_take_turns_and_both_are_warmed_up() -> None:
    calls: list[str] = []
    found = paired(lambda: calls.append("subject"), lambda: calls.append("reference"), rounds=3)
    assert calls == ["subject", "reference", "subject", "reference", "reference", "subject", "subject", "reference"]
    assert len(found.subject) == len(found.reference) == 3


def test_a_ratio_compares_rounds_with_their_own_reference() -> None:
    found = Paired(subject=(2.0, 20.0, 4.0), reference=(1.0, 10.0, 1.0))
    assert (found.seconds, found.reference_seconds) == (4.0, 1.0)
    assert (found.time_ratio, found.rate_ratio) == (2.0, 0.5)


def test_the_mix_asks_about_every_rule_and_is_refused_for_every_reason() -> None:
    book = RuleBook.load()
    answers = [book.ask(question) for question in questions(book)]
    permitted = [answer for answer in answers if isinstance(answer, Permission)]
    codes = {answer.code for answer in answers if not isinstance(answer, Permission)}
    assert len(permitted) >= len(book.rules)
    assert codes >= {
        "affair.unknown",
        "institution.unknown",
        "rules.item_not_in_affair",
        "rules.none_in_force",
        "rules.provider_not_named",
        "rules.requester_not_entitled",
    }
