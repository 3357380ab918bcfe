"""The plan for a whole nation (規模の見積り): what every part needs, counted up from measured unit costs.

Data flow: the lines that `kumihimo bench …` printed → unit costs by name → times how often each happens (`Load`) → cores,
processes, memory and disk of each part (`Need`). Nothing is guessed but the load, and that is the caller's to say: a unit
cost that is not among the figures is an error, not an estimate.

    cores      = cost x events in the busiest second / utilisation
    processes  = cores, rounded up: one interpreter keeps one core busy
    disk       = bytes x events in a year, or x people, once
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kumihimo.country.benches.costs import BENCH
from kumihimo.country.boundaries import Role
from kumihimo.domain.kernel import Problem

_HOUR: Final = 3_600.0
_MIB: Final = 2**20
_OPERATORS: Final = 2
_CENTRAL: Final = {"operator_1": Role.HUB, "operator_2": Role.HUB, "portal": Role.PORTAL, "oversight": Role.OVERSIGHT}


@dataclass(frozen=True)
class Load:
    """What a nation asks in a year; every field is an assumption that `kumihimo scale` lets its caller change."""

    people: int = 125_000_000
    bodies: int = 1_800
    holders: int = 8  # bodies that hold something about one person, each with a link code of its own
    inquiries: int = 100_000_000  # a year, made one by one while somebody waits
    batch_persons: int = 300_000_000  # a year, asked about in batches
    working_hours: float = 2_000.0  # of a year, in which single inquiries are made
    batch_hours: float = 2_000.0  # of a year, in which batches run: nights of working days
    peak: float = 5.0  # the busiest second of single inquiries against the mean of the working hours
    largest: float = 0.03  # share of the nation that the largest body looks after
    utilisation: float = 0.6  # of a core in the busiest second

    @property
    def singles_a_second(self) -> float:
        """Single inquiries in the busiest second."""
        return self.inquiries / (self.working_hours * _HOUR) * self.peak

    @property
    def persons_a_second(self) -> float:
        """Persons of batches in a second of the hours in which they run."""
        return self.batch_persons / (self.batch_hours * _HOUR)


@dataclass(frozen=True)
class Need:
    """What one part needs: `cores` in its busiest second, one process a core, bytes of memory and of disk."""

    part: str
    cores: float
    processes: int
    memory: float
    disk: float
    yearly: float


@dataclass(frozen=True)
class Once:
    """Work that is done once, at the beginning or after a leak: core hours."""

    what: str
    core_hours: float


@dataclass(frozen=True)
class Plan:
    """The needs of a nation, part by part, and what is done once."""

    load: Load
    needs: Sequence[Need]
    once: Sequence[Once]


class Figures:
    """Measured figures by `bench.figure`."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values

    @classmethod
    def read(cls, lines: Iterable[str], where: str) -> Figures:
        """The lines that `kumihimo bench` printed; of a figure measured twice the last. Raises Problem(file.unreadable)."""
        values: dict[str, float] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                one = json.loads(line)
                values[f"{one['bench']}.{one['figure']}"] = float(one["value"])
            except (ValueError, KeyError, TypeError):
                raise Problem(
                    "file.unreadable", f"line {number} is no figure", where=where,
                    expected="lines that kumihimo bench printed", advice="Run: kumihimo bench all --country DIR > FILE",
                ) from None  # fmt: skip
        return cls(values)

    def of(self, name: str) -> float:
        """One figure. Raises Problem(value.invalid) naming the bench that measures it."""
        if name not in self._values:
            bench = name.partition(".")[0]
            raise Problem(
                "value.invalid", f"the figure {name} is missing", where="figures", expected="every unit cost, measured",
                advice=f"Run: kumihimo bench {bench}, and add what it prints to the file.",
            )  # fmt: skip
        return self._values[name]


def planned(figures: Figures, load: Load) -> Plan:
    """The plan for a load. Raises Problem(value.invalid) for a figure that was not measured."""
    needs = [_central(part, role, figures, load) for part, role in _CENTRAL.items()]
    needs.append(_registry(figures, load))
    needs += [_bodies(figures, load), _largest(figures, load)]
    codes = load.people * load.holders
    once = (
        Once("registering everybody", load.people * figures.of("country.postgresql_1m") / 1e6 / _HOUR),
        Once(
            "a link code for every person at every holder",
            codes * _OPERATORS / figures.of("translate.hop") / _HOUR,
        ),
    )
    return Plan(load, needs, once)


def _busiest(part: str, figures: Figures, load: Load) -> float:
    """Cores of a part: single inquiries by day, batches by night, whichever is more."""
    day = load.singles_a_second * figures.of(f"{BENCH}.inquiry_cpu_{part}")
    night = load.persons_a_second * figures.of(f"{BENCH}.batch_cpu_{part}")
    return max(day, night) / 1e3 / load.utilisation


def _yearly(part: str, figures: Figures, load: Load) -> float:
    singles = load.inquiries * figures.of(f"{BENCH}.inquiry_disk_{part}")
    return singles + load.batch_persons * figures.of(f"{BENCH}.batch_disk_{part}")


def _central(part: str, role: Role, figures: Figures, load: Load) -> Need:
    cores = _busiest(part, figures, load)
    processes = max(1, math.ceil(cores))
    memory = processes * figures.of(f"{BENCH}.memory_{role}") * _MIB
    return Need(part, cores, processes, memory, 0.0, _yearly(part, figures, load))


def _registry(figures: Figures, load: Load) -> Need:
    """Registry and numbering: what everybody takes once; their daily work is events, a thousandth of the inquiries."""
    memory = sum(figures.of(f"{BENCH}.memory_{role}") for role in (Role.REGISTRY, Role.NUMBERING)) * _MIB
    return Need("registry and numbering", 0.0, 2, memory, load.people * figures.of("country.postgresql_disk"), 0.0)


def _of_bodies(figures: Figures, load: Load, share: float) -> tuple[float, float]:
    """Cores in the busiest second and bytes a year of bodies that ask and are asked a share of everything."""
    cores = sum(_busiest(part, figures, load) for part in ("requester", "provider")) * share
    yearly = sum(_yearly(part, figures, load) for part in ("requester", "provider")) * share
    return cores, yearly


def _bodies(figures: Figures, load: Load) -> Need:
    """All bodies together: each runs a ledger and an exchange, however little it is asked."""
    cores, yearly = _of_bodies(figures, load, 1.0)
    roles = (Role.LEDGER, Role.EXCHANGE)
    memory = load.bodies * sum(figures.of(f"{BENCH}.memory_{role}") for role in roles) * _MIB
    idle = load.bodies * sum(figures.of(f"{BENCH}.idle_{role}") for role in roles) / 1e3
    return Need("all bodies", cores + idle, len(roles) * load.bodies, memory, 0.0, yearly)


def _largest(figures: Figures, load: Load) -> Need:
    cores, yearly = _of_bodies(figures, load, load.largest)
    processes = max(2, 1 + math.ceil(cores))
    memory = (
        figures.of(f"{BENCH}.memory_{Role.LEDGER}") + (processes - 1) * figures.of(f"{BENCH}.memory_{Role.EXCHANGE}")
    ) * _MIB
    return Need("the largest body", cores, processes, memory, 0.0, yearly)
