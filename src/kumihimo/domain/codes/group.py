"""The group of the link codes (符号の群): ristretto255, RFC 9496, through libsodium.

Two invariants make the rest of this room short. A `Scalar` is 32 canonical little-endian bytes modulo the group order L
and never zero. A `Point` is a 32-byte canonical encoding and never the identity: no function here returns the identity,
because a link code, a key or a half of a ciphertext that is the identity is always a mistake or an attack.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NewType

import rbcl

from kumihimo.domain.kernel.errors import Problem

Scalar = NewType("Scalar", bytes)
Point = NewType("Point", bytes)

SCALAR_BYTES: Final = 32
POINT_BYTES: Final = 32
WIDE_BYTES: Final = 64

_IDENTITY: Final = bytes(POINT_BYTES)
_ZERO: Final = bytes(SCALAR_BYTES)

_add: Final[Callable[[bytes, bytes], bytes]] = rbcl.crypto_core_ristretto255_add
_sub: Final[Callable[[bytes, bytes], bytes]] = rbcl.crypto_core_ristretto255_sub
_mul: Final[Callable[[bytes, bytes], bytes]] = rbcl.crypto_scalarmult_ristretto255
_base: Final[Callable[[bytes], bytes]] = rbcl.crypto_scalarmult_ristretto255_base
_is_valid: Final[Callable[[bytes], bool]] = rbcl.crypto_core_ristretto255_is_valid_point
_from_hash: Final[Callable[[bytes], bytes]] = rbcl.crypto_core_ristretto255_from_hash
_reduce: Final[Callable[[bytes], bytes]] = rbcl.crypto_core_ristretto255_scalar_reduce
_scalar_mul: Final[Callable[[bytes, bytes], bytes]] = rbcl.crypto_core_ristretto255_scalar_mul
_scalar_add: Final[Callable[[bytes, bytes], bytes]] = rbcl.crypto_core_ristretto255_scalar_add
_scalar_sub: Final[Callable[[bytes, bytes], bytes]] = rbcl.crypto_core_ristretto255_scalar_sub
_scalar_invert: Final[Callable[[bytes], bytes]] = rbcl.crypto_core_ristretto255_scalar_invert


def is_point(encoding: bytes) -> bool:
    """Whether 32 bytes are the canonical encoding of a group element other than the identity."""
    return len(encoding) == POINT_BYTES and encoding != _IDENTITY and _is_valid(encoding)


def is_identity(encoding: bytes) -> bool:
    """Whether the bytes encode the identity (32 zero bytes)."""
    return encoding == _IDENTITY


def as_point(encoding: bytes, where: str | None = None) -> Point:
    """Check a point that came from outside. Raises Problem(codes.identity_point, codes.not_a_point)."""
    if not is_point(encoding):
        raise refusal(encoding, where=where)
    return Point(encoding)


def as_scalar(encoding: bytes, where: str | None = None) -> Scalar:
    """Check a scalar that came from outside: canonical and not zero. Raises Problem(value.invalid)."""
    if len(encoding) != SCALAR_BYTES or encoding == _ZERO or _reduce(encoding + _ZERO) != encoding:
        raise Problem(
            "value.invalid",
            "a scalar that is zero, not reduced or not 32 bytes long",
            where=where,
            expected="32 little-endian bytes, above zero and below the group order",
        )
    return Scalar(encoding)


def refusal(*encodings: bytes, where: str | None = None) -> Problem:
    """The problem that explains why an operation on these encodings gave no point.

    libsodium answers alike for bytes that are no point and for a result that is the identity; only then is it worth
    the microseconds to find out which. The bytes themselves stay out of the problem: they may be somebody's link code.
    """
    if any(len(encoding) != POINT_BYTES or not _is_valid(encoding) for encoding in encodings):
        return Problem(
            "codes.not_a_point",
            "bytes that do not encode an element of ristretto255",
            where=where,
            expected="32 bytes in the canonical encoding of RFC 9496",
            advice="Check that the ciphertext or code was not cut, re-encoded or altered on its way.",
        )
    return Problem(
        "codes.identity_point",
        "the identity point, or values whose result is the identity point",
        where=where,
        expected="an element other than the identity",
        advice="Refuse the message: no honest party makes such a value.",
    )


def add(left: Point, right: Point) -> Point:
    """left + right. Raises Problem(codes.identity_point, codes.not_a_point)."""
    result = _add(left, right)
    if result == _IDENTITY:
        raise refusal(left, right)
    return Point(result)


def sub(left: Point, right: Point) -> Point:
    """left - right. Raises Problem(codes.identity_point, codes.not_a_point)."""
    result = _sub(left, right)
    if result == _IDENTITY:
        raise refusal(left, right)
    return Point(result)


def mul(scalar: Scalar, point: Point) -> Point:
    """scalar * point. Raises Problem(codes.identity_point, codes.not_a_point)."""
    try:
        return Point(_mul(scalar, point))
    except RuntimeError:
        raise refusal(point) from None


def base_mul(scalar: Scalar) -> Point:
    """scalar * G, with G the generator of RFC 9496. Raises Problem(codes.identity_point) for a zero scalar."""
    try:
        return Point(_base(scalar))
    except RuntimeError:
        raise refusal() from None


def from_hash(wide: bytes) -> Point:
    """Map 64 uniform bytes to a point, RFC 9496 section 4.3.4. Raises Problem(codes.identity_point)."""
    result = _from_hash(wide)
    if result == _IDENTITY:
        raise refusal()
    return Point(result)


def scalar_from_wide(wide: bytes) -> Scalar:
    """Reduce 64 uniform bytes modulo L. Raises Problem(value.invalid) when the result is zero."""
    result = _reduce(wide)
    if result == _ZERO:
        raise Problem("value.invalid", "a derived scalar that is zero", expected="a scalar other than zero")
    return Scalar(result)


def random_scalar(rng: Callable[[int], bytes] = secrets.token_bytes) -> Scalar:
    """A uniform scalar from 64 bytes of `rng(n) -> n random bytes`, for an encryption nobody needs to open later."""
    return scalar_from_wide(rng(WIDE_BYTES))


def scalar_from_hash(*parts: bytes) -> Scalar:
    """Scalar from SHA-512 over length-prefixed parts, so that no two lists of parts are hashed alike."""
    return scalar_from_wide(hashlib.sha512(framed(*parts)).digest())


def framed(*parts: bytes) -> bytes:
    """Join parts, each after its length as 4 bytes big-endian."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def scalar_mul(left: Scalar, right: Scalar) -> Scalar:
    """left * right modulo L. A product of non-zero scalars is never zero, since L is prime."""
    return Scalar(_scalar_mul(left, right))


def scalar_sub(left: Scalar, right: Scalar) -> Scalar:
    """left - right modulo L. Raises Problem(value.invalid) when the difference is zero."""
    return _not_zero(_scalar_sub(left, right))


def scalar_invert(scalar: Scalar) -> Scalar:
    """1 / scalar modulo L."""
    return Scalar(_scalar_invert(scalar))


def inner_product(left: Sequence[Scalar], right: Sequence[Scalar]) -> Scalar:
    """sum left_j * right_j modulo L. Raises Problem(value.invalid) when it is zero."""
    total = _ZERO
    for one, other in zip(left, right, strict=True):
        total = _scalar_add(total, _scalar_mul(one, other))
    return _not_zero(total)


def _not_zero(result: bytes) -> Scalar:
    if result == _ZERO:
        raise Problem("value.invalid", "a computed scalar that is zero", expected="a scalar other than zero")
    return Scalar(result)
