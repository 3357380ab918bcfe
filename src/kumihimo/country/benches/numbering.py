"""What bulk assignment costs (付番の一括処理): numbers drawn, checked against all used ones, and stored for ever.

The reference writes rows of the same shape into the same schema straight through the SQLite driver, every value ready made:
the least that storing can cost. The stores lie in the system's temporary folder (TMPDIR).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import Final

from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import WARM_UP, paired
from kumihimo.domain.kernel import IndividualNumber, Problem, RandomSource, ResidentCode, SystemClock, SystemRandomness
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.store import MIGRATIONS, NumberingStore

_BATCH: Final = 10_000


def measure(effort: Effort) -> Iterator[Measured]:
    """Residents a second, in batches of 10,000, each batch one durable transaction."""
    rounds = effort.pick(quick=2, full=20)
    codes = _distinct(ResidentCode.random, WARM_UP + rounds)
    numbers = _distinct(IndividualNumber.random, WARM_UP + rounds)
    batches, rows = iter(codes), iter([*map(_rows, numbers, codes)])
    with TemporaryDirectory() as name:
        engine = open_engine(f"sqlite:///{name}/numbering.db")
        migrate(engine, MIGRATIONS)
        bare = open_engine(f"sqlite:///{name}/bare.db")
        migrate(bare, MIGRATIONS)
        bare.dispose()
        numbering = Numbering(NumberingStore(engine), SystemRandomness(), SystemClock())
        with closing(sqlite3.connect(f"{name}/bare.db", isolation_level=None)) as driver:
            driver.execute("PRAGMA synchronous = FULL")
            found = paired(
                lambda: numbering.assign("x-city", next(batches)), lambda: _write(driver, next(rows)), rounds
            )
        drawn, assigned = numbering.counts()
        engine.dispose()
    if not drawn == assigned == (WARM_UP + rounds) * _BATCH:
        raise Problem("internal", f"{drawn} numbers drawn, {assigned} assigned", expected=f"{_BATCH} a batch of each")
    reference = Reference("rows through the bare driver", _BATCH / found.reference_seconds)
    yield Measured("numbering", "assign", _BATCH / found.seconds, "residents/s", reference, found.rate_ratio)


def _distinct(draw: Callable[[RandomSource], ResidentCode | IndividualNumber], batches: int) -> list[list[str]]:
    """Batches of digits, no two alike; of 200,000 random resident codes some would be."""
    randomness = SystemRandomness()
    drawn: dict[str, None] = {}
    while len(drawn) < batches * _BATCH:
        drawn[draw(randomness).digits] = None
    digits = [*drawn]
    return [digits[start : start + _BATCH] for start in range(0, len(digits), _BATCH)]


def _rows(numbers: Sequence[str], codes: Sequence[str]) -> list[tuple[int, str, str]]:
    at = SystemClock().now().isoformat()
    return [(int(number), code, at) for number, code in zip(numbers, codes, strict=True)]


def _write(driver: sqlite3.Connection, rows: Sequence[tuple[int, str, str]]) -> None:
    driver.execute("BEGIN IMMEDIATE")
    driver.executemany("INSERT INTO used_number VALUES (?, ?)", [(number, at) for number, _, at in rows])
    driver.executemany("INSERT INTO assignment VALUES (?1, ?2, 'x-city', ?3, NULL)", rows)
    driver.execute("COMMIT")
