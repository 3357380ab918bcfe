"""Store of the numbering authority: every number ever drawn, and who holds which since when.

Numbers are kept as integers (12 and 13 digits), which makes the table of used numbers, kept for ever, as small and as fast
as it can be. A row of `used_number` is never removed (I8).
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
    Index,
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

used_number = Table(
    "used_number",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("drawn_at", UtcDateTime, nullable=False),
)

assignment = Table(
    "assignment",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("resident_code", String(11), nullable=False),
    Column("municipality", String(40), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
)
# One current number per resident code; a former one keeps its row with an end.
Index(
    "assignment_current",
    assignment.c.resident_code,
    unique=True,
    sqlite_where=assignment.c.until.is_(None),
    postgresql_where=assignment.c.until.is_(None),
)

# Every end and return of an assignment, with its day and reason; the assignment itself shows the present state.
amendment = Table(
    "amendment",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("number", BigInteger, ForeignKey("assignment.number"), nullable=False, index=True),
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

    resident_code: str
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

    def current_numbers(self, resident_codes: Sequence[str]) -> dict[str, int]:
        """Resident code → current number, for those that have one."""
        held = among(self._conn, assignment.c.resident_code, resident_codes) & assignment.c.until.is_(None)
        rows = self._conn.execute(select(assignment.c.resident_code, assignment.c.number).where(held))
        return {code: number for code, number in rows}  # noqa: C416 - a result is no mapping, though it has keys()

    def already_used(self, numbers: Sequence[int]) -> set[int]:
        """Which of these numbers were ever drawn."""
        drawn = among(self._conn, used_number.c.number, numbers)
        return set(self._conn.scalars(select(used_number.c.number).where(drawn)))

    def store(self, new: Mapping[int, str], municipality: str, at: datetime) -> None:
        """Mark numbers used for ever and assign each to its resident code."""
        # In order of the number, which is the order of both tables: neighbours land on the same page.
        ordered = sorted(new)
        codes = [new[number] for number in ordered]
        insert_columns(self._conn, used_number, {"number": ordered}, {"drawn_at": at})
        given = {"municipality": municipality, "since": at}
        insert_columns(self._conn, assignment, {"number": ordered, "resident_code": codes}, given)

    def assignment_of(self, number: int) -> Assignment | None:
        """The assignment of a number, also when it has ended; None for a number never assigned."""
        found = select(assignment.c.resident_code, assignment.c.until).where(assignment.c.number == number)
        row = self._conn.execute(found).one_or_none()
        return None if row is None else Assignment(row.resident_code, row.until)

    def end(self, number: int, municipality: str, reason: str, at: datetime) -> None:
        """End an assignment; the number stays used for ever."""
        self._amend(number, at, "ended", municipality, reason, at)

    def restore(self, number: int, municipality: str, reason: str, at: datetime) -> None:
        """Let an ended assignment be in force again, for the resident code it was made for."""
        self._amend(number, None, "restored", municipality, reason, at)

    def amendments(self, number: int) -> list[tuple[str, str]]:
        """What became of an assignment, oldest first, as (act, reason)."""
        acts = select(amendment.c.act, amendment.c.reason).where(amendment.c.number == number)
        return [(act, reason) for act, reason in self._conn.execute(acts.order_by(amendment.c.id))]

    def _amend(
        self, number: int, until: datetime | None, act: str, municipality: str, reason: str, at: datetime
    ) -> None:
        self._conn.execute(assignment.update().where(assignment.c.number == number).values(until=until))
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
        drawn = self._conn.scalar(select(func.count()).select_from(used_number)) or 0
        current = select(func.count()).select_from(assignment).where(assignment.c.until.is_(None))
        return drawn, self._conn.scalar(current) or 0
