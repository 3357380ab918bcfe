"""What the README tells people to do by hand works on a country that is up, and every mistake is said plainly."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from kumihimo.cli.main import app
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.scenarios.first_case import AFFAIR, FirstCase
from kumihimo.country.supervisor import Supervisor, pids
from kumihimo.domain.kernel import Problem

KUMIHIMO = Path(sys.executable).with_name("kumihimo")
LOCAL_TAX = ("--affair", AFFAIR, "--item", "local-tax")


@pytest.fixture(autouse=True, scope="module")
def warnings_on_standard_error() -> Iterator[None]:
    """As the program itself does it: results alone are on standard output."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    structlog.configure(**before)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})


def code_of(result: Result) -> str:
    assert isinstance(result.exception, Problem), result.output
    assert result.stdout == ""
    return result.exception.code


@pytest.fixture(scope="module")
def number(country: Country) -> str:
    """花子's addressee number in X city."""
    return Desk.of(country, "x-city").find(hanako(country.founded).four_items).addressee_number


def find(country: Country, **other: str) -> Result:
    items = {"in": "x-city", "name": "総務 花子", "birth": "昭和50年1月1日", "sex": "女"}
    items |= {"address": "甲県 X市 中央1丁目2番3号", **other}
    return run("find", "--country", str(country.folder), *(part for k, v in items.items() for part in (f"--{k}", v)))


def inquire(country: Country, number: str, *arguments: str, to: str = "y-city") -> Result:
    asked = arguments if "--affair" in arguments else (*LOCAL_TAX, *arguments)
    return run("inquire", "--country", str(country.folder), "--from", "x-city", "--about", number, "--to", to, *asked)


def test_a_caseworker_finds_a_resident_and_sees_only_the_end_of_the_number(country: Country, number: str) -> None:
    found = find(country)
    assert found.exit_code == 0
    assert re.fullmatch(rf"{number}  Individual Number \*{{4}}-\*{{4}}-\d{{4}}\n", found.stdout)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": "総務 花代"}, "addressee.unknown"),
        ({"birth": "1975-02-30"}, "date.impossible"),
        ({"sex": "x"}, "sex.unknown"),
        ({"address": "甲県X市中央1丁目2番3号"}, "value.invalid"),
        ({"in": "q-city"}, "institution.unknown"),
        ({"in": "hub-1"}, "institution.unknown"),
    ],
)
def test_a_search_with_something_wrong_says_what(country: Country, wrong: dict[str, str], code: str) -> None:
    assert code_of(find(country, **wrong)) == code


def test_an_inquiry_is_answered_for_people_and_for_programs(country: Country, number: str) -> None:
    told = inquire(country, number)
    assert told.exit_code == 0
    assert told.stdout.startswith("provided: ")
    assert "income_levy" in told.stdout
    read = json.loads(inquire(country, number, "--json").stdout)
    assert read["outcome"] == "provided"
    assert read["items"][0]["item"] == "local-tax"


def test_a_refused_inquiry_gives_its_reason_and_the_nearest_article(country: Country, number: str) -> None:
    asked = ("--affair", AFFAIR, "--item", "medical-insurance")
    refused = inquire(country, number, *asked, to="health-insurer")
    assert refused.exit_code == 1
    assert refused.stdout.startswith("refused: ")
    assert "code rules.item_not_in_affair; nearest rule: 番号法 別表第二 74の項" in refused.stdout
    as_json = inquire(country, number, *asked, "--json", to="health-insurer")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["refusal"]["code"] == "rules.item_not_in_affair"


def test_nothing_about_a_year_long_ago_is_said_to_be_nothing(country: Country, number: str) -> None:
    none = inquire(country, number, "--year", "令和元年度")
    assert none.exit_code == 1
    assert none.stdout.startswith("none: the provider holds no such information")


def test_an_unknown_affair_is_refused_with_where_to_look(country: Country, number: str) -> None:
    refused = inquire(country, number, "--affair", "no-such-affair", "--item", "local-tax")
    assert refused.exit_code == 1
    assert "affair.unknown" in refused.stdout
    assert "rules list" in refused.stdout


def test_mistakes_are_told_before_anything_is_asked(country: Country, number: str) -> None:
    mistyped = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert code_of(inquire(country, mistyped)) == "addressee_number.check_digit"
    assert code_of(inquire(country, number, to="q-city")) == "institution.unknown"
    assert code_of(inquire(country, number, to="x-city")) == "value.invalid"
    assert code_of(inquire(country, number, "--year", "0000")) == "date.impossible"
    assert code_of(inquire(country, number, "--staff", "nobody")) == "staff.not_entitled"


TAX_COLUMNS = """
    addressee_number valid_from valid_until assessed_on income_levy per_capita_levy tax_total total_income taxable_income
    salary_gross salary_income business_income pension_gross pension_income deductions dependants dependants_under_16
    spouse_supported
"""


def _tax_file(file: Path, number: str, levy: int, encoding: str) -> None:
    columns = TAX_COLUMNS.split()
    good = [
        number,
        "令和2年4月1日",
        "2021-03-31",
        "2020-01-01",
        str(levy),
        "5000",
        str(levy + 5000),
        *["0"] * 10,
        "false",
    ]
    rows = [columns, good, [number[:-1] + "x", *good[1:]], [number, "2020-02-30", "", "2020-01-01", "多額", *good[5:]]]
    with file.open("w", encoding=encoding, newline="") as out:
        csv.writer(out).writerows([*rows, ["短い行"]])


@pytest.mark.parametrize(("encoding", "levy"), [("utf-8", 111_100), ("utf-8-sig", 122_200), ("cp932", 133_300)])
def test_an_import_places_what_is_right_reports_the_rest_and_the_next_inquiry_sees_it(
    country: Country, number: str, tmp_path: Path, encoding: str, levy: int
) -> None:
    there = Desk.of(country, "y-city").find(hanako(country.founded).four_items).addressee_number
    file, report = tmp_path / "tax.csv", tmp_path / "rejected.csv"
    _tax_file(file, there, levy, encoding)
    into = ("--country", str(country.folder), "--into", "y-city", "--item", "local-tax", "--report", str(report))
    imported = run("import", str(file), *into)
    assert imported.exit_code == 1
    assert imported.stdout.startswith("1 placed, 3 rows rejected\n")
    assert "tax.csv:5: 1 columns instead of 18" in imported.stdout
    with report.open(encoding="utf-8-sig", newline="") as read:
        faults = list(csv.DictReader(read))
    assert {(fault["line"], fault["field"]) for fault in faults} == {
        ("3", "addressee_number"), ("4", "valid_from"), ("4", "income_levy"), ("5", ""),
    }  # fmt: skip
    answer = json.loads(inquire(country, number, "--year", "令和2年度", "--json").stdout)
    assert answer["items"][0]["body"]["income_levy"] == levy


def test_a_report_that_cannot_be_written_is_said_before_anything_is_placed(
    country: Country, number: str, tmp_path: Path
) -> None:
    there = Desk.of(country, "y-city").find(hanako(country.founded).four_items).addressee_number
    file = tmp_path / "tax.csv"
    _tax_file(file, there, 999_900, "utf-8")
    into = ("--country", str(country.folder), "--into", "y-city", "--item", "local-tax")
    assert code_of(run("import", str(file), *into, "--report", str(tmp_path / "none" / "r.csv"))) == "file.unwritable"
    assert "999900" not in inquire(country, number, "--year", "2020").stdout


@pytest.mark.parametrize(
    ("requester", "provider", "affair", "item", "article"),
    [
        ("x-city", "y-city", AFFAIR, "local-tax", "番号法 別表第二 74の項"),
        ("x-city", "pension-service", AFFAIR, "pension", "番号法 別表第二 75の項"),
        ("student-aid", "y-city", "student-aid.loans", "local-tax", "番号法 別表第二 106の項"),
    ],
)
def test_three_questions_that_the_law_allows(
    requester: str, provider: str, affair: str, item: str, article: str
) -> None:
    asked = ("--requester", requester, "--provider", provider, "--affair", affair, "--item", item)
    answer = run("rules", "ask", *asked, "--date", "令和8年6月1日")
    assert answer.exit_code == 0
    assert "可 YES  2026-06-01" in answer.stdout
    assert article in answer.stdout


@pytest.mark.parametrize(
    ("requester", "provider", "item", "day", "code", "article"),
    [
        ("x-city", "health-insurer", "medical-insurance", "2026-06-01", "rules.item_not_in_affair", "74の項"),
        ("tax-office", "y-city", "local-tax", "2026-06-01", "rules.requester_not_entitled", "74の項"),
        ("x-city", "pension-service", "local-tax", "2026-06-01", "rules.provider_not_named", "74の項"),
        ("x-city", "y-city", "local-tax", "2017-07-17", "rules.none_in_force", None),
    ],
)
def test_questions_that_the_law_refuses(
    requester: str, provider: str, item: str, day: str, code: str, article: str | None
) -> None:
    asked = ("--requester", requester, "--provider", provider, "--affair", AFFAIR, "--item", item, "--date", day)
    answer = run("rules", "ask", *asked)
    assert answer.exit_code == 1
    assert f"否 NO  {day}" in answer.stdout
    assert code in answer.stdout
    assert article is None or article in answer.stdout


def test_the_log_is_verified_and_goes_on_from_what_was_seen(country: Country, case: FirstCase) -> None:
    assert case.accesses
    verify = ("log", "verify", "--country", str(country.folder))
    assert run(*verify).exit_code == 0
    again = run(*verify)
    assert again.exit_code == 0
    assert "are all still there, unaltered" in again.stdout


def test_a_resident_verifies_a_proof_with_the_keys_of_the_country(
    country: Country, case: FirstCase, tmp_path: Path
) -> None:
    proof = next(one.outcome_proof for one in case.accesses if one.outcome_proof is not None)
    log_key, witness_key = ((country.folder / name).read_text() for name in ("log.vkey", "witness.vkey"))
    file = tmp_path / "proof.json"
    file.write_text(proof)
    verify = ("log", "verify-proof", str(file), "--log-key", log_key)
    verified = run(*verify, "--witness-key", witness_key)
    assert verified.exit_code == 0
    assert "x-city asked y-city for local-tax" in verified.stdout
    assert "the outcome was: provided" in verified.stdout
    assert re.search(r"^On \d{4}-\d\d-\d\d \d\d:\d\d:\d\d JST ", verified.stdout, re.MULTILINE)
    stranger = run(*verify, "--witness-key", log_key)
    assert stranger.exit_code == 1
    assert "log.checkpoint_invalid" in stranger.stderr
    file.write_text(proof.replace("x-city", "z-town"))
    tampered = run(*verify, "--witness-key", witness_key)
    assert tampered.exit_code == 1
    assert tampered.stderr.startswith("Not verified.")
    assert "log.proof_invalid" in tampered.stderr


def test_a_name_of_a_key_file_in_place_of_the_key_is_explained(
    country: Country, case: FirstCase, tmp_path: Path
) -> None:
    file = tmp_path / "proof.json"
    file.write_text(next(one.outcome_proof for one in case.accesses if one.outcome_proof is not None))
    result = run("log", "verify-proof", str(file), "--log-key", str(country.folder / "log.vkey"))
    assert result.exit_code == 1
    assert "--log-key" in result.stderr
    assert "not the name of its file" in result.stderr


def test_status_shows_every_party_whole_on_a_narrow_terminal(country: Country) -> None:
    status = run("country", "status", str(country.folder))
    assert status.exit_code == 0
    assert "…" not in status.stdout
    assert all(party in status.stdout for party in pids(country))


def test_a_country_is_up_once_only(country: Country) -> None:
    before = pids(country)
    with pytest.raises(Problem) as caught:
        Supervisor(country).start()
    assert caught.value.code == "country.running"
    assert pids(country) == before


def test_a_service_that_is_up_already_says_that_its_port_is_taken(country: Country) -> None:
    settings = country.folder / "parties" / "numbering" / "authority" / "role.toml"
    command = [str(KUMIHIMO), "serve", "numbering", "--settings", str(settings)]
    served = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"}, timeout=60)
    assert served.returncode == 1
    assert served.stdout == ""
    assert "port.taken" in served.stderr


def test_migrating_a_store_that_is_current_changes_nothing(country: Country) -> None:
    settings = country.folder / "parties" / "x-city" / "ledger" / "role.toml"
    result = run("migrate", "ledger", "--settings", str(settings))
    assert result.exit_code == 0
    assert "current" in result.stdout
