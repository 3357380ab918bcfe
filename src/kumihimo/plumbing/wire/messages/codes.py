"""Messages that issue link codes (符号取得): ledger → registry → operator 1 → operator 2 → exchange, by one-time tickets.

The registry never sees a code, the hub sees tickets only, and the ticket is forgotten when the code has arrived.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from kumihimo.plumbing.wire.envelope import Envelope, Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord

BATCH = 5_000


class TicketFor(Part):
    """A ticket (32 random bytes, base64) for one addressee."""

    ticket: str
    addressee_number: str


class ExpectCodes(Message):
    """Ledger → own exchange: codes for these addressees will arrive under these tickets."""

    KIND: ClassVar[str] = "expect-codes.v1"
    tickets: Annotated[tuple[TicketFor, ...], Field(min_length=1, max_length=BATCH)]


class ExpectedCodes(Reply):
    KIND: ClassVar[str] = "expected-codes.v1"
    count: int


class WhichLackCodes(Message):
    """Ledger → own exchange: which of these addressees have neither a code nor a ticket under way?"""

    KIND: ClassVar[str] = "which-lack-codes.v1"
    addressee_numbers: Annotated[tuple[str, ...], Field(max_length=BATCH)]


class LackCodes(Reply):
    KIND: ClassVar[str] = "lack-codes.v1"
    addressee_numbers: tuple[str, ...]


class TicketOf(Part):
    """A ticket for the person with this Individual Number."""

    ticket: str
    individual_number: str


class IssueCodes(Message):
    """Ledger → registry: issue codes of `institution` for these residents (番号法第二十一条第二項, 令第二十条).

    `institution` is the ledger's own, or `portal` when a municipality opens a portal account at the counter.
    """

    KIND: ClassVar[str] = "issue-codes.v1"
    institution: str
    basis: str
    tickets: Annotated[tuple[TicketOf, ...], Field(min_length=1, max_length=BATCH)]


class RefusedTicket(Part):
    ticket: str
    code: str  # problem code


class CodesUnderWay(Reply):
    KIND: ClassVar[str] = "codes-under-way.v1"
    accepted: int
    refused: tuple[RefusedTicket, ...] = ()


class BlindCode(Part):
    """A ticket and a ciphertext (64 bytes, base64) that only the end of the route can open.

    `replaces` is a second ciphertext, of the code that this one takes the place of after a re-coding: no ticket is expected.
    """

    ticket: str
    ciphertext: str
    replaces: str | None = None


class TranslateCodes(Message):
    """Registry → operator 1: a shuffled batch under the registry's domain in `epoch` (null: the present one), for one
    institution.
    """

    KIND: ClassVar[str] = "translate-codes.v1"
    institution: str
    epoch: int | None = None
    codes: Annotated[tuple[BlindCode, ...], Field(min_length=1, max_length=BATCH)]


class RelayCodes(Message):
    """Operator 1 → operator 2: the registry's signed batch, what was logged, and the half-translated codes.

    `epoch` is the one of the institution's domain that they were translated to (null: the present one).
    """

    KIND: ClassVar[str] = "relay-codes.v1"
    batch: Envelope
    logged: LoggedRecord
    codes: tuple[BlindCode, ...]
    epoch: int | None = None


class CodesTranslated(Reply):
    KIND: ClassVar[str] = "codes-translated.v1"
    count: int


class CodesIssued(Part):
    """An item of operator 2's feed to an exchange (feed kind `codes`); deleted once the exchange has moved past it.

    The codes are in the epoch `epoch` of its domain (null: the present one).
    """

    codes: tuple[BlindCode, ...]
    epoch: int | None = None


class ShareOfKey(Message):
    """Exchange, registry or portal → each operator: my share of the decryption key of my domain."""

    KIND: ClassVar[str] = "share-of-key.v1"
    label: str


class KeyShare(Reply):
    """The share, sealed to the asker's sealing key with the label as binding."""

    KIND: ClassVar[str] = "key-share.v1"
    label: str
    sealed: str


class PointsOf(Message):
    """Operator ↔ operator, oversight → operator: the published points of one domain."""

    KIND: ClassVar[str] = "points-of.v1"
    label: str


class Points(Reply):
    """U = u·G, S = s·G, T = (s/u)·G, each 32 bytes base64."""

    KIND: ClassVar[str] = "points.v1"
    label: str
    u: str
    s: str
    t: str
