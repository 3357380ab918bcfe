"""Chance (偶然): the few kinds of draws that make synthetic people, over a random source that is passed in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from statistics import NormalDist
from struct import Struct
from typing import Final, Generic, Self, TypeVar

from kumihimo.domain.kernel.randomness import RandomSource

T = TypeVar("T")

_STANDARD_NORMAL: Final = NormalDist()
_WORDS: Final = Struct(">64L")


@dataclass(frozen=True)
class Weighted(Generic[T]):
    """Things that are drawn in proportion to their weights."""

    things: tuple[T, ...]
    _reached: tuple[float, ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[T, float]]) -> Self:
        """From (thing, weight) pairs; weights are not negative and not all zero (ValueError)."""
        things, weights = zip(*pairs, strict=True)
        reached = tuple(accumulate(weights))
        if min(weights) < 0 or reached[-1] <= 0:
            raise ValueError("weights must not be negative, nor all zero")
        return cls(tuple(things), reached)

    def at(self, fraction: float) -> T:
        """The thing that stands at a fraction 0 ≤ x < 1 of the whole weight."""
        return self.things[bisect_right(self._reached, fraction * self._reached[-1])]


class Chance:
    """Draws from one random source, which is read ahead and so should serve nobody else."""

    def __init__(self, source: RandomSource) -> None:
        self._source = source
        self._ahead: list[int] = []

    def fraction(self) -> float:
        """Uniform in 0 ≤ x < 1, in steps of 2⁻³²."""
        if not self._ahead:
            self._ahead.extend(_WORDS.unpack(self._source.token_bytes(_WORDS.size)))
        return self._ahead.pop() / 4294967296

    def happens(self, probability: float) -> bool:
        return self.fraction() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.fraction() * (high - low + 1))

    def normal(self, mean: float, deviation: float, low: float, high: float) -> float:
        """Normal, and no lower than `low` nor higher than `high`."""
        drawn = mean + deviation * _STANDARD_NORMAL.inv_cdf(self.fraction() or 0.5)
        return min(max(drawn, low), high)

    def one_of(self, things: Sequence[T]) -> T:
        return things[int(self.fraction() * len(things))]

    def pick(self, weighted: Weighted[T]) -> T:
        return weighted.at(self.fraction())

    def day_between(self, first: date, last: date) -> date:
        """A day from first to last, both included; the first one when they are the wrong way round."""
        return first + timedelta(days=self.between(0, max((last - first).days, 0)))
