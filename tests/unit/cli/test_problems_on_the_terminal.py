"""A problem is printed with all it knows, on standard error, whatever stands in it."""

from pathlib import Path

import pytest

from kumihimo.cli.desk import asked_year
from kumihimo.cli.problems import print_problem, writing
from kumihimo.domain.kernel import FiscalYear, Problem


def test_a_problem_says_what_where_what_was_expected_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_problem(Problem("date.format", "'x'", where="--birth", expected="a date", advice="Enter it again."))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "Not a date: 'x'",
        "  where    --birth",
        "  expected a date",
        "  do       Enter it again.",
        "  code     date.format",
    ]


@pytest.mark.parametrize("text", ["[/bold]", "[red]x", "[/]", "a [link=x] b"])
def test_what_looks_like_markup_is_printed_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_problem(Problem("value.invalid", text, where=text))
    assert capsys.readouterr().err.count(text) == 2


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_problem(Problem("value.invalid", "a\x1b[2Jb", expected="\u202ec", advice="\x9b"))
    assert not {"\x1b", "\u202e", "\x9b"} & set(capsys.readouterr().err)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    report = tmp_path / "none" / "report.csv"
    with pytest.raises(Problem) as caught, writing(report):
        report.write_text("")
    assert caught.value.code == "file.unwritable"
    assert caught.value.where == str(report)


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("2026", 2026),
        ("2026年度", 2026),
        ("２０２６", 2026),
        ("令和8年度", 2026),
        ("令和8年", 2026),
        ("R8", 2026),
        ("令和元年度", 2019),
        ("平成31年度", 2019),
        ("平成元年度", 1989),
        ("昭和元年度", 1926),
    ],
)
def test_a_fiscal_year_may_be_named_as_officials_write_it(written: str, year: int) -> None:
    assert asked_year(written) == FiscalYear(year)


@pytest.mark.parametrize(
    "written", ["", "abc", "0000", "20266", "9999", "平成40年度", "昭和65年度", "令和0年度", "2026-04"]
)
def test_an_impossible_fiscal_year_is_refused_as_it_was_written(written: str) -> None:
    with pytest.raises(Problem) as caught:
        asked_year(written)
    assert caught.value.code in ("date.format", "date.impossible")
    assert repr(written) in caught.value.detail
    assert caught.value.where == "--year"
    assert "令和8年度" in (caught.value.expected or "")
