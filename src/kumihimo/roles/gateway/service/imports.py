"""Reading copies out of business systems' files (副本の取込): CSV or JSON in, copies and a report of every rejected row out.

Pure reading: nothing is stored here. CSV is UTF-8 with or without a mark, or CP932 (Shift_JIS as Windows writes it), with one
header row: addressee_number, valid_from, valid_until, then the keys of the item's schema; lists and objects are JSON text.
JSON is a list of objects, or one object a line, with the same keys. Numbers and dates may be in full width, dates in either
calendar. A row with anything wrong is rejected with everything that is wrong with it, and the others are accepted.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TypeVar

from kumihimo.domain.kernel import AddresseeNumber, Problem, parse_date
from kumihimo.plumbing.business_files import read_text
from kumihimo.plumbing.information_items import faults, schema_of
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.roles.gateway.service.coercion import coerced

FAULT_COLUMNS: Final = ("line", "field", "what", "expected")
HEADER: Final = ("addressee_number", "valid_from", "valid_until")
Row = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True)
class RejectedRow:
    """One thing wrong with one row. `line` is the line of the file (1 is the first, in CSV the header)."""

    line: int
    field: str
    what: str
    expected: str


@dataclass(frozen=True)
class ImportReport:
    """What a file held: copies ready to be placed, and every fault of every row that is not."""

    source: str
    item: str
    accepted: tuple[CopyOf, ...]
    rejected: tuple[RejectedRow, ...]
    lines: tuple[int, ...]  # of the accepted rows, in their order

    @property
    def rejected_rows(self) -> int:
        """How many rows were rejected; a row may have several faults."""
        return len({fault.line for fault in self.rejected})

    def fault_rows(self) -> list[tuple[object, ...]]:
        """The faults for a report, in the order of `FAULT_COLUMNS`."""
        return [(fault.line, fault.field, fault.what, fault.expected) for fault in self.rejected]

    def to_text(self) -> str:
        """The report for a person: one line a fault, and a summary."""
        lines = [
            f"{self.source}:{fault.line}: {fault.field}: {fault.what}, expected {fault.expected}"
            for fault in self.rejected
        ]
        summary = f"{self.item}: {len(self.accepted)} rows accepted, {self.rejected_rows} rejected"
        return "\n".join([*lines, summary])


def read_copies(path: Path, item: str) -> ImportReport:
    """Read a file of one information item; the format follows from the name: .csv, .json, .jsonl or .ndjson.

    Raises Problem(item.unknown), and Problem(file.unreadable) for a file that cannot be read as a whole: missing, of another
    kind, in another encoding, without the columns that are always needed.
    """
    schema_of(item)
    text = read_text(path)
    match path.suffix.lower():
        case ".csv":
            rows = _csv_rows(text, path, item)
        case ".json" | ".jsonl" | ".ndjson":
            rows = _json_rows(text, path)
        case other:
            raise _unreadable(path, f"the ending {other!r}", "a file ending in .csv, .json, .jsonl or .ndjson")
    accepted: list[CopyOf] = []
    lines: list[int] = []
    rejected: list[RejectedRow] = []
    seen: dict[tuple[str, date], int] = {}
    for line, row in rows:
        copy, wrong = _copy(line, row, item)
        if copy is not None:
            key = (copy.addressee_number, copy.item.valid_from)
            if (first := seen.setdefault(key, line)) != line:
                copy, wrong = None, [RejectedRow(line, "valid_from", f"the same as in line {first}", "each copy once")]
        if copy is not None:
            accepted.append(copy)
            lines.append(line)
        rejected.extend(wrong)
    return ImportReport(path.name, item, tuple(accepted), tuple(rejected), tuple(lines))


def _csv_rows(text: str, path: Path, item: str) -> Iterator[tuple[int, Row | str]]:
    """Rows with their line numbers; a text instead of a row says why the row cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error):
        raise _unreadable(path, "no header row", ", ".join(HEADER)) from None
    missing = [name for name in HEADER[:2] if name not in header]
    known = {*HEADER, *schema_of(item)["properties"]}
    unknown = [name for name in header if name not in known]
    twice = sorted({name for name in header if header.count(name) > 1})
    for what, names in (("columns are missing", missing), ("unknown columns", unknown), ("columns occur twice", twice)):
        if names:
            wanted = f"{', '.join(HEADER)} and the keys of {item}"
            raise _unreadable(path, f"{what}: {', '.join(name[:40] for name in names)}", wanted)
    line = reader.line_num
    while True:
        first = line + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield first, "quotation marks that do not match"
            return
        line = reader.line_num
        if not values:
            continue
        if len(values) != len(header):
            yield first, f"{len(values)} columns instead of {len(header)}"
        else:
            yield first, dict(zip(header, values, strict=True))


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Row | str]]:
    """Rows of a list, numbered as its elements, or of lines, numbered as lines."""
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text, parse_float=_no_float)
        except (ValueError, RecursionError) as error:
            where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise _unreadable(path, f"not JSON{where}", "a list of objects") from None
        yield from ((number, row if isinstance(row, dict) else _NO_OBJECT) for number, row in enumerate(rows, start=1))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=_no_float)
        except (ValueError, RecursionError):
            yield number, "not JSON"
        else:
            yield number, row if isinstance(row, dict) else _NO_OBJECT


_NO_OBJECT: Final = "not an object"


def _no_float(text: str) -> str:
    """Amounts are whole; what has a point stays text, which the schema then refuses by name."""
    return text


def _copy(line: int, row: Row | str, item: str) -> tuple[CopyOf | None, list[RejectedRow]]:
    """The copy of one row, or everything that is wrong with it."""
    if isinstance(row, str):
        return None, [RejectedRow(line, "", row, "a row of the file's form")]
    wrong: list[RejectedRow] = []
    number = _field(line, row, "addressee_number", _number, wrong)
    since = _field(line, row, "valid_from", parse_date, wrong)
    until = _field(line, row, "valid_until", parse_date, wrong) if _given(row, "valid_until") else None
    if since and until and until < since:
        wrong.append(RejectedRow(line, "valid_until", "a day before valid_from", f"{since.isoformat()} or later"))
    body = coerced({name: value for name, value in row.items() if name not in HEADER}, schema_of(item))
    wrong.extend(RejectedRow(line, fault.field, fault.what, fault.expected) for fault in faults(item, body))
    if wrong or number is None or since is None:
        return None, wrong
    dated = DatedItem(item=item, valid_from=since, valid_until=until, body=body)
    return CopyOf(addressee_number=number, item=dated), []


def _number(text: str) -> str:
    return AddresseeNumber.parse(text).digits


def _given(row: Row, name: str) -> bool:
    return row.get(name) not in (None, "") and str(row[name]).strip() != ""


def _field(line: int, row: Row, name: str, read: Callable[[str], T], wrong: list[RejectedRow]) -> T | None:
    try:
        return read(str(row[name]) if _given(row, name) else "")
    except Problem as problem:
        wrong.append(RejectedRow(line, name, problem.detail, problem.expected or problem.title))
        return None


def _unreadable(path: Path, detail: str, expected: str) -> Problem:
    return Problem("file.unreadable", detail, where=path.name, expected=expected)
