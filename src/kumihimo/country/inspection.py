"""Inspection (実地検査): looking into every store, log and captured message of a country for given values.

Nothing here trusts what the programs say they keep: it reads their files byte by byte and their tables cell by cell, on
both engines. The demo prints what it finds, and the tests of invariants I1 and I2 stand on it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from kumihimo.country.layout import Country
from kumihimo.country.stores import store_url
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import OF_ENGINE


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
    """Where a value was found: the party, its file and "" for the raw bytes, or "store" and table.column."""

    needle: str
    party: str
    file: str
    place: str


def search_country(country: Country, needles: Iterable[Needle]) -> list[Find]:
    """Every place of every party's folder, key folders left out, and of its store that holds one of the values.

    A SQLite store is searched as a file, too, with what was deleted and not overwritten yet; on PostgreSQL only the rows
    that are there.
    """
    wanted = tuple(needles)
    finds: list[Find] = []
    for party, file in _files(country):
        data = file.read_bytes()
        for needle in wanted:
            if needle.within(data):
                finds.append(Find(needle.name, party, file.name, ""))
    for service in country.services():
        finds.extend(_in_tables(country, service.party, wanted))
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
    """The one value a query finds in a party's store, `key` standing for its question mark.

    Raises Problem(value.invalid) where it finds none.
    """
    with _reading(country, party) as conn:
        row = conn.execute(text(query.replace("?", ":key")), {"key": key}).fetchone()
    if row is None:
        raise Problem("value.invalid", f"{party} holds nothing for this query", expected=query)
    return row[0]


def read_rows(country: Country, party: PartyId, query: str) -> list[tuple[Any, ...]]:
    """All rows that a query finds in a party's store."""
    with _reading(country, party) as conn:
        return [tuple(row) for row in conn.execute(text(query))]


def cells(country: Country, party: PartyId) -> Iterator[tuple[str, object]]:
    """Every cell of every table of a party's store, as (table.column, value as the driver gives it)."""
    with _reading(country, party) as conn:
        for table, quoted in _tables(conn):
            rows = conn.execute(text(f"SELECT * FROM {quoted}"))  # noqa: S608 - the name comes from the store itself
            columns = list(rows.keys())
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", value


def _tables(conn: Connection) -> list[tuple[str, str]]:
    """Every table as (name, name quoted for a query), asked of the database's own catalogue."""
    if conn.dialect.name == "sqlite":
        query = "SELECT name, '\"' || name || '\"' FROM sqlite_master WHERE type = 'table'"
    else:
        # A part of a partitioned table is read with the whole.
        query = (
            "SELECT relname, oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
        )
    return [(name, quoted) for name, quoted in conn.execute(text(query))]


@contextmanager
def _reading(country: Country, party: PartyId) -> Iterator[Connection]:
    """A connection of our own to a party's store that cannot write."""
    url = make_url(store_url(country, party))
    if url.get_backend_name() == "sqlite":
        reading = URL.create("sqlite", database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        engine = create_engine(reading, poolclass=NullPool)
    else:
        engine = create_engine(
            url.difference_update_query(OF_ENGINE),
            poolclass=NullPool,
            connect_args={"options": "-c default_transaction_read_only=on", "connect_timeout": 5},
        )
    with engine.connect() as conn:
        yield conn


def _in_tables(country: Country, party: PartyId, needles: tuple[Needle, ...]) -> Iterator[Find]:
    """Cell by cell: numbers kept as integers do not show in raw bytes, and PostgreSQL's files are not a party's own."""
    digits = {int(n.value): n for n in needles if isinstance(n.value, str) and n.value.isascii() and n.value.isdigit()}
    seen: set[tuple[str, str]] = set()
    for place, value in cells(country, party):
        match value:
            case int():
                held = [digits[value]] if value in digits else []
            case str() | bytes():
                data = value.encode() if isinstance(value, str) else value
                held = [needle for needle in needles if needle.within(data)]
            case _:  # an instant, a day, nothing
                held = []
        for needle in held:
            if (needle.name, place) not in seen:
                seen.add((needle.name, place))
                yield Find(needle.name, party, "store", place)
