"""Messages of the provision (情報提供): requester's exchange → provider's exchange, and the outcome to the hub."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Envelope, Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import ITEMS, LoggedRecord, Outcome, Period, Refusal

HASH = r"^[0-9a-f]{64}$"  # it goes into the log: nothing else may be written there


class ProvisionRequest(Message):
    """Requester → provider: the permit and the ciphertext it binds."""

    KIND: ClassVar[str] = "provision-request.v1"
    permit: Envelope
    subject: str


class DatedItem(Part):
    """One information item (特定個人情報) of one person: valid from and until (None: still), with its content."""

    item: str
    valid_from: date
    valid_until: date | None = None
    body: dict[str, Any]


class SealedItems(Part):
    """What is inside a sealed answer."""

    transaction: str
    items: tuple[DatedItem, ...]


class ProvisionAnswer(Reply):
    """Provider → requester. `sealed` is HPKE to the requester, bound to transaction, both ends and permit hash.

    It is there for every outcome, without items unless something is provided; `padding` makes all outcomes equally long.
    """

    KIND: ClassVar[str] = "provision-answer.v1"
    transaction: str
    outcome: Outcome
    sealed: str | None = None
    payload_hash: str | None = None
    permit_hash: str
    answered_at: AwareDatetime
    padding: str = ""


class ReportOutcome(Message):
    """Provider (or, for `undelivered`, requester) → operator 1: what came of a permitted request."""

    KIND: ClassVar[str] = "report-outcome.v1"
    transaction: str
    requester: str
    provider: str
    outcome: Outcome
    payload_hash: Annotated[str | None, Field(pattern=HASH)] = None
    permit: Envelope


class OutcomeLogged(Reply):
    KIND: ClassVar[str] = "outcome-logged.v1"
    promise: Envelope


class RelayOutcome(Message):
    """Operator 1 → operator 2: the reported outcome with its log entry, for the portal's feed."""

    KIND: ClassVar[str] = "relay-outcome.v1"
    report: Envelope
    logged: LoggedRecord


class OutcomeRelayed(Reply):
    KIND: ClassVar[str] = "outcome-relayed.v1"
    transaction: str


class Inquire(Message):
    """Desk (business system or caseworker) → own exchange: ask a provider about an addressee for an affair."""

    KIND: ClassVar[str] = "inquire.v1"
    REPEATABLE: ClassVar[bool] = False
    staff: str
    case_reference: str
    addressee_number: str
    provider: str
    affair: str
    items: Annotated[tuple[str, ...], Field(min_length=1, max_length=ITEMS)]
    period: Period = Period()


class Inquired(Reply):
    """Exchange → desk: the outcome; items only when provided; refusal only when refused."""

    KIND: ClassVar[str] = "inquired.v1"
    transaction: str
    outcome: Outcome
    items: tuple[DatedItem, ...] = ()
    permit: Envelope | None = None
    refusal: Refusal | None = None
    log_index: int | None = None


class ShowRecords(Message):
    """Desk → own exchange: the institution's own access records, of one addressee, one transaction, or all; newest first."""

    KIND: ClassVar[str] = "show-records.v1"
    addressee_number: str | None = None
    transaction: str | None = None


class RecordShown(Part):
    """An access record (情報提供等記録) as its keeper has it; `side` is requester or provider."""

    transaction: str
    side: str
    requester: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    requested_at: AwareDatetime
    recorded_at: AwareDatetime
    outcome: Outcome | None
    problem: str | None
    addressee_number: str | None
    staff: str | None
    department: str | None
    case_reference: str | None
    flagged: bool
    rules: tuple[str, ...]
    rule_book: str | None
    log_index: int | None
    payload_hash: str | None


class Records(Reply):
    KIND: ClassVar[str] = "records.v1"
    records: tuple[RecordShown, ...]


class CopyOf(Part):
    """A copy (副本) of one information item for an addressee."""

    addressee_number: str
    item: DatedItem


class PutCopies(Message):
    """Desk → own exchange: place copies; a newer copy of the same item and start replaces the older one."""

    KIND: ClassVar[str] = "put-copies.v1"
    copies: Annotated[tuple[CopyOf, ...], Field(min_length=1, max_length=5_000)]


class RejectedCopy(Part):
    """A copy that was not placed: its position in the message and what was wrong."""

    position: int
    code: str
    reason: str


class CopiesPlaced(Reply):
    KIND: ClassVar[str] = "copies-placed.v1"
    placed: int
    rejected: tuple[RejectedCopy, ...] = ()
