"""Signed notes (署名付きノート): C2SP signed-note, the same format as Go's `sumdb/note`, and C2SP tlog-cosignature v1.

A note is a text with one signature line for each key. The log signs its checkpoints so; witnesses (立会人), first of
all the oversight body (第三者機関), add a cosignature that also states the time. Existing tools read all of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kumihimo.domain.kernel.errors import Problem

MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100
_SIGNATURE_MARK: Final = "— "
_SIGNER_PREFIX: Final = "PRIVATE+KEY+"
_KEY_SIZE: Final = 32
_TIME_SIZE: Final = 8
_ED25519_SIZE: Final = 64


class SignatureKind(IntEnum):
    """Signature type byte of C2SP signed-note."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name, as written in configuration: `name+hash+base64(kind || key)`."""

    name: str
    kind: SignatureKind
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.public_key) != _KEY_SIZE:
            raise Problem(
                "message.malformed",
                f"key name {self.name[:80]!r} with {len(self.public_key)} key bytes",
                where="verifier key",
                expected="a name without spaces and '+', and 32 bytes",
            )

    @property
    def key_id(self) -> bytes:
        """4 bytes: SHA-256(name || newline || kind || key)[:4]."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `name+hash+base64`. Raises Problem message.malformed, also when the hash is not that of the key."""
        name, key_id, material = _key_fields(text, "verifier key")
        key = cls(name, _kind(material[0], "verifier key"), material[1:])
        _require_key_id(key, key_id, "verifier key")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode64(bytes([self.kind]) + self.public_key)}"


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: key name, 4-byte key id and the body, whose form depends on the kind of the key."""

    name: str
    key_id: bytes
    body: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{_SIGNATURE_MARK}{self.name} {encode64(self.key_id + self.body)}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read a line without its newline. Raises Problem message.malformed."""
        name, space, text = line.removeprefix(_SIGNATURE_MARK).partition(" ")
        if not (line.startswith(_SIGNATURE_MARK) and space and is_key_name(name)):
            raise _malformed("not a signature line", "signature", "'— <key name> <base64>'")
        data = decode64(text, "signature")
        if len(data) < 5:
            raise _malformed(f"{len(data)} bytes", "signature", "a 4-byte key id and a signature")
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True)
class NoteKey:
    """An Ed25519 private key with its name: the log signs notes with it, a witness cosigns checkpoints."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def verifier_key(self) -> VerifierKey:
        """What checks `sign`."""
        return VerifierKey(self.name, SignatureKind.ED25519, self.private_key.public_key().public_bytes_raw())

    @property
    def witness_key(self) -> VerifierKey:
        """What checks `cosign`."""
        return VerifierKey(self.name, SignatureKind.COSIGNATURE_V1, self.private_key.public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> NoteKey:
        """The key of a 32-byte Ed25519 seed, as a key file holds it."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        """Read Go's `PRIVATE+KEY+name+hash+base64(0x01 || seed)`. Raises Problem message.malformed, never showing it."""
        if not text.startswith(_SIGNER_PREFIX):
            raise _malformed("no private key", "signing key", f"'{_SIGNER_PREFIX}…'")
        name, key_id, material = _key_fields(text.removeprefix(_SIGNER_PREFIX), "signing key")
        if len(material) != 1 + _KEY_SIZE or material[0] != SignatureKind.ED25519:
            raise _malformed(f"{len(material)} bytes of another kind", "signing key", "0x01 and a 32-byte seed")
        key = cls.from_seed(name, material[1:])
        _require_key_id(key.verifier_key, key_id, "signing key")
        return key

    def secret_text(self) -> str:
        """The text `parse` reads. For key files only."""
        seed = encode64(bytes([SignatureKind.ED25519]) + self.private_key.private_bytes_raw())
        return f"{_SIGNER_PREFIX}{self.name}+{self.verifier_key.key_id.hex()}+{seed}"

    def sign(self, text: str) -> NoteSignature:
        """Sign a note text (ending in a newline)."""
        return NoteSignature(self.name, self.verifier_key.key_id, self.private_key.sign(text.encode()))

    def cosign(self, text: str, at: datetime) -> NoteSignature:
        """Cosign a checkpoint's text, stating the instant (aware, kept to the second) in the signature."""
        seconds = int(at.timestamp())
        signature = self.private_key.sign(_cosigned_message(text, seconds))
        return NoteSignature(self.name, self.witness_key.key_id, seconds.to_bytes(_TIME_SIZE, "big") + signature)


@dataclass(frozen=True)
class Verified:
    """A signature that holds: by which key, and at what instant (UTC) when it is a cosignature."""

    key: VerifierKey
    at: datetime | None


@dataclass(frozen=True)
class SignedNote:
    """A text, ending in a newline, and its signatures. The text means nothing before `verify` has said whose it is."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, document: str) -> SignedNote:
        """Read a note strictly. Raises Problem message.malformed or message.too_large."""
        if len(document.encode("utf-8", "surrogatepass")) > MAX_NOTE_BYTES:
            raise Problem("message.too_large", "a note", expected=f"at most {MAX_NOTE_BYTES} bytes")
        if any((char < " " and char != "\n") or "\ud800" <= char <= "\udfff" for char in document):
            raise _malformed("a control character or broken UTF-8", "note", "UTF-8 text with newlines only")
        text, blank, block = document.rpartition("\n\n")
        if not (blank and text and block.endswith("\n")):
            raise _malformed("no signature block", "note", "text, a blank line, signature lines, a final newline")
        lines = block[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise _malformed(f"{len(lines)} signatures", "note", f"at most {MAX_SIGNATURES}")
        return cls(text + "\n", tuple(NoteSignature.parse(line) for line in lines))

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"

    def with_signatures(self, added: Iterable[NoteSignature]) -> SignedNote:
        """The same note with more signature lines; a key that already stands there is replaced, keeping the order."""
        signatures = {(signature.name, signature.key_id): signature for signature in self.signatures}
        signatures.update({(signature.name, signature.key_id): signature for signature in added})
        return SignedNote(self.text, tuple(signatures.values()))

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[Verified, ...]:
        """All signatures by the given keys, in the note's order; those by other keys are passed over, as C2SP demands.

        Raises Problem message.signature_invalid when one by a known key does not hold, message.wrong_signer when none
        of the keys has signed.
        """
        known = {(key.name, key.key_id): key for key in keys}
        verified: dict[VerifierKey, Verified] = {}
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is not None and key not in verified:
                verified[key] = _verify(self.text, signature, key)
        if not verified:
            raise Problem(
                "message.wrong_signer",
                f"signed by {', '.join(signature.name for signature in self.signatures)}",
                where="note",
                expected=" or ".join(f"{key.name} (key {key.key_id.hex()})" for key in known.values()) or "a known key",
            )
        return tuple(verified.values())


def is_key_name(name: str) -> bool:
    """A key name is not empty and has neither Unicode spaces nor '+' nor anything that cannot be shown."""
    return name.isprintable() and bool(name) and not any(char.isspace() or char == "+" for char in name)


def encode64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


def decode64(text: str, where: str) -> bytes:
    """Read standard base64, accepting only the one canonical spelling. Raises Problem message.malformed."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if encode64(data) != text or not data:
        raise _malformed("not base64", where, "standard base64 with padding")
    return data


def _cosigned_message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _verify(text: str, signature: NoteSignature, key: VerifierKey) -> Verified:
    message, body, at = text.encode(), signature.body, None
    try:
        if key.kind is SignatureKind.COSIGNATURE_V1:
            if len(body) != _TIME_SIZE + _ED25519_SIZE:
                raise InvalidSignature
            seconds = int.from_bytes(body[:_TIME_SIZE], "big")
            message, body = _cosigned_message(text, seconds), body[_TIME_SIZE:]
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(body, message)
            at = datetime.fromtimestamp(seconds, UTC)
        else:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(body, message)
    except (InvalidSignature, ValueError, OverflowError, OSError) as error:
        raise Problem(
            "message.signature_invalid",
            f"the signature by {key.name} (key {key.key_id.hex()}) does not hold",
            where="note",
            expected="a signature over exactly this text",
        ) from error
    return Verified(key, at)


def _key_fields(text: str, where: str) -> tuple[str, str, bytes]:
    name, first, rest = text.partition("+")
    key_id, second, material = rest.partition("+")
    if not (first and second):
        raise _malformed("too few parts", where, "name+hash+base64")
    return name, key_id, decode64(material, where)


def _kind(number: int, where: str) -> SignatureKind:
    try:
        return SignatureKind(number)
    except ValueError as error:
        raise _malformed(f"signature kind {number:#04x}", where, "0x01 (Ed25519) or 0x04 (cosignature/v1)") from error


def _require_key_id(key: VerifierKey, written: str, where: str) -> None:
    if key.key_id.hex() != written:
        raise _malformed(f"key hash {written[:16]!r}", where, f"{key.key_id.hex()}, the hash of {key.name} and its key")


def _malformed(detail: str, where: str, expected: str) -> Problem:
    return Problem("message.malformed", detail, where=where, expected=expected)
