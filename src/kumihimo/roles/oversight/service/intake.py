"""Intake (記録と約束の受入れ): what the operators' feeds bring is checked as it comes, and kept for comparison with the log.

A record or promise that does not hold is an alarm and is not kept; the feed goes on, since what follows is evidence too.
"""

from __future__ import annotations

import hmac
from typing import TypeVar

from pydantic import ValidationError

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.sealing import SALT_BYTES, commit
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.chunks import HASH_BYTES, unpacked
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Part, from_b64, malformed
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import LogPromises, OversightRecords, WitnessedPromises
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogPromise, LogRecord, OversightRecord, WitnessedPromise
from kumihimo.plumbing.wire.messages.proofs import UnprovenHop
from kumihimo.plumbing.wire.remote_log import LOGGER, check_logged
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.store import Statements, StoredPromise, StoredRecord, promised_with

RECORD = "record"
RECORDS = "records"
PROMISE = "promise"
PROMISES = "promises"
UNPROVEN = "unproven"
P = TypeVar("P", bound=Part)


class Intake:
    """Applies the items of both feeds, each inside the feed's transaction."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def take_record(self, statements: Statements, item: FeedItem) -> None:
        """An item of operator 1's feed."""
        if item.kind == UNPROVEN:
            self._take_unproven(statements, item, OPERATORS[0])
            return
        if item.kind == RECORDS:
            self._take_records(statements, item)
            return
        try:
            record = self._record(item)
        except Problem as problem:
            self._alarm(statements, AlarmKind.RECORD_INVALID, f"item {item.seq} of operator 1's feed ({problem.code})")
            return
        self._keep_record(statements, record)

    def _take_records(self, statements: Statements, item: FeedItem) -> None:
        """The entries of a chunk: taken in at once where they are just what is due, else one by one."""
        try:
            records = self._records(item)
        except Problem as problem:
            self._alarm(statements, AlarmKind.RECORD_INVALID, f"item {item.seq} of operator 1's feed ({problem.code})")
            return
        due = statements.next_index()
        if [one.index for one in records] == list(range(due, due + len(records))):
            statements.take_records(records, self._edge.clock.now())
            return
        for record in records:
            self._keep_record(statements, record)

    def _keep_record(self, statements: Statements, record: StoredRecord) -> None:
        known = statements.commitment_of(record.index)
        if known == record.commitment:
            return
        if known is not None:
            self._alarm(statements, AlarmKind.RECORD_INVALID, f"a second record for entry {record.index}")
            return
        expected = statements.next_index()
        if record.index != expected:
            self._alarm(statements, AlarmKind.RECORD_GAP, f"record {record.index} where {expected} was due")
        statements.take_record(record, self._edge.clock.now())

    def take_promise(self, statements: Statements, item: FeedItem) -> None:
        """An item of operator 2's feed."""
        if item.kind == UNPROVEN:
            self._take_unproven(statements, item, OPERATORS[1])
            return
        if item.kind == PROMISES:
            self._take_promises(statements, item)
            return
        try:
            promise = self._promise(item)
        except Problem as problem:
            self._alarm(statements, AlarmKind.PROMISE_INVALID, f"item {item.seq} of operator 2's feed ({problem.code})")
            return
        statements.take_promise(promise, self._edge.clock.now())

    def _take_promises(self, statements: Statements, item: FeedItem) -> None:
        try:
            seen = _read(item, WitnessedPromises)
            promises = self._edge.read(seen.promise, LogPromises, LOGGER).value
            entries = unpacked(promises.entries, HASH_BYTES, "entries", len(promises.indexes))
        except Problem as problem:
            self._alarm(statements, AlarmKind.PROMISE_INVALID, f"item {item.seq} of operator 2's feed ({problem.code})")
            return
        statements.take_promises(promises.indexes, entries, seen.promise.model_dump_json(), self._edge.clock.now())

    def _take_unproven(self, statements: Statements, item: FeedItem, accuser: PartyId) -> None:
        """An operator says that the other one could not prove a translation: an alarm whoever of the two is right."""
        try:
            told = UnprovenHop.model_validate(item.body)
        except ValidationError:
            self._alarm(
                statements, AlarmKind.RECORD_INVALID, f"item {item.seq} of {accuser}'s feed (message.malformed)"
            )
            return
        what = (
            f"{accuser} says that {told.operator[:40]} did not prove the translation of {told.transaction[:32]}"
            f" from {told.source[:60]} to {told.target[:60]} ({told.code[:40]})"
        )
        alarm = Alarm(AlarmKind.TRANSLATION_UNPROVEN, what, told.signed.model_dump_json())
        statements.alarm(alarm, self._edge.clock.now())

    def _records(self, item: FeedItem) -> list[StoredRecord]:
        told = _read(item, OversightRecords)
        promises = self._edge.read(told.promise, LogPromises, LOGGER).value
        count = len(told.records)
        salts = unpacked(told.salts, SALT_BYTES, "salts", count)
        entries = unpacked(promises.entries, HASH_BYTES, "entries", count)
        if len(promises.indexes) != count or not count:
            raise Problem("message.malformed", f"{len(promises.indexes)} promises", expected=f"{count}")
        records: list[StoredRecord] = []
        first, elsewhere = told.promise.model_dump_json(), promised_with(promises.indexes[0])
        for index, salt, entry, written in zip(promises.indexes, salts, entries, told.records, strict=True):
            if not hmac.compare_digest(commit(salt, written.encode()), entry):
                raise Problem("log.proof_invalid", "the promise is about another record", where="promise")
            try:
                record = LogRecord.model_validate_json(written)
            except ValidationError as error:
                raise malformed(error, "log record") from None
            promise = elsewhere if records else first
            records.append(StoredRecord(index, entry, salt, written, promise, about(record)))
        return records

    def _record(self, item: FeedItem) -> StoredRecord:
        _require_kind(item, RECORD)
        try:
            told = OversightRecord.model_validate(item.body)
        except ValidationError as error:
            raise malformed(error, "oversight record") from None
        promised = check_logged(self._edge, told.logged)
        if promised.index != told.index:
            raise Problem("log.proof_invalid", f"promised at {promised.index}", expected=f"entry {told.index}")
        return StoredRecord(
            index=told.index,
            commitment=promised.commitment,
            salt=from_b64(told.logged.salt, "salt"),
            record=told.logged.record.to_bytes().decode(),
            promise=told.logged.promise.model_dump_json(),
            about=about(told.logged.record),
        )

    def _promise(self, item: FeedItem) -> StoredPromise:
        _require_kind(item, PROMISE)
        try:
            seen = WitnessedPromise.model_validate(item.body)
        except ValidationError as error:
            raise malformed(error, "witnessed promise") from None
        promise = self._edge.read(seen.promise, LogPromise, LOGGER).value
        return StoredPromise(promise.index, from_b64(promise.entry, "entry"), seen.promise.model_dump_json())

    def _alarm(self, statements: Statements, kind: AlarmKind, what: str) -> None:
        statements.alarm(Alarm(kind, what), self._edge.clock.now())


def _read(item: FeedItem, kind: type[P]) -> P:
    try:
        return kind.model_validate(item.body)
    except ValidationError as error:
        raise malformed(error, f"item of kind {item.kind}") from None


def about(record: LogRecord) -> str | None:
    """What a record is found by: a request by its transaction number, an order by its digest."""
    match record.entry:
        case EntryKind.REQUEST:
            return record.transaction
        case EntryKind.ORDER:
            return f"order/{record.request_hash}"
        case _:
            return None


def _require_kind(item: FeedItem, kind: str) -> None:
    if item.kind != kind:
        raise Problem("message.malformed", f"an item of kind {item.kind[:40]!r}", expected=kind)
