"""Batches of one institution (一括照会): entered whole, asked chunk by chunk, their answers kept sealed for a while."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Engine, select

from kumihimo.plumbing.storage import insert_rows
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.store.bulk_records import append_records, replace_records
from kumihimo.roles.gateway.store.chunk_reports import ChunkReport, append_chunk_report
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.exchange import batch, batch_chunk, inquiry
from kumihimo.roles.gateway.store.holdings import codes_of, survivors
from kumihimo.roles.gateway.store.link_codes import LinkCode
from kumihimo.roles.gateway.store.records import AccessRecord
from kumihimo.roles.gateway.store.upserts import upsert

_INQUIRY: Final = tuple(column.name for column in inquiry.columns)
_CHUNK: Final = ("institution", "transaction", "batch", "ordinal", "addressees", "state")
_HEAVY: Final = ("request", "decision", "answer")


class ChunkState(StrEnum):
    """How far a chunk is."""

    WAITING = "waiting"
    ASKED = "asked"  # signed and written down; on its way, or cut off
    CLOSED = "closed"


@dataclass(frozen=True)
class Batch:
    """A batch as it was entered."""

    batch: str
    staff: str
    department: str
    case_reference: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    persons: int
    entered_at: datetime
    kept_until: datetime
    schedule: str | None = None


@dataclass(frozen=True)
class PersonOutcome:
    """What came of one person: an outcome, a problem's code, or both (undelivered)."""

    place: int
    transaction: str
    outcome: Outcome | None
    problem: str | None
    log_index: int | None = None


@dataclass(frozen=True)
class Tally:
    """What came of the persons of closed chunks: how many of each outcome and problem, and the numbers of those pending."""

    ended: Mapping[tuple[Outcome | None, str | None], int]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class Chunk:
    """A chunk: `addressees` by place in the batch; `outcomes` by place, once known. The large fields only where asked for."""

    transaction: str
    batch: str
    ordinal: int
    addressees: dict[int, str]
    state: ChunkState
    case_salt: bytes | None = field(repr=False, default=None)
    epoch: int | None = None
    asked_at: datetime | None = None
    outcomes: dict[int, PersonOutcome] = field(default_factory=dict)
    problem: str | None = None
    closed_at: datetime | None = None
    request: str | None = field(repr=False, default=None)
    decision: str | None = field(repr=False, default=None)
    answer: bytes | None = field(repr=False, default=None)


@dataclass(frozen=True)
class AskedPerson:
    """One person's inquiry as it is written down; without the hash of a ciphertext it never left the house."""

    transaction: str
    addressee_number: str
    subject_hash: str | None
    record: AccessRecord


@dataclass(frozen=True)
class ChunkClosing:
    """How a chunk ended, for now: with an outcome or a problem for each person."""

    outcomes: tuple[PersonOutcome, ...]
    asked: tuple[AskedPerson, ...]
    at: datetime
    decision: Envelope | None = None
    answer: bytes | None = field(repr=False, default=None)
    problem: str | None = None
    report: ChunkReport | None = None


class BatchStore:
    """One institution's batches in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)
        self._here = batch.c.institution == institution
        self._chunks_here = batch_chunk.c.institution == institution

    def survivors(self, numbers: Collection[str]) -> dict[str, str | None]:
        """Whom each addressee number stands for; None for nobody."""
        with self._engine.connect() as conn:
            return survivors(conn, self._institution, numbers)

    def codes(self, numbers: Collection[str], epoch: int) -> dict[str, LinkCode]:
        """The code of each addressee, or of the one they stand for, in that epoch; those without one are left out."""
        with self._engine.connect() as conn:
            return codes_of(conn, self._institution, numbers, epoch)

    def enter(
        self,
        entered: Batch,
        chunks: Mapping[str, dict[int, str]],
        records: Sequence[AccessRecord],
        also: Callable[[Connection], None] = lambda _conn: None,
    ) -> None:
        """Write a batch with its chunks, by transaction number, and records of those who are not asked about.

        `also` is written in the same transaction.
        """

        def work(conn: Connection) -> None:
            values = {name: getattr(entered, name) for name in batch.columns.keys() if hasattr(entered, name)}  # noqa: SIM118
            values |= {
                "institution": self._institution,
                "items": json.dumps(entered.items),
                "since": entered.period.since,
                "until": entered.period.until,
            }
            conn.execute(batch.insert().values(values))
            rows = [
                (self._institution, transaction, entered.batch, ordinal, _pairs(of), ChunkState.WAITING.value)
                for ordinal, (transaction, of) in enumerate(chunks.items())
            ]
            insert_rows(conn, batch_chunk, _CHUNK, rows)
            append_records(conn, self._institution, records)
            also(conn)

        self._commit(work)

    def append_records(self, records: Sequence[AccessRecord]) -> None:
        """Write records of inquiries that were not made, durably."""
        self._commit(lambda conn: append_records(conn, self._institution, records))

    def batches(self, number: str | None = None, schedule: str | None = None) -> list[Batch]:
        """Every batch, or one of them, or those of a schedule; the newest first."""
        query = select(batch).where(self._here)
        if number is not None:
            query = query.where(batch.c.batch == number)
        if schedule is not None:
            query = query.where(batch.c.schedule == schedule)
        with self._engine.connect() as conn:
            return [_batch(row) for row in conn.execute(query.order_by(batch.c.entered_at.desc(), batch.c.batch))]

    def chunks(self, number: str) -> list[Chunk]:
        """The chunks of a batch in order, without their large fields."""
        light = [column for column in batch_chunk.columns if column.name not in _HEAVY]
        query = select(*light).where(self._chunks_here, batch_chunk.c.batch == number)
        in_order = batch_chunk.c.ordinal, batch_chunk.c.transaction
        with self._engine.connect() as conn:
            return [_chunk(row) for row in conn.execute(query.order_by(*in_order))]

    def tallies(self, number: str) -> list[Tally | None]:
        """What came of each chunk of a batch, in any order; None of one that is not closed."""
        query = select(batch_chunk.c.state, batch_chunk.c.outcomes)
        with self._engine.connect() as conn:
            rows = conn.execute(query.where(self._chunks_here, batch_chunk.c.batch == number)).all()
        return [_tally(outcomes or "[]") if state == ChunkState.CLOSED else None for state, outcomes in rows]

    def chunk(self, transaction: str) -> Chunk | None:
        """One chunk with everything."""
        query = select(batch_chunk).where(self._chunks_here, batch_chunk.c.transaction == transaction)
        with self._engine.connect() as conn:
            row = conn.execute(query).one_or_none()
        return None if row is None else _chunk(row)

    def unasked(self) -> list[str]:
        """Chunks that were not asked yet or were cut off, the batch entered first first."""
        query = (
            select(batch_chunk.c.transaction)
            .join(batch, (batch.c.institution == batch_chunk.c.institution) & (batch.c.batch == batch_chunk.c.batch))
            .where(self._chunks_here, batch_chunk.c.state != ChunkState.CLOSED.value)
        )
        with self._engine.connect() as conn:
            return list(conn.execute(query.order_by(batch.c.entered_at, batch_chunk.c.ordinal)).scalars())

    def asked(self, chunk: Chunk) -> None:
        """Write a chunk durably before it is sent."""
        values = {
            "state": ChunkState.ASKED.value,
            "case_salt": chunk.case_salt,
            "epoch": chunk.epoch,
            "asked_at": chunk.asked_at,
            "request": chunk.request,
            "outcomes": _outcomes(chunk.outcomes.values()),
        }
        self._commit(lambda conn: conn.execute(batch_chunk.update().where(*self._this(chunk)).values(values)).close())

    def close(self, of: Batch, chunk: Chunk, closing: ChunkClosing) -> None:
        """Close a chunk with an inquiry and an access record for each person, and its report, in one transaction."""
        values = {
            "state": ChunkState.CLOSED.value,
            "decision": closing.decision.model_dump_json() if closing.decision else None,
            "answer": closing.answer,
            "outcomes": _outcomes(closing.outcomes),
            "problem": closing.problem,
            "closed_at": closing.at,
        }
        rows = [self._inquiry(of, chunk, one, closing.at) for one in closing.asked if one.subject_hash is not None]

        def work(conn: Connection) -> None:
            conn.execute(batch_chunk.update().where(*self._this(chunk)).values(values))
            records = [one.record for one in closing.asked]
            if chunk.closed_at is None:
                insert_rows(conn, inquiry, _INQUIRY, rows)
                append_records(conn, self._institution, records)
            else:
                upsert(conn, inquiry, [dict(zip(_INQUIRY, row, strict=True)) for row in rows])
                replace_records(conn, self._institution, records)
            if closing.report is not None:
                append_chunk_report(conn, self._institution, closing.report, closing.at)

        self._commit(work)

    def reopen(self, transaction: str) -> None:
        """Let a closed chunk be sent again as it is."""
        this = self._chunks_here, batch_chunk.c.transaction == transaction
        self._commit(
            lambda conn: conn.execute(batch_chunk.update().where(*this).values(state=ChunkState.ASKED.value)).close()
        )

    def renew(self, chunk: Chunk, transaction: str, places: Collection[int]) -> None:
        """Let persons of a closed chunk be asked about anew, with a chunk of another transaction number."""
        kept = {at: number for at, number in chunk.addressees.items() if at not in places}
        outcomes = [one for at, one in chunk.outcomes.items() if at not in places]
        renewed = {at: chunk.addressees[at] for at in sorted(places)}
        row = (self._institution, transaction, chunk.batch, chunk.ordinal, _pairs(renewed), ChunkState.WAITING.value)
        values = {"addressees": _pairs(kept), "outcomes": _outcomes(outcomes)}

        def work(conn: Connection) -> None:
            conn.execute(batch_chunk.update().where(*self._this(chunk)).values(values))
            insert_rows(conn, batch_chunk, _CHUNK, [row])

        self._commit(work)

    def later_outcomes(self, transactions: Collection[str]) -> dict[str, Outcome]:
        """What came in the end of inquiries that were pending, by transaction number."""
        query = select(inquiry.c.transaction, inquiry.c.outcome).where(
            inquiry.c.institution == self._institution, inquiry.c.transaction.in_(transactions)
        )
        with self._engine.connect() as conn:
            return {row.transaction: Outcome(row.outcome) for row in conn.execute(query) if row.outcome}

    def forget_answers(self, now: datetime) -> int:
        """Delete the answers of batches that are kept no longer; how many chunks had one. Records stay."""
        over = select(batch.c.batch).where(self._here, batch.c.kept_until < now)
        theirs = self._chunks_here, batch_chunk.c.answer.is_not(None), batch_chunk.c.batch.in_(over)
        return self._commit(lambda conn: conn.execute(batch_chunk.update().where(*theirs).values(answer=None)).rowcount)

    def _this(self, chunk: Chunk) -> Any:
        return self._chunks_here, batch_chunk.c.transaction == chunk.transaction

    def _inquiry(self, of: Batch, chunk: Chunk, one: AskedPerson, at: datetime) -> tuple[object, ...]:
        pending_at = at if one.record.outcome is Outcome.PENDING else None
        outcome = one.record.outcome.value if one.record.outcome else None
        return (
            self._institution, one.transaction, one.addressee_number, of.case_reference, chunk.case_salt, of.provider,
            of.affair, json.dumps(of.items), of.period.since, of.period.until, chunk.epoch, one.subject_hash,
            chunk.asked_at, of.staff, of.department, at, outcome, one.record.problem, None, None, pending_at,
            chunk.transaction,
        )  # fmt: skip


def _pairs(addressees: Mapping[int, str]) -> str:
    return json.dumps(list(addressees.items()))


def _outcomes(outcomes: Collection[PersonOutcome]) -> str:
    return json.dumps([(o.place, o.transaction, o.outcome, o.problem, o.log_index) for o in outcomes])


@lru_cache(64)
def _tally(outcomes: str) -> Tally:
    """Read once: who waits for a batch looks at its closed chunks again and again."""
    ended: Counter[tuple[Outcome | None, str | None]] = Counter()
    pending = []
    for _, transaction, outcome, problem, _ in json.loads(outcomes):
        ended[Outcome(outcome) if outcome else None, problem] += 1
        if outcome == Outcome.PENDING:
            pending.append(transaction)
    return Tally(MappingProxyType(ended), tuple(pending))


def _batch(row: Any) -> Batch:
    values = {name: getattr(row, name) for name in Batch.__dataclass_fields__ if name not in ("items", "period")}
    return Batch(**values, items=tuple(json.loads(row.items)), period=Period(since=row.since, until=row.until))


def _chunk(row: Any) -> Chunk:
    found = row._mapping
    known = (
        PersonOutcome(place, transaction, Outcome(outcome) if outcome else None, problem, index)
        for place, transaction, outcome, problem, index in json.loads(found["outcomes"] or "[]")
    )
    heavy = {name: found[name] for name in _HEAVY if name in found}
    return Chunk(
        transaction=found["transaction"],
        batch=found["batch"],
        ordinal=found["ordinal"],
        addressees={place: number for place, number in json.loads(found["addressees"])},  # noqa: C416 - typed
        state=ChunkState(found["state"]),
        case_salt=bytes(found["case_salt"]) if found["case_salt"] else None,
        epoch=found["epoch"],
        asked_at=found["asked_at"],
        outcomes={one.place: one for one in known},
        problem=found["problem"],
        closed_at=found["closed_at"],
        **heavy,
    )
