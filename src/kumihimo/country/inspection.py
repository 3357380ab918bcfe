"""Inspection (実地検査): looking into every store, log and captured message of a country for given values.

Nothing here trusts what the programs say they keep: it reads their files byte by byte and their tables cell by cell. The
demo prints what it finds, and the tests of invariants I1 and I2 stand on it.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId, Problem


@dataclass(frozen=True)
class Needle:
    """A value to look for, in every form in which it could be written down."""

    name: str
    value: str | bytes

    @cached_property
    def forms(self) -> tuple[bytes, ...]:
        """The bytes to look for: as is, as JSON escapes, as hex, as base64."""
        raw = self.value.encode() if isinstance(self.value, str) else self.value
        forms = [raw]
        if isinstance(self.value, str):
            forms.append(json.dumps(self.value)[1:-1].encode())
        else:
            forms += [
                raw.hex().encode(),
                base64.b64encode(raw).rstrip(b"="),
                base64.urlsafe_b64encode(raw).rstrip(b"="),
            ]
        return tuple(dict.fromkeys(forms))

    def within(self, data: bytes) -> bool:
        return any(form in data for form in self.forms)


@dataclass(frozen=True)
class Find:
    """Where a value was found: the party whose file it is, the file, and table.column or "" for the raw bytes."""

    needle: str
    party: str
    file: str
    place: str


def search_country(country: Country, needles: Iterable[Needle]) -> list[Find]:
    """Every place of every party's folder, key folders left out, that holds one of the values."""
    wanted = tuple(needles)
    finds: list[Find] = []
    for party, file in _files(country):
        data = file.read_bytes()
        for needle in wanted:
            if needle.within(data):
                finds.append(Find(needle.name, party, file.name, ""))
        if file.suffix == ".db":
            finds.extend(_in_tables(file, party, wanted))
    return finds


def holders(country: Country, needles: Iterable[Needle]) -> dict[str, set[PartyId]]:
    """Value name → the parties that hold it anywhere."""
    wanted = tuple(needles)
    found: dict[str, set[PartyId]] = {needle.name: set() for needle in wanted}
    for find in search_country(country, wanted):
        found[find.needle].add(PartyId(find.party))
    return found


def _files(country: Country) -> Iterator[tuple[str, Path]]:
    base = country.folder / "parties"
    for file in sorted(base.rglob("*")):
        relative = file.relative_to(base)
        if file.is_file() and "keys" not in relative.parts:
            yield "/".join(relative.parts[:2]), file


def read_cell(country: Country, party: PartyId, query: str, key: Any) -> Any:
    """The one value a query finds in a party's store. Raises Problem(value.invalid) where it finds none."""
    with closing(sqlite3.connect(f"file:{country.home(party) / 'store.db'}?mode=ro", uri=True)) as store:
        row = store.execute(query, (key,)).fetchone()
    if row is None:
        raise Problem("value.invalid", f"{party} holds nothing for this query", expected=query)
    return row[0]


def cells(file: Path) -> Iterator[tuple[str, object]]:
    """Every cell of every table of a SQLite store, as (table.column, value)."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        tables = [row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = store.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the name comes from the store itself
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", value


def _in_tables(file: Path, party: str, needles: tuple[Needle, ...]) -> Iterator[Find]:
    """Numbers kept as integers do not show in the raw bytes: compare them cell by cell, too."""
    digits = {int(n.value): n for n in needles if isinstance(n.value, str) and n.value.isascii() and n.value.isdigit()}
    seen: set[tuple[str, str]] = set()
    for place, value in cells(file):
        if isinstance(value, int) and value in digits and (digits[value].name, place) not in seen:
            seen.add((digits[value].name, place))
            yield Find(digits[value].name, party, file.name, place)
