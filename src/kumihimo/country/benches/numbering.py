"""What bulk assignment costs (付番の一括処理): numbers drawn, checked against all used ones, and stored for ever.

The reference writes rows of the same shape into the same schema straight through the driver (SQLite's executemany,
PostgreSQL's COPY), every value ready made: about the least that storing can cost. The tables grow from round to round, on
both sides alike. The stores lie in the system's temporary folder (TMPDIR).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from operator import itemgetter
from tempfile import TemporaryDirectory
from typing import TypeVar

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from kumihimo.country.benches.cluster import libpq_url, postgresql, two_databases
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import WARM_UP, paired
from kumihimo.domain.kernel import Problem, RandomSource, SystemClock, SystemRandomness
from kumihimo.domain.kernel.numbers_in_bulk import draw_individual_numbers, draw_resident_codes
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.store import MIGRATIONS, NumberingStore

V = TypeVar("V", bound=int | str)
Rows = tuple[list[tuple[int, int]], list[tuple[int, int]]]  # (number, resident code), by number and by code
Write = Callable[[Rows], None]
_CITY = "x-city"


def measure(effort: Effort) -> Iterator[Measured]:
    """Residents a second, on SQLite and, where a server is installed, PostgreSQL; each batch is a durable transaction."""
    with TemporaryDirectory() as name:
        url, bare = f"sqlite:///{name}/numbering.db", f"sqlite:///{name}/bare.db"
        _migrated(bare).dispose()
        with closing(sqlite3.connect(f"{name}/bare.db", isolation_level=None)) as driver:
            driver.execute("PRAGMA synchronous = FULL")
            yield _assigned("assign", url, lambda rows: _execute_many(driver, rows), effort)
    with postgresql() as server:
        if server is not None:
            url, bare = two_databases(server, "numbering", "bare")
            _migrated(bare).dispose()
            with psycopg.connect(libpq_url(bare)) as connection:
                yield _assigned("assign_postgresql", url, lambda rows: _copy(connection, rows), effort)


def _assigned(figure: str, url: str, write: Write, effort: Effort) -> Measured:
    batch, rounds = effort.pick(quick=10_000, full=100_000), effort.pick(quick=2, full=5)
    codes = _distinct(draw_resident_codes, batch, WARM_UP + rounds)
    numbers = _distinct(draw_individual_numbers, batch, WARM_UP + rounds)
    batches, rows = iter(codes), iter([*map(_rows, numbers, codes)])
    engine = _migrated(url)
    numbering = Numbering(NumberingStore(engine), SystemRandomness(), SystemClock())
    found = paired(lambda: numbering.assign(_CITY, next(batches)), lambda: write(next(rows)), rounds)
    drawn, assigned = numbering.counts()
    engine.dispose()
    if not drawn == assigned == (WARM_UP + rounds) * batch:
        raise Problem("internal", f"{drawn} numbers drawn, {assigned} assigned", expected=f"{batch} a batch of each")
    reference = Reference("rows through the bare driver", batch / found.reference_seconds)
    return Measured("numbering", figure, batch / found.seconds, "residents/s", reference, found.rate_ratio)


def _migrated(url: str) -> Engine:
    engine = open_engine(url)
    migrate(engine, MIGRATIONS)
    return engine


def _distinct(draw: Callable[[RandomSource, int], list[V]], batch: int, batches: int) -> list[list[V]]:
    """Batches of values, no two alike; of 600,000 random resident codes some would be."""
    drawn: dict[V, None] = {}
    while len(drawn) < batches * batch:
        drawn |= dict.fromkeys(draw(SystemRandomness(), batch))
    values: list[V] = [*drawn]
    return [values[start : start + batch] for start in range(0, batches * batch, batch)]


def _rows(numbers: Sequence[int], codes: Sequence[str]) -> Rows:
    pairs = [*zip(numbers, map(int, codes), strict=True)]
    return sorted(pairs), sorted(pairs, key=itemgetter(1))


def _execute_many(driver: sqlite3.Connection, rows: Rows) -> None:
    by_number, by_code = rows
    driver.execute("BEGIN IMMEDIATE")
    at = SystemClock().now().isoformat()
    drawing = driver.execute("INSERT INTO drawing (municipality, at) VALUES (?, ?)", (_CITY, at)).lastrowid
    driver.executemany(f"INSERT INTO used_number (number, resident_code, drawing) VALUES (?, ?, {drawing})", by_number)  # noqa: S608
    driver.executemany("INSERT INTO current_number (number, resident_code) VALUES (?, ?)", by_code)
    driver.execute("COMMIT")


def _copy(connection: psycopg.Connection, rows: Rows) -> None:
    by_number, by_code = rows
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO drawing (municipality, at) VALUES (%s, now()) RETURNING id", (_CITY,))
        drawing = cursor.fetchall()[0][0]
        lines = {
            "used_number (number, resident_code, drawing)": [
                f"{number}\t{code}\t{drawing}" for number, code in by_number
            ],
            "current_number (number, resident_code)": [f"{number}\t{code}" for number, code in by_code],
        }
        for target, those in lines.items():
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.SQL(target))) as copy:
                copy.write("\n".join(those) + "\n")
    connection.commit()
