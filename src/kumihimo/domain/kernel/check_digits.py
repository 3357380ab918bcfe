"""Check digits (検査用数字): the arithmetic that catches a mistyped number.

What each catches of wrong single digits, by arithmetic and held by a test:

* modulus 11 (`modulus_11`): r = 0 and r = 1 share the digit 0, so a wrong digit that moves r between 0 and 1 passes. That is
  1 in 55 of the errors in the body; an error in the check digit itself is always caught. Together 1 in 60.
* modulus 9 (`modulus_9`): a 0 written for a 9, or a 9 for a 0, passes; every other wrong digit is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import Final

CheckDigit = Callable[[str], str]
"""From the body of a number (ASCII digits) to its check digit (one ASCII digit)."""

_LONGEST: Final = 24  # digits of the longest body weighted here
_WEIGHTS_9: Final = (1, 2) * (_LONGEST // 2)
_WEIGHTS_LOCAL: Final = (2, 3, 4, 5, 6)


def _weighted_sum(body: str, weights: tuple[int, ...]) -> int:
    """Σ Pn·Qn with P1 the rightmost digit; bodies are at most 24 digits long."""
    return sum(map(mul, map(int, reversed(body)), weights))


# Three digits at a time, since the weights repeat every six: numbering a nation takes half a billion of these sums.
_WEIGHTED_234: Final = {f"{n:03d}": n // 100 * 4 + n // 10 % 10 * 3 + n % 10 * 2 for n in range(1_000)}
_WEIGHTED_567: Final = {f"{n:03d}": n // 100 * 7 + n // 10 % 10 * 6 + n % 10 * 5 for n in range(1_000)}


def remainder_11(body: str) -> int:
    """r = Σ Pn·Qn mod 11 with Qn = n+1 for n ≤ 6 and n−5 for n ≥ 7, that is 2 to 7 repeated from the right."""
    padded = body.zfill(-(-len(body) // 6) * 6)
    total = 0
    for end in range(len(padded), 0, -6):
        total += _WEIGHTED_234[padded[end - 3 : end]] + _WEIGHTED_567[padded[end - 6 : end - 3]]
    return total % 11


def modulus_11(body: str) -> str:
    """0 if r ≤ 1, otherwise 11 − r: the formula for the Individual Number (番号法施行令第八条、平成26年総務省令第85号第五条)."""
    remainder = remainder_11(body)
    return "0" if remainder <= 1 else str(11 - remainder)


def modulus_9(body: str) -> str:
    """9 − (Σ Pn·Qn mod 9), Qn = 1 for odd n and 2 for even n: the Corporate Number's digit (平成26年財務省令第70号第二条)."""
    return str(9 - _weighted_sum(body, _WEIGHTS_9) % 9)


def local_government_digit(body: str) -> str:
    """The last digit of 11 − (Σ mod 11), weights 6 to 2 over five digits: codes of local governments (全国地方公共団体コード)."""
    return str((11 - _weighted_sum(body, _WEIGHTS_LOCAL) % 11) % 10)
