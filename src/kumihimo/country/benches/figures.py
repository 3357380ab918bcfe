"""Figures (計測値): what a bench measured, what it was measured against, and whether what was promised is held.

A bench only measures. The promises stand together in `reaches.REACHES`; `judged` lays one against the other.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

Sense = Literal["<", "<=", ">="]
_COMPARE: Final[dict[Sense, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
}
_DIGITS: Final = 4  # significant digits printed: more would be noise


class Effort(Enum):
    """How much is measured: QUICK shows in seconds that the bench works, FULL gives figures worth quoting."""

    QUICK = "quick"
    FULL = "full"

    def pick(self, *, quick: int, full: int) -> int:
        """The count for this effort."""
        return quick if self is Effort.QUICK else full


@dataclass(frozen=True)
class Reference:
    """What a figure is compared with, measured in the same run, in the unit of the figure."""

    name: str
    value: float


@dataclass(frozen=True)
class Measured:
    """One measured figure. `ratio` is figure to reference, the median over the rounds that measured both."""

    bench: str
    figure: str
    value: float
    unit: str
    reference: Reference | None = None
    ratio: float | None = None

    @property
    def name(self) -> str:
        """`bench.figure`, under which a reach may be promised."""
        return f"{self.bench}.{self.figure}"


@dataclass(frozen=True)
class Reach:
    """A promise about a figure: its value, or its ratio to the reference, stands in this relation to `bound`."""

    of: Literal["value", "ratio"]
    sense: Sense
    bound: float

    def held_by(self, measured: Measured) -> bool:
        """Whether the figure keeps the promise; a ratio that was not measured does not."""
        found = measured.value if self.of == "value" else measured.ratio
        return found is not None and _COMPARE[self.sense](found, self.bound)

    def __str__(self) -> str:
        return f"{self.of} {self.sense} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """A measured figure and its reach; `holds` is None where nothing was promised."""

    measured: Measured
    reach: Reach | None
    holds: bool | None

    def line(self) -> str:
        """One line of JSON: bench, figure, value, unit, reference, ratio, reach, holds."""
        one = self.measured
        reference = one.reference and {"name": one.reference.name, "value": _rounded(one.reference.value)}
        fields = {
            "bench": one.bench,
            "figure": one.figure,
            "value": _rounded(one.value),
            "unit": one.unit,
            "reference": reference,
            "ratio": None if one.ratio is None else _rounded(one.ratio),
            "reach": None if self.reach is None else str(self.reach),
            "holds": self.holds,
        }
        return json.dumps(fields, ensure_ascii=False)


def judged(measured: Measured, reaches: Mapping[str, Reach]) -> Figure:
    """Lay a figure against what is promised of it."""
    reach = reaches.get(measured.name)
    return Figure(measured, reach, None if reach is None else reach.held_by(measured))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
