"""Records of the log (ログの記録内容): what is written down about a request, an outcome, a batch of codes.

Both operators make the record of a request from the request itself: operator 2 so checks what operator 1 wrote.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import Signed
from kumihimo.plumbing.wire.messages.batch import ChunkPermit, ChunkRequest, ReportOutcomes
from kumihimo.plumbing.wire.messages.codes import TranslateCodes
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    InquiryRequest,
    LogRecord,
    Outcome,
    Permit,
    Refusal,
)
from kumihimo.plumbing.wire.messages.oversight import Measure, Order
from kumihimo.plumbing.wire.messages.provision import ReportOutcome
from kumihimo.plumbing.wire.messages.rotation import MoveDomain, RotateCodes
from kumihimo.roles.hub.service.rulings import Ruling, is_id, refusal_of

PERMIT_LIFE: Final = timedelta(minutes=5)


def request_record(signed: Signed[InquiryRequest] | Signed[ChunkRequest], ruling: Ruling, at: datetime) -> LogRecord:
    """The record of a request and what was decided about it; words that are no ids are left out."""
    request = signed.value
    subject_hash = None if ruling.subject is None else hashlib.sha256(ruling.subject).hexdigest()
    return LogRecord(
        entry=EntryKind.REQUEST,
        logged_at=at,
        transaction=request.transaction,
        requester=request.requester,
        provider=request.provider if is_id(request.provider) else None,
        affair=request.affair if is_id(request.affair) else None,
        items=tuple(item for item in request.items if is_id(item)),
        period=request.period,
        case_reference_hash=request.case_reference_hash,
        subject_hash=subject_hash,
        request_hash=signed.envelope.digest(),
        requested_at=request.sent_at,
        granted=ruling.granted,
        rules=ruling.rules,
        articles=ruling.articles,
        rule_book=ruling.rule_book,
        refusal=ruling.refusal,
    )


def permit_of(
    record: LogRecord, index: int, subject: bytes, issued_at: datetime, expires_at: datetime, epoch: int | None
) -> Permit:
    """The permit for a logged request and the ciphertext for its provider, in that epoch of the provider's domain.

    Raises Problem(value.invalid).
    """
    if None in (record.transaction, record.requester, record.provider, record.affair, record.rule_book):
        raise Problem("value.invalid", "a record that lacks what a permit says", where="record")
    return Permit(
        transaction=record.transaction or "",
        requester=record.requester or "",
        provider=record.provider or "",
        affair=record.affair or "",
        items=record.items,
        period=record.period,
        rules=record.rules,
        articles=record.articles,
        rule_book=record.rule_book or "",
        subject_hash=hashlib.sha256(subject).hexdigest(),
        log_index=index,
        issued_at=issued_at,
        expires_at=expires_at,
        epoch=epoch,
    )


def outcome_record(signed: Signed[ReportOutcome], permit: Permit, at: datetime) -> LogRecord:
    """The record of a reported outcome; what was asked is taken from the permit."""
    report = signed.value
    return _outcome(signed, permit, at).model_copy(
        update={"transaction": permit.transaction, "outcome": report.outcome, "payload_hash": report.payload_hash}
    )


def outcomes_record(signed: Signed[ReportOutcomes], permit: ChunkPermit, outcome: Outcome, at: datetime) -> LogRecord:
    """The record of one outcome out of a report about a chunk, but for the person's transaction number."""
    payload_hash = signed.value.payload_hash if outcome is Outcome.PROVIDED else None
    return _outcome(signed, permit, at).model_copy(update={"outcome": outcome, "payload_hash": payload_hash})


def _outcome(
    signed: Signed[ReportOutcome] | Signed[ReportOutcomes], permit: Permit | ChunkPermit, at: datetime
) -> LogRecord:
    return LogRecord(
        entry=EntryKind.OUTCOME,
        logged_at=at,
        requester=permit.requester,
        provider=permit.provider,
        affair=permit.affair,
        items=permit.items,
        period=permit.period,
        request_hash=signed.envelope.digest(),
        requested_at=signed.value.sent_at,
        rules=permit.rules,
        articles=permit.articles,
        rule_book=permit.rule_book,
        peer=signed.signer,
    )


def codes_record(signed: Signed[TranslateCodes], at: datetime) -> LogRecord:
    """The record of a batch of codes: for whom and how many, no tickets."""
    batch = signed.value
    return LogRecord(
        entry=EntryKind.CODES,
        logged_at=at,
        institution=batch.institution,
        count=len(batch.codes),
        request_hash=signed.envelope.digest(),
        requested_at=batch.sent_at,
        peer=signed.signer,
    )


def move_record(signed: Signed[MoveDomain], at: datetime) -> LogRecord:
    """The record of a step of a domain: the step in `affair`, the epoch as `count`."""
    move = signed.value
    return LogRecord(
        entry=EntryKind.ROTATION,
        logged_at=at,
        institution=move.institution,
        affair=f"rotation.{move.phase}",
        count=move.epoch,
        request_hash=signed.envelope.digest(),
        requested_at=move.sent_at,
        peer=signed.signer,
    )


def rotation_record(signed: Signed[RotateCodes], at: datetime) -> LogRecord:
    """The record of a batch of codes that went to the next epoch: whose and how many."""
    batch = signed.value
    return LogRecord(
        entry=EntryKind.ROTATION,
        logged_at=at,
        institution=batch.institution,
        affair="rotation.codes",
        count=len(batch.codes),
        request_hash=signed.envelope.digest(),
        requested_at=batch.sent_at,
        peer=signed.signer,
    )


def rejected_record(peer: PartyId, problem: Problem, at: datetime) -> LogRecord:
    """The record of a message that could not be taken: who was connected, and the code of what was wrong.

    The problem's detail stays out: it may repeat words of an unauthentic message.
    """
    refusal = refusal_of(Problem(problem.code, "see the code"))
    return LogRecord(entry=EntryKind.REJECTED, logged_at=at, peer=peer, refusal=refusal)


def rule_book_record(sha256: str, at: datetime) -> LogRecord:
    """The record of the rule book that this desk applies from now on."""
    return LogRecord(entry=EntryKind.RULE_BOOK, logged_at=at, rule_book=sha256)


def order_record(signed: Signed[Order], refusal: Refusal | None, at: datetime) -> LogRecord:
    """The record of an order of the oversight body: its number as `count`, and with a suspension what will be answered.

    `request_hash` is the digest of the signed order, which both operators and the body keep.
    """
    order = signed.value
    granted = {Measure.SUSPEND: False, Measure.LIFT: True}
    return LogRecord(
        entry=EntryKind.ORDER,
        logged_at=at,
        institution=order.ordered.institution,
        affair=f"oversight.{order.ordered.measure}",
        count=order.number,
        request_hash=signed.envelope.digest(),
        requested_at=order.ordered_at,
        granted=granted.get(order.ordered.measure),
        refusal=refusal,
        peer=signed.signer,
    )
