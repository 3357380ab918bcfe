"""What a municipality's clerk does at the command line: births, moves, deaths, lists; and what others then see."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import topology
from kumihimo.country.desk import Desk
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import Problem

HEADER = "event,on,family,given,family_kana,given_kana,birth,sex,lines,building\n"


def run(country: Country, *words: str) -> str:
    """What a command prints; raises the Problem it ends with."""
    result = CliRunner().invoke(app, [*words, "--country", str(country.folder)])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code in (0, 1), result.output
    return result.output


def born(country: Country, given: str, kana: str, lines: str = "北町7番") -> str:
    """A child registered in X市; its addressee number."""
    words = (
        f"--family 鈴木 --given {given} --family-kana スズキ --given-kana {kana} --birth 2026-05-01 --sex 女".split()
    )
    printed = run(country, "register", "birth", "--in", "x-city", *words, "--lines", lines)
    return printed.splitlines()[-1].split()[0]


def test_a_newborn_gets_a_number_and_a_link_code(country: Country) -> None:
    number = born(country, "春", "ハル")
    desk = Desk.of(country, "x-city")
    assert desk.addressee(number).masked_number.startswith("****-****-")
    desk.issue_missing_codes("番号法第二十一条第二項")
    query = "SELECT count(*) FROM link_code WHERE addressee_number = ?"
    until(lambda: read_cell(country, topology.exchange_of("x-city"), query, number) or None, 10, "the link code")


def test_a_birth_reported_twice_is_one_person(country: Country) -> None:
    born(country, "夏", "ナツ")
    output = run(
        country, "register", "birth", "--in", "x-city", "--family", "鈴木", "--given", "夏", "--family-kana", "スズキ",
        "--given-kana", "ナツ", "--birth", "2026-05-01", "--sex", "女", "--lines", "北町7番",
    )  # fmt: skip
    assert "resident.already_registered" in output


def test_a_move_a_new_name_a_correction_and_a_death_are_one_history(country: Country) -> None:
    number = born(country, "秋", "アキ")
    assert "西町4番5号" in run(
        country, "register", "move", "--in", "x-city", "--about", number, "--lines", "西町4番5号"
    )
    renamed = run(
        country,
        "register",
        "rename",
        "--in",
        "x-city",
        "--about",
        number,
        "--family",
        "佐藤",
        "--family-kana",
        "サトウ",
    )
    assert "佐藤" in renamed
    assert "2026-05-02" in run(
        country, "register", "correct", "--in", "x-city", "--about", number, "--birth", "2026-05-02"
    )
    assert "version 5, died" in run(country, "register", "death", "--in", "x-city", "--about", number)
    with pytest.raises(Problem) as caught:
        run(country, "register", "move", "--in", "x-city", "--about", number, "--lines", "東町1番")
    assert caught.value.code == "resident.event_invalid"
    history = (
        "SELECT group_concat(event) FROM history WHERE resident = (SELECT max(resident) FROM history WHERE event = ?)"
    )
    assert read_cell(country, topology.REGISTRY, history, "rename") is None
    assert read_cell(country, topology.REGISTRY, history, "correction") == "birth,move,name_change,correction,death"


def test_a_list_is_registered_in_bulk_and_every_bad_row_is_named(country: Country, tmp_path: Path) -> None:
    file, report = tmp_path / "転入.csv", tmp_path / "rejected.csv"
    rows = [f"move_in,2026-10-01,山田,{n}子,ヤマダ,コ,昭和55年2月3日,女,東町{n}番," for n in range(1, 31)]
    rows += [
        "move_in,2026-10-01,山田,二郎,ヤマダ,ジロウ,1980-02-30,男,東町1番,",
        "birth,2031-01-01,山田,三郎,ヤマダ,サブロウ,2026-01-01,男,東町1番,",
    ]
    file.write_bytes((HEADER + "\n".join(rows) + "\n").encode("cp932"))
    output = run(country, "register", "import", str(file), "--in", "z-town", "--report", str(report))
    assert "30 registered, 2 rows rejected" in output
    assert "date.impossible" in output
    assert [line.split(",")[0] for line in report.read_text("utf-8-sig").splitlines()] == ["line", "32", "33"]
    again = run(country, "register", "import", str(file), "--in", "z-town")
    assert "0 registered, 32 rows rejected" in again


def test_a_body_has_one_corporate_number(country: Country) -> None:
    first = run(country, "corporate-number", "--name", "株式会社組紐", "--seat", "甲県X市中央1")
    again = run(country, "corporate-number", "--name", "株式会社 組紐", "--seat", "甲県X市中央1")
    assert "newly assigned" in first
    assert again.splitlines()[-1].split()[0] in first


def test_the_oversight_body_has_verified_the_log_and_found_nothing(country: Country) -> None:
    output = until(
        lambda: text if " 0\n" not in (text := run(country, "oversight", "status")).splitlines()[1] + "\n" else None,
        15,
        "a check",
    )
    assert "alarms            0" in output
