"""The log's rows at operator 1 (監査台帳): appended in groups, each group durable before anybody is answered.

Invariant I5 lives here: `append` returns only after the commit that holds the entry, its mark, and what the oversight
body will be told about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update

from kumihimo.domain.sealing import commit
from kumihimo.plumbing.storage import GroupCommitWriter, append_feed
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    LoggedRecord,
    LogPromise,
    LogRecord,
    Outcome,
    OversightRecord,
)
from kumihimo.roles.hub.store import tables as t

RECORD_KIND = "record"
_PAGE = 5_000


@dataclass(frozen=True)
class Report:
    """What is kept of a reported outcome beside its log entry."""

    outcome: Outcome
    payload_hash: str | None
    envelope: Envelope


@dataclass(frozen=True)
class Unrelayed:
    """A refused request that operator 2 must still hear of, as signed.

    `logged` is the entry that says so; None: the one it is written with.
    """

    request: Envelope
    logged: LoggedRecord | None = None


@dataclass(frozen=True)
class Append:
    """One entry to be written. `mark` is what may happen only once; `salt` is 32 bytes."""

    record: LogRecord
    salt: bytes
    mark: str | None = None
    report: Report | None = None
    unrelayed: Unrelayed | None = None


@dataclass(frozen=True)
class ReportedOutcome:
    """A reported outcome as stored: the report, its log entry, and whether operator 2 has it."""

    report: Report
    logged: LoggedRecord
    relayed: bool


class LogStore:
    """Appends entries and reads what depends on them. `promise` signs in the name of operator 1."""

    def __init__(self, engine: Engine, promise: Callable[[LogPromise], Envelope], overseer: str) -> None:
        self._engine = engine
        self._promise = promise
        self._overseer = overseer
        self._writer: GroupCommitWriter[Append, LoggedRecord | None] = GroupCommitWriter(
            engine, self._write, name="log"
        )

    def append(self, item: Append) -> LoggedRecord | None:
        """Write one entry; None when its mark was already made, and then nothing is written.

        Returns after the durable commit. Raises what the commit raised, and Problem(store.closed).
        """
        return self._writer.submit(item)

    def close(self) -> None:
        """Write what was handed over and stop."""
        self._writer.close()

    def first_request(self, transaction: str) -> LoggedRecord | None:
        """The entry of the request that used this transaction number first, with its promise: the same as it was given."""
        query = select(t.entries).where(t.entries.c.transaction_number == transaction)
        with self._engine.connect() as conn:
            row = conn.execute(query.order_by(t.entries.c.entry_index).limit(1)).one_or_none()
        if row is None:
            return None
        record = LogRecord.model_validate_json(row.record)
        promise = LogPromise(index=row.entry_index, entry=b64(row.commitment), logged_at=record.logged_at)
        return LoggedRecord(record=record, salt=b64(row.salt), promise=self._promise(promise))

    def reported(self, mark: str) -> ReportedOutcome | None:
        """The outcome reported under a mark."""
        query = select(t.outcomes).where(t.outcomes.c.mark == mark)
        with self._engine.connect() as conn:
            row = conn.execute(query).one_or_none()
        if row is None:
            return None
        report = Report(Outcome(row.outcome), row.payload_hash, Envelope.model_validate_json(row.report))
        return ReportedOutcome(report, LoggedRecord.model_validate_json(row.logged), row.relayed_at is not None)

    def relayed(self, mark: str, at: datetime) -> None:
        """Remember that operator 2 has the outcome."""
        with self._engine.begin() as conn:
            conn.execute(update(t.outcomes).where(t.outcomes.c.mark == mark).values(relayed_at=at))

    def unrelayed(self, after: int, limit: int) -> list[tuple[int, Unrelayed]]:
        """Refused requests operator 2 has not heard of, by the index of their entry, oldest first."""
        query = select(t.unrelayed).where(t.unrelayed.c.entry_index > after).order_by(t.unrelayed.c.entry_index)
        with self._engine.connect() as conn:
            rows = conn.execute(query.limit(limit)).all()
        return [
            (
                row.entry_index,
                Unrelayed(
                    Envelope.model_validate_json(row.request),
                    LoggedRecord.model_validate_json(row.logged),
                ),
            )
            for row in rows
        ]

    def forget_unrelayed(self, index: int) -> None:
        """Operator 2 has heard of it: its ciphertext is deleted."""
        with self._engine.begin() as conn:
            conn.execute(delete(t.unrelayed).where(t.unrelayed.c.entry_index == index))

    def _write(self, conn: Connection, items: Sequence[Append]) -> list[LoggedRecord | None]:
        first = next_index(conn)
        used = _marks_made(conn, [item.mark for item in items if item.mark is not None])
        results: list[LoggedRecord | None] = []
        taken: list[_Entry] = []
        for item in items:
            if item.mark is not None and item.mark in used:
                results.append(None)
                continue
            entry = self._entry(first + len(taken), item)
            taken.append(entry)
            results.append(entry.logged)
            if item.mark is not None:
                used.add(item.mark)
        _insert_all(conn, t.entries, [entry.row() for entry in taken])
        _insert_all(conn, t.marks, [entry.mark_row() for entry in taken if entry.item.mark is not None])
        _insert_all(conn, t.outcomes, [entry.outcome_row() for entry in taken if entry.item.report is not None])
        _insert_all(conn, t.unrelayed, [entry.unrelayed_row() for entry in taken if entry.item.unrelayed is not None])
        for entry in taken:
            told = OversightRecord(index=entry.index, logged=entry.logged).model_dump(mode="json")
            append_feed(conn, t.feed, self._overseer, RECORD_KIND, told, entry.item.record.logged_at)
        return results

    def _entry(self, index: int, item: Append) -> _Entry:
        written = item.record.to_bytes()
        commitment = commit(item.salt, written)
        # Signed inside the transaction, so that the overseer's item commits with the entry; it leaves only after that.
        promise = self._promise(LogPromise(index=index, entry=b64(commitment), logged_at=item.record.logged_at))
        logged = LoggedRecord(record=item.record, salt=b64(item.salt), promise=promise)
        return _Entry(index, item, written, commitment, logged)


@dataclass(frozen=True)
class _Entry:
    """An entry about to be written, and its rows."""

    index: int
    item: Append
    written: bytes
    commitment: bytes
    logged: LoggedRecord

    def row(self) -> dict[str, object]:
        return {
            "entry_index": self.index,
            "commitment": self.commitment,
            "salt": self.item.salt,
            "record": self.written.decode(),
            "transaction_number": self.item.record.transaction,
            "logged_at": self.item.record.logged_at,
        }

    def mark_row(self) -> dict[str, object]:
        return {"mark": self.item.mark, "made_at": self.item.record.logged_at}

    def unrelayed_row(self) -> dict[str, object]:
        kept = self.item.unrelayed
        if kept is None:
            raise ValueError("an entry with nothing to relay")
        return {
            "entry_index": self.index,
            "request": kept.request.model_dump_json(),
            "logged": (kept.logged or self.logged).model_dump_json(),
        }

    def outcome_row(self) -> dict[str, object]:
        report = self.item.report
        if report is None or self.item.mark is None:
            raise ValueError("an outcome is kept under a mark")
        return {
            "mark": self.item.mark,
            "outcome": report.outcome.value,
            "payload_hash": report.payload_hash,
            "report": report.envelope.model_dump_json(),
            "logged": self.logged.model_dump_json(),
        }


def _insert_all(conn: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    if rows:
        conn.execute(insert(table), rows)


def next_index(conn: Connection) -> int:
    """The index the next entry gets, which is also the number of entries."""
    return int(conn.execute(select(func.coalesce(func.max(t.entries.c.entry_index) + 1, 0))).scalar_one())


def _marks_made(conn: Connection, asked: list[str]) -> set[str]:
    if not asked:
        return set()
    return set(conn.execute(select(t.marks.c.mark).where(t.marks.c.mark.in_(asked))).scalars())


def requests_logged(engine: Engine, since: datetime) -> Iterator[tuple[str, datetime]]:
    """Requester and instant of every request that counted since then, oldest first; a transaction number counts once."""
    seen: set[str] = set()
    with engine.connect() as conn:
        at = _first_since(conn, since)
        while rows := conn.execute(
            select(t.entries.c.record)
            .where(t.entries.c.entry_index >= at, t.entries.c.entry_index < at + _PAGE)
            .order_by(t.entries.c.entry_index)
        ).all():
            at += _PAGE
            for row in rows:
                record = LogRecord.model_validate_json(row.record)
                over = record.refusal is not None and record.refusal.code == "quota.exceeded"
                if record.entry is not EntryKind.REQUEST or record.requester is None or over:
                    continue
                if record.transaction is not None and record.transaction not in seen:
                    seen.add(record.transaction)
                    yield record.requester, record.logged_at


def _first_since(conn: Connection, since: datetime) -> int:
    """The first index logged at or after an instant, by halving: entries are in the order of time."""
    low, high = 0, next_index(conn)
    while low < high:
        middle = (low + high) // 2
        logged_at = conn.execute(select(t.entries.c.logged_at).where(t.entries.c.entry_index == middle)).scalar_one()
        low, high = (middle + 1, high) if logged_at < since else (low, middle)
    return low
