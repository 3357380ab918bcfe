"""Outbox of chunks (一括の提供結果の通知): what the platform must still be told of whole chunks, as `outbox`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.roles.gateway.store.exchange import chunk_report
from kumihimo.roles.gateway.store.upserts import upsert


@dataclass(frozen=True)
class ChunkReport:
    """What came of each permitted person of a chunk, one letter each, to be reported with the permit it belongs to."""

    transaction: str
    requester: str
    provider: str
    outcomes: str
    payload_hash: str | None
    permit: Envelope


@dataclass(frozen=True)
class WaitingReport:
    """A report that is due, and how often it was tried."""

    report: ChunkReport
    attempts: int


def append_chunk_report(conn: Connection, institution: str, report: ChunkReport, due_at: datetime) -> None:
    """Put a report into the outbox in the caller's transaction."""
    row = {
        "institution": institution,
        "transaction": report.transaction,
        "requester": report.requester,
        "provider": report.provider,
        "outcomes": report.outcomes,
        "payload_hash": report.payload_hash,
        "permit": report.permit.model_dump_json(),
        "attempts": 0,
        "due_at": due_at,
    }
    upsert(conn, chunk_report, [row])


class ChunkOutbox:
    """One institution's reports about chunks in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._here = chunk_report.c.institution == institution

    def due(self, now: datetime, limit: int) -> list[WaitingReport]:
        """Reports to be sent by now, the longest waiting first."""
        query = select(chunk_report).where(self._here, chunk_report.c.due_at <= now).order_by(chunk_report.c.due_at)
        with self._engine.connect() as conn:
            return [
                WaitingReport(
                    ChunkReport(
                        row.transaction,
                        row.requester,
                        row.provider,
                        row.outcomes,
                        row.payload_hash,
                        Envelope.model_validate_json(row.permit),
                    ),
                    row.attempts,
                )
                for row in conn.execute(query.limit(limit))
            ]

    def size(self) -> int:
        """How many persons' outcomes have not been accepted yet."""
        waiting = select(func.coalesce(func.sum(func.length(chunk_report.c.outcomes)), 0)).where(self._here)
        with self._engine.connect() as conn:
            return int(conn.execute(waiting).scalar_one())

    def accepted(self, report: ChunkReport) -> None:
        """The log has it: forget it."""
        with self._engine.begin() as conn:
            conn.execute(chunk_report.delete().where(*self._this(report)))

    def postpone(self, report: ChunkReport, attempts: int, due_at: datetime) -> None:
        """Try again at `due_at`."""
        with self._engine.begin() as conn:
            conn.execute(chunk_report.update().where(*self._this(report)).values(attempts=attempts, due_at=due_at))

    def _this(self, report: ChunkReport) -> tuple[ColumnElement[bool], ...]:
        same = chunk_report.c.transaction == report.transaction
        return self._here, same, chunk_report.c.outcomes == report.outcomes
