"""Encrypted link codes (暗号化された符号): ElGamal on ristretto255, 64 bytes on the wire.

A ciphertext is (B, C) = (r*G, M + r*Y). The public key Y is not carried: each operator of the hub can compute it, so
nobody can make an operator rerandomise under a key of his choosing. A requester derives r from a secret and the
transaction number, so that it can be made to open what it asked about (開示監査), and nobody else can.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Final, NamedTuple, NewType

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kumihimo.domain.codes.group import (
    POINT_BYTES,
    WIDE_BYTES,
    Point,
    Scalar,
    add,
    as_point,
    as_scalar,
    base_mul,
    framed,
    mul,
    refusal,
    scalar_from_wide,
    scalar_mul,
    sub,
)
from kumihimo.domain.kernel.errors import Problem

SecretKey = NewType("SecretKey", bytes)
PublicKey = NewType("PublicKey", bytes)

CIPHERTEXT_BYTES: Final = 2 * POINT_BYTES
REQUEST_SECRET_BYTES: Final = 32
_REQUEST_RANDOMNESS: Final = b"kumihimo/request-randomness/v1"


class Ciphertext(NamedTuple):
    """The two halves of a ciphertext: `blinding` is B = r*G, `masked` is C = M + r*Y."""

    blinding: Point
    masked: Point


def split_ciphertext(ciphertext: bytes, where: str | None = None) -> Ciphertext:
    """Cut 64 bytes into the halves and refuse the identity, without checking that they encode points.

    For callers whose next operation refuses bytes that are no point anyhow; others call `decode_ciphertext`.
    Raises Problem(codes.not_a_point, codes.identity_point).
    """
    blinding, masked = ciphertext[:POINT_BYTES], ciphertext[POINT_BYTES:]
    if len(ciphertext) != CIPHERTEXT_BYTES or not any(blinding) or not any(masked):
        raise refusal(blinding, masked, where=where)
    return Ciphertext(Point(blinding), Point(masked))


def decode_ciphertext(ciphertext: bytes, where: str | None = None) -> Ciphertext:
    """Check a ciphertext from outside: two canonical points, neither the identity.

    Raises Problem(codes.not_a_point, codes.identity_point).
    """
    blinding, masked = split_ciphertext(ciphertext, where)
    return Ciphertext(as_point(blinding, where), as_point(masked, where))


def assemble_key(share1: bytes, share2: bytes) -> SecretKey:
    """An institution's decryption key from both operators' shares: u_1(X) * u_2(X) mod L. Raises Problem(value.invalid)."""
    return SecretKey(scalar_mul(as_scalar(share1, "share of operator 1"), as_scalar(share2, "share of operator 2")))


def public_key(secret_key: bytes) -> PublicKey:
    """Y = key * G, which the institution publishes. Raises Problem(value.invalid)."""
    return PublicKey(base_mul(as_scalar(secret_key, "decryption key")))


def encrypt(point: bytes, public_key: bytes, randomness: bytes) -> bytes:
    """(r*G, M + r*Y) as 64 bytes, for a code or base point M of 32 bytes and a scalar r of 32 bytes.

    One r must never serve two ciphertexts: their difference would show whether they are about the same person.
    Raises Problem(codes.not_a_point, codes.identity_point, value.invalid).
    """
    scalar = as_scalar(randomness, "randomness")
    code, key = as_point(point, "code"), _checked_key(bytes(public_key))
    return base_mul(scalar) + add(code, mul(scalar, key))


def encrypt_own(point: bytes, secret_key: bytes, randomness: bytes) -> bytes:
    """The same 64 bytes as `encrypt` under the public key of `secret_key`, for who holds that: r*Y is (r*key)*G.

    A multiple of G takes a third of the time of a multiple of any other point. Raises Problem as `encrypt`.
    """
    scalar, key = as_scalar(randomness, "randomness"), as_scalar(secret_key, "decryption key")
    return base_mul(scalar) + add(as_point(point, "code"), base_mul(scalar_mul(scalar, key)))


@lru_cache(256)
def _checked_key(public_key: bytes) -> Point:
    """A public key, looked at once: a batch encrypts thousands of codes under one."""
    return as_point(public_key, "public key")


def decrypt(ciphertext: bytes, secret_key: bytes) -> Point:
    """M = C - key*B, a link code of 32 bytes. Raises Problem(codes.not_a_point, codes.identity_point, value.invalid)."""
    blinding, masked = split_ciphertext(ciphertext)  # what is no point, multiplying or subtracting it refuses
    return sub(masked, mul(as_scalar(secret_key, "decryption key"), blinding))


def request_randomness(k: bytes, transaction: str, position: int = 0) -> Scalar:
    """The randomness of one request, so that it can be recomputed in an opening audit: HKDF-SHA512, reduced modulo L.

    `k` is the requester's secret of 32 bytes, `transaction` the transaction number, `position` the person's place in a
    batch of one transaction number. Raises Problem(value.invalid).
    """
    if len(k) != REQUEST_SECRET_BYTES:
        raise Problem("value.invalid", f"a request secret of {len(k)} bytes", expected=f"{REQUEST_SECRET_BYTES} bytes")
    if not transaction or not 0 <= position < 2**32:
        raise Problem("value.invalid", "no transaction number, or a position out of range", where="request randomness")
    info = framed(_REQUEST_RANDOMNESS, transaction.encode(), position.to_bytes(4, "big"))
    return scalar_from_wide(HKDF(SHA512(), WIDE_BYTES, salt=None, info=info).derive(k))


def opens_to(ciphertext: bytes, code: bytes, public_key: bytes, randomness: bytes) -> bool:
    """Opening audit: whether a logged ciphertext is the encryption of this code with this randomness.

    B fixes r and then C fixes M, so for a given public key one ciphertext opens to exactly one code. The auditor takes
    the key from an operator (`Translator.public_key_of`), not from the institution that is audited.
    Raises Problem(codes.not_a_point, codes.identity_point, value.invalid) for arguments that are no points or scalars.
    """
    return hmac.compare_digest(encrypt(code, public_key, randomness), ciphertext)
