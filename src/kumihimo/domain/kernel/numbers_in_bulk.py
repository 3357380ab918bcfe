"""Numbers in bulk (番号の一括処理): Individual Numbers and resident codes by the hundred thousand, as plain integers.

The types of `numbers` check one value at a time, which for a nation takes longer than storing it. Here the sum of modulus 11
is looked up six digits at a time: its weights, 2 to 7, repeat every six. Tests hold both against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from kumihimo.domain.kernel.check_digits import remainder_11
from kumihimo.domain.kernel.numbers import IndividualNumber, ResidentCode
from kumihimo.domain.kernel.randomness import RandomSource, uniform_many

_GROUP: Final = 10**6
# By the sum of two remainders of modulus 11, 0 to 20.
_DIGIT: Final = tuple(0 if total % 11 <= 1 else 11 - total % 11 for total in range(21))


@cache
def _remainders() -> bytes:
    """r of every six digits: 1 MB, made when first needed, in milliseconds."""
    low = bytes(remainder_11(f"{digits:06d}") for digits in range(1_000))
    raised = [low.translate(bytes((r + by) % 11 for r in range(256))) for by in range(11)]
    return b"".join(raised[remainder_11(f"{digits:03d}000")] for digits in range(1_000))


def with_check_digits(bodies: Iterable[int]) -> list[int]:
    """Each body of at most 12 digits with the check digit of modulus 11 behind it."""
    remainder, digit = _remainders(), _DIGIT
    return [body * 10 + digit[remainder[body // _GROUP] + remainder[body % _GROUP]] for body in bodies]


def draw_individual_numbers(rng: RandomSource, count: int) -> list[int]:
    """Individual Numbers, drawn as `IndividualNumber.random_many` draws them; some may be alike."""
    bodies = 10 ** (IndividualNumber.LENGTH - 1) - 1
    return with_check_digits([1 + drawn for drawn in uniform_many(rng, bodies, count)])


def draw_resident_codes(rng: RandomSource, count: int) -> list[str]:
    """The digits of resident codes, drawn as `ResidentCode.random_many` draws them; some may be alike."""
    bodies = 10 ** (ResidentCode.LENGTH - 1) - 1
    codes = with_check_digits([1 + drawn for drawn in uniform_many(rng, bodies, count)])
    return [f"{code:0{ResidentCode.LENGTH}d}" for code in codes]


def resident_code_values(texts: Sequence[str]) -> list[int] | None:
    """The integers that the texts write, where each is, as it stands, the eleven digits of a resident code; else None."""
    joined = "".join(texts)
    if not (joined.isascii() and joined.isdecimal() and {*map(len, texts)} == {ResidentCode.LENGTH}):
        return None
    values = [*map(int, texts)]
    correct = min(values) >= 10 and with_check_digits([value // 10 for value in values]) == values
    return values if correct else None
