"""Signatures (電子署名): Ed25519 (RFC 8032), through libsodium, over the pre-authentication encoding of DSSE.

What is signed is a payload *and its type*, so that no message can be passed off as one of another kind, and the signature
stands beside the payload bytes instead of inside them, so that nobody has to re-encode anything before verifying.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from kumihimo.domain.kernel.errors import Problem

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_KEY_ID_BYTES: Final = 8
# Encodings of the points of small order, sign bit cleared. Under such a key one signature fits every message, so its
# owner could later deny any of them; the library accepts these keys.
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(encoding)
    for encoding in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding, DSSE v1: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body, lengths in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class VerifyKey:
    """A public key of 32 bytes. Raises Problem(value.invalid) for another length or a key of small order."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES or self.raw[:-1] + bytes([self.raw[-1] & 0x7F]) in _SMALL_ORDER:
            raise Problem("value.invalid", "not an Ed25519 public key", expected="32 bytes, a point of large order")

    @classmethod
    def from_bytes(cls, raw: bytes) -> VerifyKey:
        """Read 32 raw bytes. Raises Problem(value.invalid)."""
        return cls(bytes(raw))

    def to_bytes(self) -> bytes:
        """The 32 raw bytes."""
        return self.raw

    @property
    def key_id(self) -> str:
        """First 8 bytes of SHA-256 of the raw key, in hexadecimal: a hint which key to try, never a proof."""
        return hashlib.sha256(self.raw).hexdigest()[: 2 * _KEY_ID_BYTES]

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over exactly these bytes, without any envelope (for signed notes)."""
        if len(signature) != SIGNATURE_BYTES:  # else its end would be taken for the beginning of the message
            return False
        try:
            crypto_sign_open(signature + message, self.raw)
        except BadSignatureError:
            return False
        return True


class SigningKey:
    """A private key. Its bytes never appear in its representation."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        public, self._expanded = crypto_sign_seed_keypair(seed)
        self._verify_key = VerifyKey(public)

    @classmethod
    def generate(cls) -> SigningKey:
        """Draw a new key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_bytes(cls, raw: bytes) -> SigningKey:
        """Read the 32 raw bytes of a key file. Raises Problem(value.invalid)."""
        if len(raw) != KEY_BYTES:
            raise Problem("value.invalid", f"a signing key of {len(raw)} bytes", expected=f"{KEY_BYTES} bytes")
        return cls(bytes(raw))

    def to_bytes(self) -> bytes:
        """The 32 raw bytes, for a key file."""
        return self._seed

    @property
    def verify_key(self) -> VerifyKey:
        """The public key."""
        return self._verify_key

    @property
    def key_id(self) -> str:
        """The id of the public key."""
        return self._verify_key.key_id

    def sign_bytes(self, message: bytes) -> bytes:
        """Sign exactly these bytes, without any envelope (for signed notes, whose format is its own envelope)."""
        return crypto_sign(message, self._expanded)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def sign(payload_type: str, payload: bytes, key: SigningKey) -> bytes:
    """The signature of 64 bytes over `pae(payload_type, payload)`."""
    return key.sign_bytes(pae(payload_type, payload))


def verify(payload_type: str, payload: bytes, signature: bytes, key: VerifyKey) -> None:
    """Check a signature made by `sign`. Raises Problem(message.signature_invalid)."""
    if not key.accepts(pae(payload_type, payload), signature):
        raise Problem(
            "message.signature_invalid",
            f"a payload of type {payload_type!r} that key {key.key_id} did not sign as it stands",
            where="signature",
            expected=f"an Ed25519 signature of {SIGNATURE_BYTES} bytes over type and payload",
            advice="Do not use the payload; ask the sender to sign and send it again.",
        )
