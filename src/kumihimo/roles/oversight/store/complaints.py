"""Complaints (苦情・申出) in the oversight body's store: an access as it stands in the log, and what was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Engine, Index, String, Table, Text, case, insert, select, update
from sqlalchemy.exc import IntegrityError

from kumihimo.plumbing.storage import UtcDateTime
from kumihimo.plumbing.wire.messages.complaints import ComplaintState
from kumihimo.roles.oversight.store.tables import metadata

MOST_SHOWN: Final = 1_000
complaint = Table(
    "complaint",
    metadata,
    Column("reference", String(32), primary_key=True),
    Column("log_index", BigInteger, nullable=False),
    Column("record", Text, nullable=False),  # canonical JSON
    Column("says", Text, nullable=False),
    Column("complained_at", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("answer", Text),
)
Index("ix_complaint_state", complaint.c.state, complaint.c.complained_at)


@dataclass(frozen=True)
class Complaint:
    """One complaint."""

    reference: str
    log_index: int
    record: str
    says: str
    complained_at: datetime
    state: ComplaintState
    changed_at: datetime
    answer: str | None = None


class ComplaintStore:
    """All complaints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, new: Complaint) -> None:
        """Write one down; one of the same reference stays as it is."""
        if not self.find([new.reference]):
            try:
                with self._engine.begin() as conn:
                    conn.execute(insert(complaint).values(asdict(new)))
            except IntegrityError:
                if not self.find([new.reference]):
                    raise

    def find(self, references: Sequence[str]) -> list[Complaint]:
        """Those of these references that are here."""
        return self._read(select(complaint).where(complaint.c.reference.in_(references)))

    def all(self) -> list[Complaint]:
        """The open ones, the oldest first, then the others; at most `MOST_SHOWN`."""
        open_ = complaint.c.state.in_([ComplaintState.RECEIVED, ComplaintState.IN_WORK])
        order = (case((open_, 0), else_=1), complaint.c.complained_at)
        return self._read(select(complaint).order_by(*order).limit(MOST_SHOWN))

    def answer(self, reference: str, state: ComplaintState, answer: str, at: datetime) -> bool:
        """How it stands from now on; False where there is none."""
        here = update(complaint).where(complaint.c.reference == reference)
        with self._engine.begin() as conn:
            return conn.execute(here.values(state=state, answer=answer, changed_at=at)).rowcount == 1

    def _read(self, query: Any) -> list[Complaint]:
        with self._engine.connect() as conn:
            return [Complaint(**{**row._mapping, "state": ComplaintState(row.state)}) for row in conn.execute(query)]
