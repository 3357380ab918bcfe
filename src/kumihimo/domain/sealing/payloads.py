"""Sealed payloads (封緘): what only the addressee can open, HPKE (RFC 9180) with the hybrid KEM of ML-KEM-768 and X25519.

A sealed answer is bound to its transaction, its two ends and its permit through HPKE's `info`, so that nobody between
can move it to another inquiry. It does not say who sealed it: the sender signs it besides. Plaintexts are padded, so that
the length of an answer does not tell what the answer was.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from kumihimo.domain.kernel.errors import Problem

PADDING_BLOCK: Final = 1_024
PERMIT_HASH_BYTES: Final = 32
PRIVATE_KEY_BYTES: Final = 64 + 32
PUBLIC_KEY_BYTES: Final = 1_184 + 32

_MLKEM_SEED: Final = 64
_MLKEM_PUBLIC: Final = 1_184
_BINDING: Final = b"kumihimo/sealing/v1"
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealingKey:
    """The private key of an addressee: an ML-KEM-768 seed of 64 bytes and an X25519 key of 32 bytes."""

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._mlkem = mlkem
        self._x25519 = x25519
        self._pair = MLKEM768X25519PrivateKey(mlkem, x25519)

    @classmethod
    def generate(cls) -> SealingKey:
        """Draw a new key."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> SealingKey:
        """Read the 96 bytes of a key file. Raises Problem(value.invalid)."""
        if len(raw) != PRIVATE_KEY_BYTES:
            raise Problem("value.invalid", f"a sealing key of {len(raw)} bytes", expected=f"{PRIVATE_KEY_BYTES} bytes")
        return cls(
            MLKEM768PrivateKey.from_seed_bytes(raw[:_MLKEM_SEED]),
            X25519PrivateKey.from_private_bytes(raw[_MLKEM_SEED:]),
        )

    def to_bytes(self) -> bytes:
        """ML-KEM seed, then X25519 key: 96 bytes, for a key file."""
        return self._mlkem.private_bytes_raw() + self._x25519.private_bytes_raw()

    @property
    def public_bytes(self) -> bytes:
        """The public key, 1,216 bytes: ML-KEM-768 encapsulation key, then X25519 key."""
        return self._mlkem.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()

    def decrypt(self, sealed: bytes, info: bytes) -> bytes:
        """The padded plaintext. Raises cryptography's InvalidTag; others use `open_sealed`."""
        return _SUITE.decrypt(sealed, self._pair, info=info)

    def __repr__(self) -> str:
        return "SealingKey()"


def binding(transaction: str, provider: str, requester: str, permit_hash: bytes) -> bytes:
    """The HPKE `info` of one answer: transaction number, both ends and the SHA-256 of the permit, length-prefixed.

    Raises Problem(value.invalid) for an empty field or a hash that is not 32 bytes long.
    """
    if not (transaction and provider and requester) or len(permit_hash) != PERMIT_HASH_BYTES:
        raise Problem("value.invalid", "an incomplete binding", expected="three names and a hash of 32 bytes")
    fields = (_BINDING, transaction.encode(), provider.encode(), requester.encode(), permit_hash)
    return b"".join(len(value).to_bytes(4, "big") + value for value in fields)


def seal(plaintext: bytes, public_key_bytes: bytes, info: bytes) -> bytes:
    """Seal for the holder of a public key of 1,216 bytes: 1,120 bytes of encapsulation, padded ciphertext, 16 of tag.

    Raises Problem(value.invalid) for bytes that are no public key.
    """
    try:
        public_key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public_key_bytes[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(public_key_bytes[_MLKEM_PUBLIC:]),
        )
        return _SUITE.encrypt(_pad(plaintext), public_key, info=info)
    except ValueError as error:
        raise Problem(
            "value.invalid",
            f"{len(public_key_bytes)} bytes that are no public sealing key",
            expected=f"{PUBLIC_KEY_BYTES} bytes: an ML-KEM-768 and an X25519 public key",
        ) from error


def open_sealed(sealed: bytes, key: SealingKey, info: bytes) -> bytes:
    """The plaintext of `seal`. Raises Problem(sealing.cannot_open), which does not tell why: key, binding or bytes."""
    try:
        return _unpad(key.decrypt(sealed, info))
    except (InvalidTag, ValueError):
        raise Problem(
            "sealing.cannot_open",
            f"{len(sealed)} sealed bytes do not open with this key and binding",
            expected="a payload sealed for this addressee, transaction, provider and permit, unaltered",
            advice="Discard it and fetch the answer again under its own transaction number.",
        ) from None


def _pad(plaintext: bytes) -> bytes:
    """ISO/IEC 7816-4: one byte 0x80, then zeros up to the next multiple of the block."""
    marked = plaintext + b"\x80"
    return marked + bytes(-len(marked) % PADDING_BLOCK)


def _unpad(padded: bytes) -> bytes:
    marked = padded.rstrip(b"\0")
    if not marked.endswith(b"\x80") or len(padded) % PADDING_BLOCK or len(padded) - len(marked) >= PADDING_BLOCK:
        raise ValueError
    return marked[:-1]
