"""`kumihimo rules`: yes or no with the article and the reason, for people and for programs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kumihimo.cli.rules import app
from kumihimo.domain.law.documents import ordinance_example

CHILD_ALLOWANCE = ["--affair", "child-allowance.payment"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def ask(requester: str, provider: str, *arguments: str, day: str = "2026-06-01") -> Result:
    return run("ask", "--requester", requester, "--provider", provider, "--date", day, *arguments)


def test_a_city_is_told_yes_with_article_and_reason_in_both_languages() -> None:
    answer = ask("x-city", "y-city", *CHILD_ALLOWANCE, "--item", "local-tax")
    assert answer.exit_code == 0
    assert "YES" in answer.stdout
    assert "番号法 別表第二 74の項 (act-2016/74/169)" in answer.stdout
    assert "X市は、児童手当の支給のため、Y市に地方税関係情報を求めることができます" in answer.stdout
    assert "X City may ask Y City" in answer.stdout


def test_classes_may_stand_for_institutions() -> None:
    assert ask("city", "pension-service", *CHILD_ALLOWANCE, "--item", "pension").exit_code == 0
    assert ask("q-city=city", "y-city", *CHILD_ALLOWANCE, "--item", "local-tax").exit_code == 0


def test_a_no_says_what_would_be_permitted() -> None:
    answer = ask("x-city", "pension-service", *CHILD_ALLOWANCE, "--item", "local-tax")
    assert answer.exit_code == 1
    assert "NO" in answer.stdout
    assert "rules.provider_not_named" in answer.stdout
    assert "市町村長" in answer.stdout
    assert "74の項" in answer.stdout


def test_a_program_reads_the_answer_as_json() -> None:
    yes = json.loads(ask("x-city", "y-city", *CHILD_ALLOWANCE, "--item", "local-tax", "--json").stdout)
    assert yes["permitted"] is True
    assert yes["rules"] == ["act-2016/74/169"]
    assert yes["day"] == "2026-06-01"
    no = json.loads(ask("x-city", "y-city", *CHILD_ALLOWANCE, "--item", "vaccination", "--json").stdout)
    assert no["permitted"] is False
    assert no["code"] == "rules.item_not_in_affair"
    assert no["item"] == "vaccination"
    assert no["book_sha256"] == yes["book_sha256"]


def test_the_day_decides() -> None:
    assert ask("x-city", "y-city", *CHILD_ALLOWANCE, "--item", "local-tax", day="2017-07-17").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--affair", "library.cards", "--item", "pension"], "affair.unknown"),
        ([*CHILD_ALLOWANCE, "--item", "local-taxes"], "item.unknown"),
    ],
)
def test_a_question_with_an_unknown_name_is_bad_input(arguments: list[str], code: str) -> None:
    answer = ask("x-city", "y-city", *arguments)
    assert answer.exit_code == 2
    assert code in answer.stderr
    assert "Did you mean" in answer.stderr


def test_an_unknown_party_is_bad_input() -> None:
    answer = ask("x-citty", "y-city", *CHILD_ALLOWANCE, "--item", "local-tax")
    assert answer.exit_code == 2
    assert "x-city" in answer.stderr


def test_an_impossible_date_is_bad_input() -> None:
    assert ask("x-city", "y-city", *CHILD_ALLOWANCE, "--item", "local-tax", day="2026-02-30").exit_code == 2


def test_an_ordinance_is_loaded_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ordinance.toml"
    file.write_text(ordinance_example(), encoding="utf-8")
    arguments = ["--affair", "x-city.child-medical-subsidy", "--item", "local-tax", "--book", str(file)]
    assert ask("x-city", "y-city", *arguments).exit_code == 0
    assert ask("y-city", "x-city", *arguments).exit_code == 1


def test_a_broken_file_is_bad_input_and_names_the_mistake(tmp_path: Path) -> None:
    file = tmp_path / "ordinance.toml"
    file.write_text(ordinance_example().replace('items = ["local-tax"]', 'items = ["tax"]'), encoding="utf-8")
    answer = run("list", "--book", str(file))
    assert answer.exit_code == 2
    assert "ordinance.toml" in answer.stderr
    assert "'tax'" in answer.stderr


def test_the_list_has_all_rules_and_narrows_by_affair_requester_item_and_day() -> None:
    def rows(*arguments: str) -> set[int]:
        return {rule["row"] for rule in json.loads(run("list", "--json", *arguments).stdout)["rules"]}

    assert rows() == set(range(1, 261)) - {90}
    assert rows(*CHILD_ALLOWANCE) == {169, 170}
    assert rows(*CHILD_ALLOWANCE, "--requester", "child-allowance-employer") == {169}
    assert rows(*CHILD_ALLOWANCE, "--item", "pension") == {170}
    assert rows(*CHILD_ALLOWANCE, "--date", "2010-01-01") == set()
    assert rows("--affair", "public-assistance.decision", "--requester", "z-town") == set()
    assert len(rows("--affair", "public-assistance.decision", "--requester", "x-city")) == 13


def test_the_list_is_readable_too() -> None:
    shown = run("list", *CHILD_ALLOWANCE)
    assert shown.exit_code == 0
    assert "act-2016/74/169" in shown.stdout
    assert "児童手当の支給" in shown.stdout
    assert "2 of 273 rules" in shown.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("act-2016/74/169", "番号法 別表第二 74の項"),
        ("child-allowance.payment", "act-2016/75/170"),
        ("local-tax", "地方税関係情報"),
        ("medical-insurer", "national-health-insurance-society"),
        ("public-housing-municipality", "[公営住宅法第二条第十六号に規定する事業主体である]市町村長"),
    ],
)
def test_a_rule_an_affair_an_item_and_a_class_can_be_shown(name: str, told: str) -> None:
    shown = run("show", name)
    assert shown.exit_code == 0
    assert told in shown.stdout
    assert json.loads(run("show", name, "--json").stdout)["rules"]


def test_what_is_not_in_the_book_cannot_be_shown() -> None:
    assert run("show", "library.cards").exit_code == 2
