"""Proofs of equal logarithms (離散対数の等価性証明): DLEQ after RFC 9497 section 2.2, over ristretto255 and SHA-512.

A relation says that one secret x satisfies X = x*A for public (A, X) and Z_j = x*M_j for every pair (M_j, Z_j) of a batch.
The pairs are folded into one, M = sum a_j*M_j and Z = sum a_j*Z_j, with coefficients hashed from everything that is
proven, so that a single wrong pair, or two exchanged ones, spoil the sum except with negligible probability.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kumihimo.domain.codes.group import (
    SCALAR_BYTES,
    Point,
    Scalar,
    add,
    as_scalar,
    framed,
    mul,
    scalar_from_hash,
    scalar_from_wide,
    scalar_mul,
    scalar_sub,
)
from kumihimo.domain.kernel.errors import Problem

PROOF_BYTES: Final = 2 * SCALAR_BYTES
_COEFFICIENT: Final = b"kumihimo/dleq/coefficient/v1"
_CHALLENGE: Final = b"kumihimo/dleq/challenge/v1"
_NONCE: Final = b"kumihimo/dleq/nonce/v1"


@dataclass(frozen=True)
class Relation:
    """The folded statement: `known_image` = x*`known_base` and `image` = x*`base` for one x.

    `context` names the relation and digests the whole batch, so that a proof serves nothing else.
    """

    context: bytes
    known_base: Point
    known_image: Point
    base: Point
    image: Point


def coefficients(digest: bytes, count: int) -> list[Scalar]:
    """The folding coefficients a_0 .. a_(count-1), hashed from the digest of all that is proven."""
    return [scalar_from_hash(_COEFFICIENT, digest, index.to_bytes(4, "big")) for index in range(count)]


def fold(weights: Sequence[Scalar], points: Sequence[Point]) -> Point:
    """sum a_j*P_j over one point or more. Raises Problem(codes.identity_point, codes.not_a_point)."""
    total: Point | None = None
    for weight, point in zip(weights, points, strict=True):
        term = mul(weight, point)
        total = term if total is None else add(total, term)
    if total is None:
        raise Problem("codes.proof_invalid", "a proof about nothing", expected="one ciphertext or more")
    return total


def prove(relation: Relation, secret: Scalar) -> bytes:
    """A proof of 64 bytes, challenge then response, that the prover knows the x of the relation.

    The nonce is derived from the secret and the statement, as in RFC 6979: it can neither repeat nor be guessed.
    """
    statement = _statement(relation)
    nonce = scalar_from_wide(hmac.digest(secret, framed(_NONCE, statement), "sha512"))
    challenge = _challenge(statement, mul(nonce, relation.known_base), mul(nonce, relation.base))
    return challenge + scalar_sub(nonce, scalar_mul(challenge, secret))


def holds(relation: Relation, proof: bytes) -> bool:
    """Whether the proof shows the relation; False also for bytes that are no proof."""
    if len(proof) != PROOF_BYTES:
        return False
    try:
        challenge, response = as_scalar(proof[:SCALAR_BYTES]), as_scalar(proof[SCALAR_BYTES:])
        first = add(mul(response, relation.known_base), mul(challenge, relation.known_image))
        second = add(mul(response, relation.base), mul(challenge, relation.image))
    except Problem:
        return False
    return hmac.compare_digest(_challenge(_statement(relation), first, second), challenge)


def _statement(relation: Relation) -> bytes:
    return framed(relation.context, relation.known_base, relation.known_image, relation.base, relation.image)


def _challenge(statement: bytes, first: Point, second: Point) -> Scalar:
    return scalar_from_hash(_CHALLENGE, statement, first, second)
