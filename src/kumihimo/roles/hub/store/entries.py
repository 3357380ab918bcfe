"""Entries of the log (監査台帳の記入) on their way in and out: what is to be written, and what then stands where."""

from __future__ import annotations

from dataclasses import dataclass

from kumihimo.domain.sealing import commit
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogRecord, Outcome


@dataclass(frozen=True)
class Report:
    """What is kept of a reported outcome beside its log entry."""

    outcome: Outcome
    payload_hash: str | None
    envelope: Envelope

    def same(self, other: Report) -> bool:
        """Whether both say the same, signed then or now."""
        return (self.outcome, self.payload_hash) == (other.outcome, other.payload_hash)


@dataclass(frozen=True)
class Unrelayed:
    """A refused request that operator 2 must still hear of, as signed.

    `logged` is the entry that says so; None: the one it is written with.
    """

    request: Envelope
    logged: LoggedRecord | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """One entry to be written. `mark` is what may happen only once; `salt` is 32 bytes.

    `written` is the record's canonical JSON where it is known already; entries of one `chunk` are told to the overseer
    together, and their `record` is what several of them have in common: each has its `transaction` beside it.
    """

    record: LogRecord
    salt: bytes
    mark: str | None = None
    report: Report | None = None
    unrelayed: Unrelayed | None = None
    written: bytes | None = None
    chunk: str | None = None
    transaction: str | None = None


@dataclass(frozen=True)
class ReportedOutcome:
    """A reported outcome as stored: the report and its log entry."""

    report: Report
    logged: LoggedRecord


@dataclass(frozen=True, slots=True)
class Entered:
    """A durable entry: its index, the record, its salt and the commitment that the log holds (32 bytes each).

    Just written with others of a chunk, its record is what they have in common.
    """

    index: int
    record: LogRecord
    salt: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry with all that can be computed before its index is known: its bytes and the commitment to them."""

    item: Append
    written: bytes
    commitment: bytes


def prepared(item: Append) -> Prepared:
    """Raises ValueError for an outcome without a mark, and Problem(value.invalid) for a salt of another length."""
    if item.report is not None and item.mark is None:
        raise ValueError("an outcome is kept under a mark")
    written = item.written if item.written is not None else item.record.to_bytes()
    return Prepared(item, written, commit(item.salt, written))


def entered(one: Prepared, index: int) -> Entered:
    """A prepared entry once it stands at its place."""
    return Entered(index, one.item.record, one.item.salt, one.commitment)
