"""Store of the numbering authority: every number ever drawn, and who holds which since when.

Numbers (12 and 13 digits) and resident codes (11) are kept as integers, and what all numbers of one batch have in common
once, which makes the tables, kept for ever, as small and as fast as they can be. A row of `used_number` is never removed (I8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from kumihimo.plumbing.storage import UtcDateTime, among, insert_columns

MIGRATIONS: Final = "kumihimo.roles.numbering.migrations"
metadata = MetaData()

# What the numbers of one batch have in common. That the row is there is this module's care: a reference to be checked
# would cost more than all else about a number.
drawing = Table(
    "drawing",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("municipality", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Every number ever drawn: for whom, and where it is no longer in force, since when.
used_number = Table(
    "used_number",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("resident_code", BigInteger),  # none only where an older version drew a number for nobody
    Column("drawing", BigInteger, nullable=False),
    Column("until", UtcDateTime),
)

# Which number is in force for a resident code: one. A table, not an index on the other: this one is filled in the order of
# resident codes, that one in the order of numbers, and each touches few pages.
current_number = Table(
    "current_number",
    metadata,
    Column("resident_code", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

# Every end and return of an assignment, with its day and reason; the number itself shows the present state.
amendment = Table(
    "amendment",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("number", BigInteger, ForeignKey("used_number.number"), nullable=False, index=True),
    Column("act", String(10), nullable=False),  # ended or restored
    Column("municipality", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

corporate_number = Table(
    "corporate_number",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("registered_name", String(300), nullable=False),
    Column("seat", String(300), nullable=False),
    Column("assigned_at", UtcDateTime, nullable=False),
    UniqueConstraint("registered_name", "seat", name="corporate_number_body"),
)

_DEADLOCK: Final = "40P01"  # SQLSTATE


@dataclass(frozen=True)
class Assignment:
    """To whom a number was ever assigned, and since when it is no longer in force."""

    resident_code: int
    until: datetime | None


class Taken(Exception):
    """Another writer stored the same number or resident code first; the transaction was rolled back."""


class NumberingStore:
    """The numbering authority's store; all work is done inside `transaction()`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction, all or nothing. Raises Taken when another writer was faster."""
        try:
            with self._engine.begin() as conn:
                yield Transaction(conn)
        except IntegrityError:
            raise Taken from None
        except OperationalError as error:
            # Two batches with the same resident codes in another order: PostgreSQL lets one of them go on.
            if getattr(error.orig, "sqlstate", None) == _DEADLOCK:
                raise Taken from None
            raise


class Transaction:
    """The queries of one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def current_numbers(self, resident_codes: Sequence[int]) -> dict[int, int]:
        """Resident code → current number, for those that have one."""
        held = among(self._conn, current_number.c.resident_code, resident_codes)
        rows = self._conn.execute(select(current_number.c.resident_code, current_number.c.number).where(held))
        return {code: number for code, number in rows}  # noqa: C416 - a result is no mapping, though it has keys()

    def already_used(self, numbers: Sequence[int]) -> set[int]:
        """Which of these numbers were ever drawn."""
        drawn = among(self._conn, used_number.c.number, numbers)
        return set(self._conn.scalars(select(used_number.c.number).where(drawn)))

    def store(self, new: Mapping[int, int], municipality: str, at: datetime) -> None:
        """Mark numbers used for ever and assign each to its resident code, one number a code.

        Raises ValueError for a code with two of the numbers.
        """
        if not new:
            return
        by_code = dict(zip(new.values(), new, strict=True))
        if len(by_code) < len(new):
            raise ValueError("two numbers for one resident code")
        one = drawing.insert().values(municipality=municipality, at=at).returning(drawing.c.id)
        same = {"drawing": self._conn.execute(one).scalar_one()}
        # Each in the order of its key: neighbours land on the same page.
        numbers, codes = sorted(new), sorted(by_code)
        holders = [*map(new.__getitem__, numbers)]
        insert_columns(self._conn, used_number, {"number": numbers, "resident_code": holders}, same)
        held = [*map(by_code.__getitem__, codes)]
        insert_columns(self._conn, current_number, {"resident_code": codes, "number": held})

    def assignment_of(self, number: int) -> Assignment | None:
        """The assignment of a number, also when it has ended; None for a number never assigned."""
        found = select(used_number.c.resident_code, used_number.c.until).where(used_number.c.number == number)
        row = self._conn.execute(found).one_or_none()
        return None if row is None or row.resident_code is None else Assignment(row.resident_code, row.until)

    def end(self, number: int, municipality: str, reason: str, at: datetime) -> None:
        """End an assignment; the number stays used for ever."""
        self._amend(number, at, "ended", municipality, reason, at)
        holder = select(used_number.c.resident_code).where(used_number.c.number == number).scalar_subquery()
        current = (current_number.c.resident_code == holder) & (current_number.c.number == number)
        self._conn.execute(current_number.delete().where(current))

    def restore(self, number: int, municipality: str, reason: str, at: datetime) -> None:
        """Let an ended assignment be in force again, for the resident code it was made for."""
        self._amend(number, None, "restored", municipality, reason, at)
        again = select(used_number.c.resident_code, used_number.c.number).where(used_number.c.number == number)
        self._conn.execute(current_number.insert().from_select(["resident_code", "number"], again))

    def amendments(self, number: int) -> list[tuple[str, str]]:
        """What became of an assignment, oldest first, as (act, reason)."""
        acts = select(amendment.c.act, amendment.c.reason).where(amendment.c.number == number)
        return [(act, reason) for act, reason in self._conn.execute(acts.order_by(amendment.c.id))]

    def _amend(
        self, number: int, until: datetime | None, act: str, municipality: str, reason: str, at: datetime
    ) -> None:
        self._conn.execute(used_number.update().where(used_number.c.number == number).values(until=until))
        self._conn.execute(
            amendment.insert().values(number=number, act=act, municipality=municipality, reason=reason, at=at)
        )

    def corporate_number_of(self, name: str, seat: str) -> int | None:
        """The number of a body, None when it has none."""
        return self._conn.scalar(
            select(corporate_number.c.number).where(
                corporate_number.c.registered_name == name, corporate_number.c.seat == seat
            )
        )

    def store_corporate(self, number: int, name: str, seat: str, at: datetime) -> None:
        """Assign a Corporate Number; a number already taken makes the transaction fail with Taken."""
        row = {"number": number, "registered_name": name, "seat": seat, "assigned_at": at}
        self._conn.execute(corporate_number.insert(), [row])

    def counts(self) -> tuple[int, int]:
        """Numbers ever drawn, and numbers now assigned."""
        drawn, current = (
            self._conn.scalar(select(func.count()).select_from(table)) or 0 for table in (used_number, current_number)
        )
        return drawn, current
