"""Outbox of outcomes (提供結果の通知): what the platform must still be told, written with the answer itself.

A row leaves only when operator 1 has logged it; until then it is due again and again, also after a restart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Integer, bindparam, func, select

from kumihimo.plumbing.storage import Statement
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.roles.gateway.store.exchange import outbox
from kumihimo.roles.gateway.store.upserts import upsert


@dataclass(frozen=True)
class Report:
    """What came of one permitted request, to be reported with the permit it belongs to."""

    transaction: str
    requester: str
    provider: str
    outcome: Outcome
    payload_hash: str | None
    permit: Envelope


@dataclass(frozen=True)
class Waiting:
    """A report that is due, and how often it was tried."""

    report: Report
    attempts: int


_FARTHEST: Final = timedelta(minutes=10)
_DUE: Final = Statement(
    select(outbox)
    .where(
        outbox.c.institution == bindparam("institution"),
        (outbox.c.due_at <= bindparam("now")) | (outbox.c.due_at > bindparam("farthest")),
    )
    .order_by(outbox.c.due_at)
    .limit(bindparam("most", type_=Integer))
)
_FORGET: Final = Statement(
    outbox.delete().where(
        outbox.c.institution == bindparam("of_institution"),
        outbox.c.transaction == bindparam("of_transaction"),
        outbox.c.outcome == bindparam("of_outcome"),
    )
)


def append_report(conn: Connection, institution: str, report: Report, due_at: datetime) -> None:
    """Put a report into the outbox in the caller's transaction; a final one takes the place of "pending"."""
    row = {
        "institution": institution,
        "transaction": report.transaction,
        "outcome": report.outcome,
        "requester": report.requester,
        "provider": report.provider,
        "payload_hash": report.payload_hash,
        "permit": report.permit.model_dump_json(),
        "attempts": 0,
        "due_at": due_at,
    }
    upsert(conn, outbox, [row])


class OutboxStore:
    """One institution's outbox in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._here = outbox.c.institution == institution

    def due(self, now: datetime, limit: int) -> list[Waiting]:
        """Reports to be sent by now, the longest waiting first; what is due later than any pause was put off by another clock."""
        with self._engine.connect() as conn:
            return [
                Waiting(
                    Report(
                        row.transaction,
                        row.requester,
                        row.provider,
                        Outcome(row.outcome),
                        row.payload_hash,
                        Envelope.model_validate_json(row.permit),
                    ),
                    row.attempts,
                )
                for row in _DUE.rows(conn, institution=self._institution, now=now, farthest=now + _FARTHEST, most=limit)
            ]

    def size(self) -> int:
        """How many reports have not been accepted yet."""
        with self._engine.connect() as conn:
            return conn.execute(select(func.count()).select_from(outbox).where(self._here)).scalar_one()

    def longest_tried(self) -> tuple[int, datetime] | None:
        """Attempts of the report that was tried most often, and when it is due again; None when nothing waits."""
        query = select(outbox.c.attempts, outbox.c.due_at).where(self._here)
        with self._engine.connect() as conn:
            row = conn.execute(query.order_by(outbox.c.attempts.desc(), outbox.c.due_at).limit(1)).one_or_none()
        return None if row is None else (row.attempts, row.due_at)

    def accepted(self, reports: Collection[Report]) -> None:
        """The log has them: forget these reports, but not a final one that came while "pending" was being sent."""
        with self._engine.begin() as conn:
            of = {"of_institution": self._institution}
            _FORGET.write_all(
                conn, [{**of, "of_transaction": one.transaction, "of_outcome": one.outcome} for one in reports]
            )

    def postpone(self, report: Report, attempts: int, due_at: datetime) -> None:
        """Try again at `due_at`."""
        with self._engine.begin() as conn:
            conn.execute(outbox.update().where(*self._this(report)).values(attempts=attempts, due_at=due_at))

    def _this(self, report: Report) -> tuple[ColumnElement[bool], ...]:
        return self._here, outbox.c.transaction == report.transaction, outbox.c.outcome == report.outcome
