"""What one more of each costs (単位費用): processor time and disk for an inquiry and a person of a batch, at each party.

On a running country 16 callers ask single inquiries, then batches are asked, and each party's processor time and store
are looked at before and after, once everything that follows by itself (outcomes, the portal's and the oversight body's
books) has been done. What the processes take while nothing is asked is measured first and taken off. On PostgreSQL the
server's processor time is nobody's and not counted. `kumihimo scale` makes a plan of these figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Final

import psutil

from kumihimo.country import topology
from kumihimo.country.benches import batch, inquiry
from kumihimo.country.benches.figures import Effort, Measured
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.storage import bytes_used, open_engine

BENCH: Final = "costs"
REQUESTER: Final = "x-city"
SINGLE_PROVIDER: Final = "y-city"
BATCH_PROVIDER: Final = "pension-service"
_CALLERS: Final = 16
_MILLI: Final = 1e3
_MIB: Final = 2**20
_QUIET_SECONDS: Final = 1.0  # in which nobody did more than usual: what followed by itself is done
_PATIENCE_SECONDS: Final = 120.0
_USUAL: Final = 3.0  # times what a process takes while nothing is asked


@dataclass(frozen=True)
class State:
    """Processor seconds and bytes of store of each party, at one moment."""

    at: float
    cpu: Mapping[PartyId, float]
    disk: Mapping[PartyId, int]


def measure(country: Country, effort: Effort) -> Iterator[Measured]:
    """By party: ms and bytes for an inquiry and for a person of a batch; by role: MiB and idle ms/s of a process.

    Raises Problem(country.not_running, internal), and what an inquiry or a batch raises.
    """
    parties = _Parties(country)
    idle = parties.idle(effort.pick(quick=2, full=20))
    yield from parties.at_rest(idle)
    callers = [inquiry.lawful(country, Desk.of(country, REQUESTER)) for _ in range(_CALLERS)]
    each = effort.pick(quick=2, full=100)

    def single() -> int:
        with ThreadPoolExecutor(_CALLERS) as pool:
            list(pool.map(lambda ask: [ask() for _ in range(each)], callers))
        return _CALLERS * each

    yield from parties.costs("inquiry", "inquiry", single, idle, SINGLE_PROVIDER)
    persons = effort.pick(quick=100, full=10_000)
    yield from parties.costs("batch", "person", lambda: batch.asked(country, persons), idle, BATCH_PROVIDER)


class _Parties:
    """The services of a running country, as the machine sees them."""

    def __init__(self, country: Country) -> None:
        self._country = country
        self._processes = {party: psutil.Process(pid) for party, pid in pids(country).items()}

    def state(self) -> State:
        cpu, disk = {}, {}
        for party, process in self._processes.items():
            times = process.cpu_times()
            cpu[party] = times.user + times.system
            engine = open_engine(store_url(self._country, party))
            disk[party] = bytes_used(engine)
            engine.dispose()
        return State(time.perf_counter(), cpu, disk)

    def idle(self, seconds: int) -> dict[PartyId, float]:
        """Processor seconds a second of each while nothing is asked."""
        before = self.state()
        time.sleep(seconds)
        after = self.state()
        return {party: (after.cpu[party] - cpu) / (after.at - before.at) for party, cpu in before.cpu.items()}

    def at_rest(self, idle: Mapping[PartyId, float]) -> Iterator[Measured]:
        """Memory and idle processor time of one process of each role."""
        by_role: dict[Role, list[PartyId]] = {}
        for party in self._processes:
            by_role.setdefault(self._country.service(party).role, []).append(party)
        for role, of_role in by_role.items():
            memory = median(self._processes[party].memory_info().rss for party in of_role)
            yield Measured(BENCH, f"memory_{role}", memory / _MIB, "MiB")
            yield Measured(BENCH, f"idle_{role}", median(idle[party] for party in of_role) * _MILLI, "ms/s")

    def costs(
        self, what: str, unit: str, work: Callable[[], int], idle: Mapping[PartyId, float], provider: str
    ) -> Iterator[Measured]:
        """What `work` takes at each party that has a part in it, for one of as many as it says it did."""
        work()  # connections, keys and points are fetched once
        self._settle(idle)
        before = self.state()
        count = work()
        self._settle(idle)
        after = self.state()
        for part, party in parts(provider).items():
            usual = idle[party] * (after.at - before.at)
            cpu = max(after.cpu[party] - before.cpu[party] - usual, 0.0) / count
            disk = (after.disk[party] - before.disk[party]) / count
            yield Measured(BENCH, f"{what}_cpu_{part}", cpu * _MILLI, f"ms/{unit}")
            yield Measured(BENCH, f"{what}_disk_{part}", disk, f"bytes/{unit}")

    def _settle(self, idle: Mapping[PartyId, float]) -> None:
        """Wait until nobody does more than usual."""

        def quiet() -> bool | None:
            before = self.state()
            time.sleep(_QUIET_SECONDS)
            after = self.state()
            usual = sum(idle.values()) * (after.at - before.at)
            return True if sum(after.cpu.values()) - sum(before.cpu.values()) <= _USUAL * usual + 0.05 else None

        until(quiet, _PATIENCE_SECONDS, "everything that follows an inquiry by itself")


def parts(provider: str) -> dict[str, PartyId]:
    """Who has a part in an inquiry, by what its figures are called."""
    return {
        "requester": topology.exchange_of(REQUESTER),
        "operator_1": topology.HUB_1,
        "operator_2": topology.HUB_2,
        "provider": topology.exchange_of(provider),
        "portal": topology.PORTAL,
        "oversight": topology.OVERSIGHT,
    }
