"""Messages of the batch inquiry (一括照会): one message for many persons, one log entry and one record for each of them.

A batch goes out in chunks. A chunk is one signed request of one requester to one provider for one affair; its persons
differ only in their ciphertexts, and each has a transaction number of its own, which follows from the chunk's
(`wire.chunks.person_transaction`). Lists of values of one length are packed: the bytes one after the other, as base64.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Document, Envelope, Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import ITEMS, LogRecord, Period, Refusal
from kumihimo.plumbing.wire.messages.proofs import MOST
from kumihimo.plumbing.wire.messages.provision import HASH, AsOf, DatedItem

PERSONS = 1_000  # in one chunk
TRANSACTION = r"^[0-9a-f]{32}$"
_OUTCOMES = r"^[PNWHU]+$"

Ranges = tuple[tuple[int, int], ...]  # positions from 0, first and last of each run, ascending
Positions = Annotated[Ranges, Field(max_length=PERSONS)]
Kinds = Annotated[tuple[int, ...], Field(max_length=PERSONS)]


class ChunkRequest(Message):
    """Requester's exchange → operator 1 (番号法第十九条第七号, 第二十一条): the same question about many persons.

    `subjects`: the link codes encrypted in the requester's domain, in the epoch `epoch` of it (null: the present one), 64
    bytes each, packed; at most `PERSONS`.
    """

    KIND: ClassVar[str] = "chunk-request.v1"
    transaction: Annotated[str, Field(pattern=TRANSACTION)]
    requester: str
    provider: str
    affair: str
    items: Annotated[tuple[str, ...], Field(min_length=1, max_length=ITEMS)]
    period: Period = Period()
    case_reference_hash: Annotated[str, Field(pattern=HASH)]
    subjects: Annotated[str, Field(max_length=4 * PERSONS * 64 // 3 + 4)]
    epoch: Annotated[int, Field(ge=1, le=999_999_999)] | None = None


class LogPromises(Document):
    """Operator 1's signed promise that `entries` (32-byte commitments, packed) are durably stored at `indexes`."""

    KIND: ClassVar[str] = "log-promises.v1"
    indexes: tuple[int, ...]
    entries: str


class LoggedRecords(Part):
    """Records of the persons at `positions`, with what is needed to show that the log holds them.

    What persons have in common is said once: `kinds` names for each the one of `records` that is theirs, but for
    transaction number and hash of the ciphertext. `salts` are 32 bytes each, packed; `promise` is a LogPromises.
    """

    positions: Positions
    records: tuple[LogRecord, ...]
    kinds: Kinds
    salts: str
    promise: Envelope


class RelayChunk(Message):
    """Operator 1 → operator 2: the signed request, what was logged, and both half-translated lists of ciphertexts.

    `for_portal` is about every position of `logged`, `for_provider` about those of them that operator 1 grants. The epochs
    are those of the domains they were translated to (null: the present one).
    """

    KIND: ClassVar[str] = "relay-chunk.v1"
    request: Envelope
    logged: LoggedRecords
    for_provider: str
    for_portal: str
    provider_epoch: int | None = None
    portal_epoch: int | None = None


class ChunkPermit(Document):
    """The platform's signed yes (許可) for the persons at `positions`, signed by both operators.

    `persons_hash` binds for each of them position, log index and the provider's ciphertext (`wire.chunks.persons_hash`).
    """

    KIND: ClassVar[str] = "chunk-permit.v1"
    transaction: str
    requester: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    rules: tuple[str, ...]
    articles: tuple[str, ...]
    rule_book: str
    positions: Positions
    persons_hash: str
    issued_at: AwareDatetime
    expires_at: AwareDatetime
    epoch: int | None = None


class Refused(Part):
    """Those who were refused, for one reason."""

    positions: Positions
    refusal: Refusal


class ChunkRelayed(Reply):
    """Operator 2 → operator 1: its half of the permit with the finished ciphertexts, and whom it refuses."""

    KIND: ClassVar[str] = "chunk-relayed.v1"
    transaction: str
    permit: Envelope | None = None
    subjects: str = ""
    refused: tuple[Refused, ...] = ()


class ChunkDecision(Reply):
    """Operator 1 → requester: the permit with the ciphertexts for the provider, and whom the platform refuses.

    `promise` is a LogPromises about every person in order: where the log has what came of the request.
    """

    KIND: ClassVar[str] = "chunk-decision.v1"
    transaction: str
    promise: Envelope
    permit: Envelope | None = None
    subjects: str = ""
    refused: tuple[Refused, ...] = ()


class RelayRefusals(Message):
    """Operator 1 → operator 2: persons of a chunk that were refused in the end, of whom it has not heard; as RelayRefusal."""

    KIND: ClassVar[str] = "relay-refusals.v1"
    request: Envelope
    logged: LoggedRecords
    for_portal: str
    portal_epoch: int | None = None


class ChunkProvisionRequest(Message):
    """Requester → provider: the permit, and what it binds: ciphertexts (packed) and log indexes, by position."""

    KIND: ClassVar[str] = "chunk-provision-request.v1"
    permit: Envelope
    subjects: str
    log_indexes: Annotated[tuple[int, ...], Field(max_length=PERSONS)]


class SealedPersons(Part):
    """What is inside a sealed answer to a chunk: the items of each permitted person, in order; `as_of` as in SealedItems."""

    transaction: str
    persons: tuple[tuple[DatedItem, ...], ...]
    as_of: tuple[AsOf, ...] = ()


class ChunkAnswer(Reply):
    """Provider → requester. `outcomes` has one letter for each permitted person (`wire.chunks.LETTERS`).

    `sealed` is HPKE to the requester, once for all, bound to transaction, both ends and permit hash.
    """

    KIND: ClassVar[str] = "chunk-answer.v1"
    transaction: str
    outcomes: Annotated[str, Field(pattern=_OUTCOMES)]
    sealed: str
    payload_hash: str
    permit_hash: str
    answered_at: AwareDatetime


class ReportOutcomes(Message):
    """Provider (or, for those undelivered, requester) → operator 1: what came of each permitted person of a chunk.

    `payload_hash` is that of the sealed answer, which has the data of all who were provided.
    """

    KIND: ClassVar[str] = "report-outcomes.v1"
    transaction: Annotated[str, Field(pattern=TRANSACTION)]
    requester: str
    provider: str
    outcomes: Annotated[str, Field(pattern=_OUTCOMES, max_length=PERSONS)]
    payload_hash: Annotated[str | None, Field(pattern=HASH)] = None
    permit: Envelope


class OutcomesLogged(Reply):
    """Operator 1's promise about every outcome, in order."""

    KIND: ClassVar[str] = "outcomes-logged.v1"
    promise: Envelope


class RelayChunkOutcomes(Message):
    """Operator 1 → operator 2: the reported outcomes with their log entries, for the portal's feed."""

    KIND: ClassVar[str] = "relay-chunk-outcomes.v1"
    report: Envelope
    logged: LoggedRecords


class ChunkPassed(Reply):
    """Operator 2 has it."""

    KIND: ClassVar[str] = "chunk-passed.v1"
    transaction: str


class ProveHopsOfMany(Message):
    """As ProveHops, for translations of several transaction numbers between the same two domains."""

    KIND: ClassVar[str] = "prove-hops-of-many.v1"
    transactions: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST)]
    source: str
    target: str
    inputs: str
    outputs: str


class PortalAccesses(Part):
    """An item of operator 2's feed to the portal (kind `accesses`): requests about the holders of `subjects`, packed.

    `subject_hashes` (32 bytes each, packed) are those the records have. `refused` is operator 2's own refusal of persons
    whom operator 1 granted.
    """

    transaction: str
    subjects: str
    subject_hashes: str
    logged: LoggedRecords
    refused: tuple[Refused, ...] = ()
    epoch: int | None = None


class PortalOutcomes(Part):
    """An item of operator 2's feed to the portal (kind `outcomes`)."""

    transaction: str
    logged: LoggedRecords


class WitnessedPromises(Part):
    """An item of operator 2's feed to the oversight body (kind `promises`)."""

    promise: Envelope


class OversightRecords(Part):
    """An item of operator 1's feed to the oversight body (kind `records`): entries, opened, as the log commits to them.

    `records` are canonical JSON; `salts` are packed; `promise` is a LogPromises about just these.
    """

    records: tuple[str, ...]
    salts: str
    promise: Envelope
