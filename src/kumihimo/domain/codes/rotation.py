"""Checking a rotation (符号更新の検算): whether all codes of an institution were moved by one and the same factor.

A rotation multiplies every code by one secret number that nobody knows whole. The holder hides a random combination of its
codes among them: if the moved combination is not the same combination of the moved codes, some code was exchanged, left out
or altered, and only who knows the random weights could have avoided it. A code that was moved before is weighed in too, so
that all batches are bound to one factor.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kumihimo.domain.codes.dleq import fold
from kumihimo.domain.codes.group import Point, Scalar, as_point, random_scalar
from kumihimo.domain.kernel.errors import Problem


@dataclass(frozen=True)
class Combination:
    """A random weighted sum of codes, and the weights by which it is found again among the moved ones."""

    point: Point
    weights: tuple[Scalar, ...] = field(repr=False)


def combine(codes: Sequence[bytes], rng: Callable[[int], bytes] = secrets.token_bytes) -> Combination:
    """Combine codes of 32 bytes with fresh random weights. Raises Problem(codes.not_a_point, codes.proof_invalid: no code)."""
    weights = tuple(random_scalar(rng) for _ in codes)
    return Combination(fold(weights, [as_point(code, "code") for code in codes]), weights)


def check_moved(combination: Combination, moved: Sequence[bytes], moved_point: bytes) -> None:
    """Hold the moved codes, in the order they were combined in, against the moved combination.

    Raises Problem(codes.proof_invalid, codes.not_a_point).
    """
    expected = fold(combination.weights, [as_point(code, "moved code") for code in moved])
    if not hmac.compare_digest(expected, moved_point):
        raise Problem(
            "codes.proof_invalid",
            "codes that were not all moved by the same factor",
            where="rotation",
            expected="the same combination of the codes after the move as before",
            advice="Nothing was stored. Tell the oversight body: an operator exchanged or altered a code.",
        )
