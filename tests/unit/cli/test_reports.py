"""A report of rejected rows is begun before anything is done, and opens in a spreadsheet as it is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kumihimo.cli.reports import begin_report, write_report
from kumihimo.domain.kernel import Problem


def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"file\.unwritable"):
        begin_report(tmp_path / "no such folder" / "report.csv")
    begin_report(None)


def test_a_report_carries_the_mark_by_which_a_spreadsheet_knows_utf_8(tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    begin_report(report)
    write_report(report, ("line", "what"), [(3, "氏名, 不明"), (7, "two\nlines")])
    assert report.read_bytes().startswith(b"\xef\xbb\xbf")
    with report.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["line", "what"], ["3", "氏名, 不明"], ["7", "two\nlines"]]
