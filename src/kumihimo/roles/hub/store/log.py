"""The log's rows at operator 1 (監査台帳): appended in groups, each group durable before anybody is answered.

Invariant I5 lives here: `append` returns only after the commit that holds the entry, its mark, and what the oversight
body will be told about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, select, update

from kumihimo.domain.sealing import commit
from kumihimo.plumbing.storage import FeedItem, GroupCommitWriter, NewItem, append_feed_all, insert_rows
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

RECORD_KIND: Final = "record"
MOST_AT_ONCE: Final = 2_048  # entries in one commit
_PAGE: Final = 5_000


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


@dataclass(frozen=True)
class Entered:
    """A durable entry: its index, the record, its salt and the commitment that the log holds (32 bytes each)."""

    index: int
    record: LogRecord
    salt: bytes
    commitment: bytes


class LogStore:
    """Appends entries and reads what depends on them. `promise` signs in the name of operator 1.

    A signature costs more than a row. None is made while others wait for the writer: a caller's promise is signed in the
    caller's thread after the commit, the overseer's when the overseer fetches the item.
    """

    def __init__(self, engine: Engine, promise: Callable[[LogPromise], Envelope], overseer: str) -> None:
        self._engine = engine
        self._promise = promise
        self._overseer = overseer
        self._writer: GroupCommitWriter[_Prepared, Entered | None] = GroupCommitWriter(
            engine, self._write, max_batch=MOST_AT_ONCE, name="log"
        )

    def append(self, item: Append) -> LoggedRecord | None:
        """Write one entry; None when its mark was already made, and then nothing is written.

        Returns after the durable commit. Raises what the commit raised, and Problem(store.closed).
        """
        entered = self._writer.submit(_prepared(item))
        return None if entered is None else self.promised(entered)

    def append_all(self, items: Sequence[Append]) -> list[LoggedRecord | None]:
        """As append, for many: one answer each, in their order. Each entry stands for itself, and several share a commit.

        Raises as append, after all were dealt with: the others are written then.
        """
        return [None if one is None else self.promised(one) for one in self.enter_all(items)]

    def enter(self, item: Append) -> Future[Entered | None]:
        """Hand one entry over and go on; the future is done once it is durable, and gives what `enter_all` would.

        Raises Problem(store.closed).
        """
        return self._writer.hand_over(_prepared(item))

    def enter_all(self, items: Sequence[Append]) -> list[Entered | None]:
        """Write many entries, in their order; None for each whose mark was already made. Durable on return.

        Nobody was promised anything yet: `promised` makes what may leave. Raises as append, after all were dealt with.
        """
        return self._writer.submit_all([_prepared(item) for item in items])

    def promised(self, entered: Entered) -> LoggedRecord:
        """The record with operator 1's signed promise that it stands where it stands."""
        return LoggedRecord(
            record=entered.record,
            salt=b64(entered.salt),
            promise=self._promise(
                LogPromise(index=entered.index, entry=b64(entered.commitment), logged_at=entered.record.logged_at)
            ),
        )

    def told(self, items: Sequence[FeedItem]) -> list[FeedItem]:
        """Items of the feed as they leave: an entry, which the feed names by its index only, is opened and promised.

        Ed25519 signatures are deterministic (RFC 8032): the overseer gets the very promise that the requester got.
        """
        with self._engine.connect() as conn:
            found = _entries_at(conn, [item.body["index"] for item in items if _names_entry(item)])
        return [
            replace(item, body=self._record_of(found[item.body["index"]])) if _names_entry(item) else item
            for item in items
        ]

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
        return self.promised(Entered(row.entry_index, record, row.salt, row.commitment))

    def reported(self, mark: str) -> ReportedOutcome | None:
        """The outcome reported under a mark."""
        query = select(t.outcomes).where(t.outcomes.c.mark == mark)
        with self._engine.connect() as conn:
            row = conn.execute(query).one_or_none()
            found = _entries_at(conn, [int(row.logged)]) if row is not None and row.logged.isdecimal() else {}
        if row is None:
            return None
        report = Report(Outcome(row.outcome), row.payload_hash, Envelope.model_validate_json(row.report))
        return ReportedOutcome(report, self._logged(row.logged, found), row.relayed_at is not None)

    def relayed(self, mark: str, at: datetime) -> None:
        """Remember that operator 2 has the outcome."""
        with self._engine.begin() as conn:
            conn.execute(update(t.outcomes).where(t.outcomes.c.mark == mark).values(relayed_at=at))

    def unrelayed(self, after: int, limit: int) -> list[tuple[int, Unrelayed]]:
        """Refused requests operator 2 has not heard of, by the index of their entry, oldest first."""
        query = select(t.unrelayed).where(t.unrelayed.c.entry_index > after).order_by(t.unrelayed.c.entry_index)
        with self._engine.connect() as conn:
            rows = conn.execute(query.limit(limit)).all()
            found = _entries_at(conn, [int(row.logged) for row in rows if row.logged.isdecimal()])
        return [
            (row.entry_index, Unrelayed(Envelope.model_validate_json(row.request), self._logged(row.logged, found)))
            for row in rows
        ]

    def forget_unrelayed(self, index: int) -> None:
        """Operator 2 has heard of it: its ciphertext is deleted."""
        with self._engine.begin() as conn:
            conn.execute(delete(t.unrelayed).where(t.unrelayed.c.entry_index == index))

    def _logged(self, stored: str, found: Mapping[int, Entered]) -> LoggedRecord:
        """What a row names: an entry by its index, or a whole record."""
        return self.promised(found[int(stored)]) if stored.isdecimal() else LoggedRecord.model_validate_json(stored)

    def _record_of(self, entered: Entered) -> dict[str, object]:
        return OversightRecord(index=entered.index, logged=self.promised(entered)).model_dump(mode="json")

    def _write(self, conn: Connection, items: Sequence[_Prepared]) -> list[Entered | None]:
        first = next_index(conn)
        used = _marks_made(conn, [one.item.mark for one in items if one.item.mark is not None])
        results: list[Entered | None] = []
        taken: list[tuple[Entered, _Prepared]] = []
        for one in items:
            item = one.item
            if item.mark is not None and item.mark in used:
                results.append(None)
                continue
            entered = Entered(first + len(taken), item.record, item.salt, one.commitment)
            taken.append((entered, one))
            results.append(entered)
            if item.mark is not None:
                used.add(item.mark)
        _insert(conn, taken)
        told = [NewItem(self._overseer, RECORD_KIND, {"index": at.index}, at.record.logged_at) for at, _ in taken]
        append_feed_all(conn, t.feed, told)
        return results


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An entry with all that can be computed before its index is known."""

    item: Append
    written: bytes
    commitment: bytes


def _prepared(item: Append) -> _Prepared:
    if item.report is not None and item.mark is None:
        raise ValueError("an outcome is kept under a mark")
    written = item.record.to_bytes()
    return _Prepared(item, written, commit(item.salt, written))


def _insert(conn: Connection, taken: Sequence[tuple[Entered, _Prepared]]) -> None:
    insert_rows(
        conn,
        t.entries,
        ("entry_index", "commitment", "salt", "record", "transaction_number", "logged_at"),
        [
            (at.index, at.commitment, at.salt, one.written.decode(), at.record.transaction, at.record.logged_at)
            for at, one in taken
        ],
    )
    marked = [(one.item.mark, at.record.logged_at) for at, one in taken if one.item.mark is not None]
    insert_rows(conn, t.marks, ("mark", "made_at"), marked)
    reported = [
        (one.item.mark, report.outcome.value, report.payload_hash, report.envelope.model_dump_json(), str(at.index))
        for at, one in taken
        if (report := one.item.report) is not None
    ]
    insert_rows(conn, t.outcomes, ("mark", "outcome", "payload_hash", "report", "logged"), reported)
    unheard = [
        (
            at.index,
            kept.request.model_dump_json(),
            str(at.index) if kept.logged is None else kept.logged.model_dump_json(),
        )
        for at, one in taken
        if (kept := one.item.unrelayed) is not None
    ]
    insert_rows(conn, t.unrelayed, ("entry_index", "request", "logged"), unheard)


def _names_entry(item: FeedItem) -> bool:
    return item.kind == RECORD_KIND and item.body.keys() == {"index"}


def _entries_at(conn: Connection, indexes: Sequence[int]) -> dict[int, Entered]:
    if not indexes:
        return {}
    columns = t.entries.c.entry_index, t.entries.c.record, t.entries.c.salt, t.entries.c.commitment
    rows = conn.execute(select(*columns).where(t.entries.c.entry_index.in_(indexes)))
    return {
        index: Entered(index, LogRecord.model_validate_json(record), salt, commitment)
        for index, record, salt, commitment in rows
    }


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
