"""Reports of rejected rows (エラー一覧): CSV files that a spreadsheet opens, all written in one way.

A report is begun before anything is done: one that cannot be written would come too late afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kumihimo.cli.problems import writing
from kumihimo.cli.progress import console
from kumihimo.plumbing.business_files import csv_text

ENCODING = "utf-8-sig"  # the mark tells spreadsheets that it is UTF-8


def begin_report(report: Path | None) -> None:
    """Make the file, empty. Raises Problem(file.unwritable)."""
    if report is not None:
        with writing(report):
            report.write_text("", encoding=ENCODING)


def write_report(report: Path | None, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write the rows below their header and say so; nothing where no report was asked for. Raises Problem(file.unwritable)."""
    if report is None:
        return
    faults = list(rows)
    with writing(report):
        report.write_text(csv_text(header, faults), encoding=ENCODING)
    console.print(f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'} in {report}", markup=False)
