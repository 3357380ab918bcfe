"""Intake (記録と約束の受入れ): what the operators' feeds bring is checked as it comes, and kept for comparison with the log.

A record or promise that does not hold is an alarm and is not kept; the feed goes on, since what follows is evidence too.
"""

from __future__ import annotations

from pydantic import ValidationError

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64, malformed
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogPromise, LogRecord, OversightRecord, WitnessedPromise
from kumihimo.plumbing.wire.messages.proofs import UnprovenHop
from kumihimo.plumbing.wire.remote_log import LOGGER, check_logged
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.store import Statements, StoredPromise, StoredRecord

RECORD = "record"
PROMISE = "promise"
UNPROVEN = "unproven"


class Intake:
    """Applies the items of both feeds, each inside the feed's transaction."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def take_record(self, statements: Statements, item: FeedItem) -> None:
        """An item of operator 1's feed."""
        if item.kind == UNPROVEN:
            self._take_unproven(statements, item, OPERATORS[0])
            return
        try:
            record = self._record(item)
        except Problem as problem:
            self._alarm(statements, AlarmKind.RECORD_INVALID, f"item {item.seq} of operator 1's feed ({problem.code})")
            return
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
        try:
            promise = self._promise(item)
        except Problem as problem:
            self._alarm(statements, AlarmKind.PROMISE_INVALID, f"item {item.seq} of operator 2's feed ({problem.code})")
            return
        statements.take_promise(promise, self._edge.clock.now())

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
