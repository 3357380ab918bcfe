"""Arrivals from a file (住民の一括登録): reading a municipality's list of people to be registered, row by row.

CSV in UTF-8 or CP932 with the columns `event, on, family, given, family_kana, given_kana, birth, sex, lines, building`;
`event` is birth or move_in. Prefecture and municipality are those of the institution that registers them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from kumihimo.country import topology
from kumihimo.domain.kernel import Address, FourItems, PersonName, Problem, Sex, parse_date
from kumihimo.domain.kernel.addresses import LocalGovernmentCode
from kumihimo.domain.kernel.institutions import Institution
from kumihimo.plumbing.business_files import read_text
from kumihimo.plumbing.wire.messages.residents import Arrival, FourItemsPart, RegisterEventKind

COLUMNS: Final = (
    "event", "on", "family", "given", "family_kana", "given_kana", "birth", "sex", "lines", "building",
)  # fmt: skip


@dataclass(frozen=True)
class ReadArrivals:
    """What a file held: arrivals with the lines they stood in, and what was wrong with each other line."""

    arrivals: tuple[Arrival, ...]
    lines: tuple[int, ...]
    faults: dict[int, str]


class Places(Protocol):
    """Whatever knows the local bodies: a country, or the plan of the one that is founded."""

    def institution(self, identifier: str) -> Institution: ...
    def local_government_code(self, identifier: str) -> LocalGovernmentCode: ...


def address_in(municipality: str, lines: str, building: str = "", places: Places = topology) -> Address:
    """An address in a municipality of the country. Raises Problem(address.empty, institution.unknown)."""
    prefecture, seat = places.institution("ko-pref"), places.institution(municipality)
    code = places.local_government_code(municipality)
    return Address(prefecture.name_ja, seat.name_ja, lines, building, code)


def read_arrivals(file: Path, municipality: str, places: Places = topology) -> ReadArrivals:
    """Read a file; a row that cannot be read is a fault of its line. Raises Problem(file.unreadable)."""
    rows = csv.reader(io.StringIO(read_text(file), newline=""))
    header = [name.strip() for name in next(rows, [])]
    if missing := [name for name in COLUMNS[:-1] if name not in header]:
        raise Problem("file.unreadable", f"no column {missing[0]}", str(file), f"the columns {', '.join(COLUMNS)}")
    arrivals, lines, faults = [], [], {}
    for row in rows:
        line = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        try:
            if len(row) != len(header):
                raise Problem("value.invalid", f"{len(row)} columns", expected=f"{len(header)} columns")
            arrivals.append(_arrival(dict(zip(header, row, strict=True)), municipality, places))
            lines.append(line)
        except Problem as problem:
            faults[line] = str(problem)
    return ReadArrivals(tuple(arrivals), tuple(lines), faults)


def _arrival(row: dict[str, str], municipality: str, places: Places) -> Arrival:
    try:
        event = RegisterEventKind(row["event"].strip())
    except ValueError:
        raise Problem("value.invalid", row["event"][:20], where="event", expected="birth or move_in") from None
    items = FourItems(
        PersonName(row["family"], row["given"], row["family_kana"], row["given_kana"]),
        address_in(municipality, row["lines"], row.get("building", ""), places),
        parse_date(row["birth"], "birth"),
        Sex.parse(row["sex"], "sex"),
    )
    return Arrival(event=event, on=parse_date(row["on"], "on"), four_items=FourItemsPart.of(items))
