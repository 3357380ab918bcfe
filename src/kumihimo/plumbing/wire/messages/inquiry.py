"""Messages of the inquiry (情報照会) up to the permit: exchange → operator 1 → operator 2 and back; and what is logged."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from kumihimo.plumbing.wire.envelope import Document, Envelope, Instant, Message, Part, Reply, Whole

ITEMS = 50  # in one inquiry


class Period(Part):
    """The days the asked information is about, both ends included; open ends are None."""

    since: date | None = None
    until: date | None = None


class Outcome(StrEnum):
    """What came of a request. `refused` comes from the hub, `undelivered` from the requester, the rest from the provider."""

    PROVIDED = "provided"
    NONE = "none"
    WITHHELD = "withheld"
    PENDING = "pending"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"


class InquiryRequest(Message):
    """Requester's exchange → operator 1 (番号法第十九条第七号, 第二十一条).

    `transaction` is the transaction number (処理通番): 32 lower-case hex digits, new for every inquiry. `subject` is the
    requester's link code encrypted in its own domain (64 bytes, base64), in the epoch `epoch` of it (null: the present
    one); `case_reference_hash` a salted SHA-256 (hex).
    """

    KIND: ClassVar[str] = "inquiry-request.v1"
    transaction: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    requester: str
    provider: str
    affair: str
    items: Annotated[tuple[str, ...], Field(min_length=1, max_length=ITEMS)]
    period: Period = Period()
    case_reference_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    subject: str
    epoch: Annotated[int, Field(ge=1, le=999_999_999)] | None = None


class Refusal(Part):
    """Why a request was refused: a stable code, the reason in both languages, and the nearest article."""

    code: str
    reason_ja: str
    reason_en: str
    article: str | None = None


class EntryKind(StrEnum):
    """What a log entry records."""

    REQUEST = "request"
    OUTCOME = "outcome"
    REJECTED = "rejected"  # a message that could not even be attributed: unsigned, tampered, replayed
    CODES = "codes"
    RULE_BOOK = "rule_book"
    ORDER = "order"  # of the oversight body, as carried out
    ROTATION = "rotation"  # of link codes: a step of a domain, or a batch that was moved


class LogRecord(Document):
    """What one log entry commits to. The log holds SHA-256(salt ‖ this); the record itself goes to those it concerns.

    It names no person: `subject_hash` is the SHA-256 of a ciphertext that nobody can tell from another.
    """

    KIND: ClassVar[str] = "log-record.v1"
    entry: EntryKind
    logged_at: Instant
    transaction: str | None = None
    requester: str | None = None
    provider: str | None = None
    affair: str | None = None
    items: tuple[str, ...] = ()
    period: Period = Period()
    case_reference_hash: str | None = None
    subject_hash: str | None = None
    request_hash: str | None = None
    requested_at: datetime | None = None
    granted: bool | None = None
    rules: tuple[str, ...] = ()
    articles: tuple[str, ...] = ()
    rule_book: str | None = None
    refusal: Refusal | None = None
    outcome: Outcome | None = None
    payload_hash: str | None = None
    institution: str | None = None
    count: int | None = None
    peer: str | None = None


class LogPromise(Document):
    """Operator 1's signed promise that an entry is durably stored at `index` and will be in the next checkpoint."""

    KIND: ClassVar[str] = "log-promise.v1"
    index: Whole
    entry: str  # the 32-byte commitment, base64
    logged_at: Instant


class LoggedRecord(Part):
    """A record with what is needed to show that the log holds it."""

    record: LogRecord
    salt: str
    promise: Envelope


class RelayInquiry(Message):
    """Operator 1 → operator 2: the signed request, what was logged, and both half-translated ciphertexts.

    Refused requests are relayed too, without `for_provider`, so that the resident sees them. The epochs are those of the
    provider's and the portal's domain that operator 1 translated to (null: the present one).
    """

    KIND: ClassVar[str] = "relay-inquiry.v1"
    request: Envelope
    logged: LoggedRecord
    for_provider: str | None
    for_portal: str
    provider_epoch: int | None = None
    portal_epoch: int | None = None


class RelayRefusal(Message):
    """Operator 1 → operator 2: a request that was logged and in the end refused, of which operator 2 has not heard yet.

    Sent until accepted, so the request may be old; `for_portal` is the ciphertext as operator 1 translated it now.
    """

    KIND: ClassVar[str] = "relay-refusal.v1"
    request: Envelope
    logged: LoggedRecord
    for_portal: str
    portal_epoch: int | None = None


class RefusalRelayed(Reply):
    KIND: ClassVar[str] = "refusal-relayed.v1"
    transaction: str


class Permit(Document):
    """The platform's signed yes (許可), signed by both operators; `subject_hash` binds the provider's ciphertext.

    `epoch` is the one of the provider's domain in which that ciphertext can be opened (null: the present one).
    """

    KIND: ClassVar[str] = "permit.v1"
    transaction: str
    requester: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    rules: tuple[str, ...]
    articles: tuple[str, ...]
    rule_book: str
    subject_hash: str
    log_index: Whole
    issued_at: Instant
    expires_at: Instant
    epoch: int | None = None


class InquiryRelayed(Reply):
    """Operator 2 → operator 1: its half of the permit and the finished ciphertext, or its refusal."""

    KIND: ClassVar[str] = "inquiry-relayed.v1"
    transaction: str
    permit: Envelope | None = None
    subject: str | None = None
    refusal: Refusal | None = None


class InquiryDecision(Reply):
    """Operator 1 → requester: the permit with the ciphertext for the provider, or the refusal; logged in either case."""

    KIND: ClassVar[str] = "inquiry-decision.v1"
    transaction: str
    promise: Envelope
    permit: Envelope | None = None
    subject: str | None = None
    refusal: Refusal | None = None


class PortalAccess(Part):
    """An item of operator 2's feed to the portal (kind `access`): a request about the holder of `subject`.

    `refusal` is operator 2's own: set too where operator 1 granted and logged what operator 2 then did not permit.
    `epoch` is the one of the portal's domain (null: the present one).
    """

    transaction: str
    subject: str
    logged: LoggedRecord
    refusal: Refusal | None = None
    epoch: int | None = None


class PortalOutcome(Part):
    """An item of operator 2's feed to the portal (kind `outcome`)."""

    transaction: str
    logged: LoggedRecord


class WitnessedPromise(Part):
    """An item of operator 2's feed to the oversight body (kind `promise`): a promise it saw; the log must keep it."""

    promise: Envelope


class OversightRecord(Part):
    """An item of operator 1's feed to the oversight body (kind `record`): every entry of the log, opened."""

    index: Whole
    logged: LoggedRecord
