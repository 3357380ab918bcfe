"""Signed envelopes (署名付き電文): every message and document between institutions, in the DSSE form.

An envelope holds the exact bytes that were signed and one signature per signer; a permit carries two. What the bytes mean
is fixed by the payload type, which the signature covers (DSSE protocol, pre-authentication encoding), so that a message of
one kind never passes for another.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import SigningKey, VerifyKey, canonical_json, sign, verify
from kumihimo.plumbing.wire.verified import VERIFIED

FRESHNESS = timedelta(minutes=5)
Whole = Annotated[
    int, Field(ge=0, le=2**63 - 1)
]  # a count, a place in a log or a number of a row: what a store can keep
# An instant of this country: years at the ends of the calendar cannot be moved by five minutes or into another time zone.
Instant = Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), le=datetime(2999, 12, 31, tzinfo=UTC))]
MOST_SIGNATURES = 4  # a permit and a directory carry two


class Part(BaseModel):
    """A frozen piece of a message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Document(Part):
    """Something that is signed and kept: a permit, a promise, a directory. `KIND` names it and its version."""

    KIND: ClassVar[str] = ""

    @classmethod
    def payload_type(cls) -> str:
        return f"application/vnd.kumihimo.{cls.KIND}+json"

    def to_bytes(self) -> bytes:
        """The canonical JSON that is signed and hashed."""
        return canonical_json(self.model_dump(mode="json"))


class Message(Document):
    """A document sent to one party: fresh for five minutes, and with an id of its own.

    `REPEATABLE`: whether taking the same message twice does no more than taking it once, so that it may be sent again when
    the answer was lost.
    """

    REPEATABLE: ClassVar[bool] = True

    audience: str
    sent_at: Instant
    message_id: str


class Reply(Document):
    """The signed answer to one message."""

    in_reply_to: str


class Signature(Part):
    """One signature; `keyid` is the party that signed."""

    keyid: str
    sig: str


class Envelope(Part):
    """A DSSE envelope; the field names are those of that specification."""

    payloadType: str  # noqa: N815
    payload: str
    signatures: tuple[Signature, ...]

    def payload_bytes(self) -> bytes:
        """The signed bytes. Raises Problem(message.malformed)."""
        return from_b64(self.payload, "payload")

    def digest(self) -> str:
        """SHA-256 of the signed bytes, as hex: how other documents refer to this one."""
        return hashlib.sha256(self.payload_bytes()).hexdigest()

    def signers(self) -> tuple[PartyId, ...]:
        return tuple(PartyId(signature.keyid) for signature in self.signatures)


class KeyBook(Protocol):
    """Whatever knows the verification key of a party: the directory."""

    def verify_key(self, party: PartyId) -> VerifyKey:
        """Raises Problem(peer.unknown)."""
        ...

    def former_keys(self, party: PartyId) -> tuple[tuple[VerifyKey, datetime], ...]:
        """Keys the party had before, each with the instant until which it may have sent messages."""
        ...


class Signer(Protocol):
    """Whatever can sign in the name of a party: an identity."""

    @property
    def party(self) -> PartyId: ...
    @property
    def signing_key(self) -> SigningKey: ...


D = TypeVar("D", bound=Document)
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Signed(Generic[D]):
    """A verified document with the envelope it came in."""

    value: D
    envelope: Envelope

    @property
    def signer(self) -> PartyId:
        return self.envelope.signers()[0]


def b64(data: bytes) -> str:
    """Standard base64 text."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def from_b64(text: str, where: str) -> bytes:
    """Bytes of standard base64 text. Raises Problem(message.malformed)."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Problem("message.malformed", "not base64", where=where, expected="standard base64 with padding") from None


def addressed(kind: type[M], audience: PartyId, clock: Clock, **fields: Any) -> M:
    """A new message to `audience`, dated now, with a random id."""
    return kind(audience=audience, sent_at=clock.now(), message_id=secrets.token_hex(16), **fields)


def seal_envelope(document: Document, *signers: Signer) -> Envelope:
    """Sign a document by one or more parties."""
    payload = document.to_bytes()
    kind = document.payload_type()
    signatures = tuple(_signature(kind, payload, signer, _passes_on(type(document))) for signer in signers)
    return Envelope(payloadType=kind, payload=b64(payload), signatures=signatures)


def _passes_on(kind: type[Document]) -> bool:
    """Whether a document of this kind may pass this process again; a message or a reply is read once, at its end."""
    return not issubclass(kind, Message | Reply)


def _signature(kind: str, payload: bytes, signer: Signer, passes_on: bool = True) -> Signature:
    signature = sign(kind, payload, signer.signing_key)
    if passes_on:
        VERIFIED.made(kind, payload, signature, signer.signing_key.verify_key)
    return Signature(keyid=signer.party, sig=b64(signature))


def add_signature(envelope: Envelope, signer: Signer) -> Envelope:
    """The same envelope with one more signature over the same bytes."""
    added = _signature(envelope.payloadType, envelope.payload_bytes(), signer)
    return envelope.model_copy(update={"signatures": (*envelope.signatures, added)})


def open_envelope(envelope: Envelope, kind: type[D], keys: KeyBook, *expected: PartyId) -> Signed[D]:
    """Verify all signatures and read the document.

    `expected`: the parties that must all have signed (none given: whoever is named, at least one). A key that a party had
    before is good for documents it signed then, which stay what they were, and for messages sent before it ended. Raises
    Problem (message.unsigned, message.wrong_signer, message.signature_invalid, message.malformed, peer.unknown).
    """
    if envelope.payloadType != kind.payload_type():
        raise Problem("message.malformed", envelope.payloadType, where="payloadType", expected=kind.payload_type())
    if not envelope.signatures:
        raise Problem("message.unsigned", kind.KIND, expected="a signature by the sender")
    if len(envelope.signatures) > MOST_SIGNATURES:
        signed = f"{len(envelope.signatures)} signatures"
        raise Problem("message.malformed", signed, where="signatures", expected=f"at most {MOST_SIGNATURES}")
    missing = set(expected) - set(envelope.signers())
    if missing:
        signers = ", ".join(envelope.signers())
        raise Problem("message.wrong_signer", f"signed by {signers}", expected=f"a signature by {', '.join(missing)}")
    payload = envelope.payload_bytes()
    if b"\\u0000" in payload:  # how JSON writes a NUL, which PostgreSQL keeps in no text
        raise Problem("message.malformed", kind.KIND, where="payload", expected="text without NUL characters")
    check = VERIFIED.verify if _passes_on(kind) else verify
    ends = [_verify(envelope.payloadType, payload, signature, keys, check) for signature in envelope.signatures]
    try:
        value = kind.model_validate_json(payload)
    except ValidationError as error:
        raise malformed(error, kind.KIND) from None
    if isinstance(value, Message) and any(end is not None and value.sent_at > end for end in ends):
        raise Problem("message.signature_invalid", "signed by a key that was replaced", where="signatures")
    return Signed(value, envelope)


def _verify(
    kind: str,
    payload: bytes,
    signature: Signature,
    keys: KeyBook,
    check: Callable[[str, bytes, bytes, VerifyKey], None],
) -> datetime | None:
    """Verify one signature by its party's key, or by one it had before; when that one ended. Raises Problem."""
    party, made = PartyId(signature.keyid), from_b64(signature.sig, f"signature of {signature.keyid}")
    present = keys.verify_key(party)
    try:
        check(kind, payload, made, present)
    except Problem as problem:
        for former, until in keys.former_keys(party):
            with suppress(Problem):
                check(kind, payload, made, former)
                return until
        raise problem from None
    return None


def open_message(
    envelope: Envelope, kind: type[M], keys: KeyBook, *, sender: PartyId, me: PartyId, clock: Clock
) -> Signed[M]:
    """Verify a message: signed by `sender` alone, addressed to `me`, sent within five minutes of now.

    Raises Problem (as open_envelope, and message.wrong_signer for another audience, message.stale).
    """
    signed = open_envelope(envelope, kind, keys, sender)
    if len(envelope.signatures) > 1:
        signers = ", ".join(envelope.signers())
        raise Problem("message.wrong_signer", f"signed by {signers}", expected=f"one signature, by {sender}")
    message = signed.value
    if message.audience != me:
        raise Problem("message.wrong_signer", f"addressed to {message.audience}", expected=f"a message to {me}")
    check_fresh(message.sent_at, clock.now())
    return signed


def check_fresh(sent_at: datetime, now: datetime) -> None:
    """Raises Problem(message.stale) when an instant lies more than five minutes from now, either way."""
    if abs(now - sent_at) > FRESHNESS:
        seconds = int((now - sent_at).total_seconds())
        raise Problem(
            "message.stale",
            f"sent {abs(seconds)} s {'before' if seconds > 0 else 'after'} the time of this clock",
            expected=f"at most {int(FRESHNESS.total_seconds())} s",
            advice="Check the clocks of both machines and send again.",
        )


def malformed(error: ValidationError, what: str) -> Problem:
    """The problem for a payload that does not fit its model: names fields and expectations, never values."""
    faults = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors(include_input=False)[:5]]
    return Problem("message.malformed", what, where="; ".join(faults), expected=f"a well-formed {what}")


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope from the wire. Raises Problem(message.malformed, message.unsigned)."""
    with suppress(ValidationError):  # what is wrong with one is told by the longer way below
        envelope = Envelope.model_validate_json(data)
        if envelope.signatures:
            return envelope
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        raise Problem("message.malformed", "not JSON", where="body", expected="a DSSE envelope") from None
    if isinstance(raw, dict) and not raw.get("signatures"):
        raise Problem("message.unsigned", "an envelope without signatures", expected="a DSSE envelope with a signature")
    try:
        return Envelope.model_validate(raw)
    except ValidationError as error:
        raise malformed(error, "DSSE envelope") from None
