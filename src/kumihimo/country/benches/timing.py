"""Timing (時間計測): a subject and its reference by turns in the same run, so that both meet the same machine.

Load from elsewhere comes in waves. Medians leave its peaks out, and a ratio taken round by round compares two
measurements of the same moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final

Work = Callable[[], object]
WARM_UP: Final = 1


@dataclass(frozen=True)
class Paired:
    """Seconds of the subject and of the reference, round by round."""

    subject: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Median seconds of one round of the subject."""
        return median(self.subject)

    @property
    def reference_seconds(self) -> float:
        """Median seconds of one round of the reference."""
        return median(self.reference)

    @property
    def time_ratio(self) -> float:
        """Subject's time to the reference's, median of the rounds."""
        return median(mine / other for mine, other in zip(self.subject, self.reference, strict=True))

    @property
    def rate_ratio(self) -> float:
        """Subject's rate to the reference's, median of the rounds: the reciprocal of the times'."""
        return median(other / mine for mine, other in zip(self.subject, self.reference, strict=True))


def paired(subject: Work, reference: Work, rounds: int) -> Paired:
    """Run both by turns, `rounds` times after warming up; who begins changes every round."""
    for _ in range(WARM_UP):
        subject()
        reference()
    mine, others = [], []
    for number in range(rounds):
        if number % 2:
            others.append(seconds_of(reference))
            mine.append(seconds_of(subject))
        else:
            mine.append(seconds_of(subject))
            others.append(seconds_of(reference))
    return Paired(tuple(mine), tuple(others))


def seconds_of(work: Work) -> float:
    """Wall-clock seconds of one run."""
    begun = perf_counter()
    work()
    return perf_counter() - begun
