"""Files of batches (一括照会のファイル): addressee numbers in, results and rejected rows out."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kumihimo.cli.problems import writing
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.business_files import read_text
from kumihimo.plumbing.wire.messages.batch_desk import PersonResult, RejectedPerson

COLUMN: Final = "addressee_number"
RESULTS: Final = (
    COLUMN, "outcome", "transaction", "log_entry", "problem", "item", "valid_from", "valid_until", "body", "as_of", "late",
)  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """Addressee numbers with the lines of the file they stand on."""

    numbers: tuple[str, ...]
    lines: tuple[int, ...]


def read_addressees(file: Path) -> Listed:
    """The column `addressee_number` of a CSV file (UTF-8 or CP932), or its only column.

    Raises Problem(file.unreadable, value.invalid).
    """
    reader = csv.reader(io.StringIO(read_text(file)))
    head = [cell.strip() for cell in next(reader, [])]
    if COLUMN in head:
        column = head.index(COLUMN)
    elif len(head) == 1:
        column, reader = 0, csv.reader(io.StringIO(read_text(file)))
    else:
        raise Problem(
            "value.invalid", f"{len(head)} columns, none of them {COLUMN!r}", where=f"{file.name}:1",
            expected=f"a header with the column {COLUMN}, or one column only",
        )  # fmt: skip
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    numbers = tuple(row[column].strip() if len(row) > column else "" for _, row in rows)
    if not numbers:
        raise Problem("value.invalid", "no addressee numbers", where=file.name, expected="one or more rows")
    return Listed(numbers, tuple(line for line, _ in rows))


def write_rejected(file: Path, listed: Listed, rejected: Sequence[RejectedPerson]) -> None:
    """Every rejected row by its line, with code and reason; never what stood there. Raises Problem(file.unwritable)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("line", "code", "reason"))
    writer.writerows((listed.lines[one.place], one.code, one.reason) for one in rejected)
    _write(file, "\ufeff" + text.getvalue())


def write_results(file: Path, results: Iterable[PersonResult]) -> int:
    """Results as CSV, a row for each item and one for each person without; as JSON lines where the file is so named.

    The file can be read by its owner only, and is there whole or not at all. Raises Problem(file.unwritable). Returns how
    many persons.
    """
    persons = list(results)
    if file.suffix in (".jsonl", ".ndjson"):
        _write(file, "".join(one.model_dump_json() + "\n" for one in persons))
        return len(persons)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(RESULTS)
    for one in persons:
        what = (one.addressee_number, one.outcome or "", one.transaction, one.log_index, one.problem)
        for item in one.items:
            body = json.dumps(item.body, ensure_ascii=False)
            state = next((at for at in one.as_of if at.item == item.item), None)
            since = "" if state is None or state.at is None else state.at.isoformat()
            late = "" if state is None else str(state.late).lower()
            writer.writerow((*what, item.item, item.valid_from, item.valid_until, body, since, late))
        if not one.items:
            writer.writerow((*what, "", "", "", "", "", ""))
    _write(file, "\ufeff" + text.getvalue())
    return len(persons)


def check_writable(file: Path) -> None:
    """Raises Problem(file.unwritable) before anything is asked of anybody."""
    with writing(file):
        os.close(os.open(_partial(file), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _partial(file).unlink()


def _write(file: Path, text: str) -> None:
    with writing(file):
        with os.fdopen(os.open(_partial(file), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(text.encode())
        _partial(file).replace(file)


def _partial(file: Path) -> Path:
    return file.with_name(f".{file.name}.partial")
