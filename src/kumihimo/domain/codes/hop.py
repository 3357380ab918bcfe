"""One hop (変換の一段): what one operator does to one ciphertext on its way from domain A to domain B.

Rerandomise, so that nothing links what came in to what goes out; reshuffle by s_B/s_A, so that the code becomes B's; rekey
by u_B/u_A, so that the key becomes B's. On (B, C) under the key y*G that is, with fresh r:
B' = (s_B/s_A)*(u_A/u_B)*(B + r*G) and C' = (s_B/s_A)*(C + r*y*G), under the key (u_B/u_A)*y*G.
Three variable-base multiplications, one base multiplication, two additions; for operator 1, whose key depends on A only, two
multiplications for each further domain that the same ciphertext goes to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kumihimo.domain.codes.ciphertext import Ciphertext, split_ciphertext
from kumihimo.domain.codes.group import Point, Scalar, add, base_mul, mul


@dataclass(frozen=True)
class HopFactors:
    """An operator's factors from one domain to another.

    `key_before` is the public key under which ciphertexts arrive, `masked` is s_B/s_A (the factor of C), and `blinding` is
    (s_B/u_B)/(s_A/u_A) (the factor of B). Anybody who holds both scalars can undo this operator's half of a translation.
    """

    key_before: Point
    masked: Scalar = field(repr=False)
    blinding: Scalar = field(repr=False)


def rerandomise(ciphertext: Ciphertext, randomness: Scalar, key: Point) -> Ciphertext:
    """(B + r*G, C + r*Y): another encryption of the same code. Refuses what encodes no point.

    Raises Problem(codes.not_a_point, codes.identity_point).
    """
    return Ciphertext(
        add(ciphertext.blinding, base_mul(randomness)),
        add(ciphertext.masked, mul(randomness, key)),
    )


def reshuffle(fresh: Ciphertext, factors: HopFactors) -> bytes:
    """The rerandomised ciphertext moved to the target's code and key, as 64 bytes."""
    return mul(factors.blinding, fresh.blinding) + mul(factors.masked, fresh.masked)


def hop(ciphertext: bytes, randomness: Scalar, factors: HopFactors) -> bytes:
    """Translate one ciphertext of 64 bytes by one operator. Raises Problem(codes.not_a_point, codes.identity_point)."""
    return reshuffle(rerandomise(split_ciphertext(ciphertext), randomness, factors.key_before), factors)
