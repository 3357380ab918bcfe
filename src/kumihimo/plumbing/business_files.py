"""Files of business systems (業務システムのファイル): the two encodings that municipal systems write, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from kumihimo.domain.kernel.errors import Problem

_FORMULAS: Final = frozenset("=+-@\t\r")
_ENCODINGS: Final = ("utf-8-sig", "cp932")


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without byte order mark, or CP932. Raises Problem(file.unreadable)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        raise Problem("file.unreadable", reason, where=path.name, expected="a readable file") from None
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    expected = "text in one of the two"
    raise Problem("file.unreadable", "neither UTF-8 nor CP932", where=path.name, expected=expected)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows below their header as CSV for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def spreadsheet(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The same as a file for people: with the mark by which spreadsheets know UTF-8, and no cell they take for a formula."""
    harmless = ([f"'{one}" if isinstance(one, str) and one[:1] in _FORMULAS else one for one in row] for row in rows)
    return csv_text(header, harmless).encode("utf-8-sig")
