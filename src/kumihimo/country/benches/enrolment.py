"""What a whole country costs (住民登録と付番の一括処理): every resident entered in the registry and given a number.

Synthetic people are drawn one household after the other, and each municipality's living residents are registered where they
live today through the registry's own bulk path, `Residents.register_many`, as at the founding of a country: resident codes
drawn, numbers asked of the numbering authority, four items, first history entry, number history and subscription stored.
Drawing the people is part of the time. Each size has empty stores and a process of its own, whose greatest memory is
measured; on PostgreSQL the server's is added. The stores lie in the system's temporary folder (TMPDIR).
"""

from __future__ import annotations

import multiprocessing
import resource
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import count as numbered
from itertools import islice
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from kumihimo.country import topology
from kumihimo.country.benches.cluster import libpq_url, postgresql, two_databases
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.memory import server_memory
from kumihimo.country.people.population import residents
from kumihimo.country.people.residents import SyntheticResident
from kumihimo.domain.kernel import FourItems, Problem, SystemClock, SystemRandomness
from kumihimo.plumbing.storage import bytes_used, migrate, open_engine
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.store import MIGRATIONS as NUMBERING
from kumihimo.roles.numbering.store import NumberingStore
from kumihimo.roles.registry.schema import MIGRATIONS as REGISTRY
from kumihimo.roles.registry.service.residents import Reported, Residents
from kumihimo.roles.registry.store import RegistryStore

AT_ONCE: Final = 50_000  # residents drawn, then registered by municipality in a transaction each
_TODAY: Final = date(2026, 11, 23)
_SEED: Final = 1
_MIB: Final = 2**20
_MICRO: Final = 1e6
_QUICK: Final = (1_000, 2_000, 4_000)
_FULL: Final = (10_000, 100_000, 1_000_000)
_SMALL_RUNS: Final = 3  # the smallest takes seconds: its median is compared with


@dataclass(frozen=True)
class Stores:
    """URLs of two empty stores."""

    registry: str
    numbering: str


@dataclass(frozen=True)
class Enrolled:
    """What enrolling so many took: seconds, the greatest memory of the process and what both stores hold, in bytes."""

    residents: int
    seconds: float
    memory: int
    disk: int

    @property
    def each(self) -> float:
        """Seconds a resident."""
        return self.seconds / self.residents


def measure(effort: Effort) -> Iterator[Measured]:
    """For SQLite and, where a server is installed, PostgreSQL: µs a resident by size, seconds, MiB and bytes of the largest."""
    sizes = _QUICK if effort is Effort.QUICK else _FULL
    with TemporaryDirectory() as folder:
        names = numbered()

        def files() -> Stores:
            at = f"sqlite:///{folder}/{next(names)}"
            return Stores(f"{at}-registry.db", f"{at}-numbering.db")

        yield from _by_size("sqlite", sizes, files, effort)
    with postgresql() as url:
        if url is not None:
            with server_memory(libpq_url(url)) as server:
                yield from _by_size(
                    "postgresql", sizes, lambda: Stores(*two_databases(url, "registry", "numbering")), effort, server
                )


def _by_size(
    engine: str, sizes: Sequence[int], stores: Callable[[], Stores], effort: Effort, server: Callable[[], int] = int
) -> Iterator[Measured]:
    runs = effort.pick(quick=1, full=_SMALL_RUNS)
    small = [_in_a_process(stores(), sizes[0]) for _ in range(runs)]
    base, memory = median(one.each for one in small), small[0].memory + server()
    reference = Reference(f"a resident of {sizes[0]:,}", base * _MICRO)
    yield Measured("country", f"{engine}_{_label(sizes[0])}", base * _MICRO, "µs/resident", reference, 1.0)
    for size in sizes[1:]:
        last = _in_a_process(stores(), size)
        growth = last.each / base
        yield Measured("country", f"{engine}_{_label(size)}", last.each * _MICRO, "µs/resident", reference, growth)
    yield Measured("country", f"{engine}_growth", last.each * _MICRO, "µs/resident", reference, growth)
    at_that_cost = Reference(f"{size:,} times {reference.name}", base * size)
    yield Measured("country", engine, last.seconds, "s", at_that_cost, growth)
    greatest = last.memory + server()
    before = Reference(f"for {sizes[0]:,}", memory / _MIB)
    yield Measured("country", f"{engine}_memory", greatest / _MIB, "MiB", before, greatest / memory)
    each, first = last.disk / last.residents, small[0].disk / small[0].residents
    yield Measured("country", f"{engine}_disk", each, "bytes/resident", Reference(reference.name, first), each / first)


def _label(size: int) -> str:
    """10k, 100k, 1m."""
    return f"{size // 1_000_000}m" if size >= 1_000_000 else f"{size / 1_000:g}k"


def _in_a_process(stores: Stores, count: int) -> Enrolled:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        enrolled: Future[Enrolled] = process.submit(enrol, stores, count)
        return enrolled.result()


def enrol(stores: Stores, count: int) -> Enrolled:
    """Register and number `count` residents in two empty stores. Raises Problem(internal) unless all are there."""
    registry, numbering = open_engine(stores.registry), open_engine(stores.numbering)
    migrate(registry, REGISTRY)
    migrate(numbering, NUMBERING)
    clock, randomness = SystemClock(), SystemRandomness()
    authority = Numbering(NumberingStore(numbering), randomness, clock)

    def numbers(municipality: str, codes: Sequence[str]) -> dict[str, str]:
        return authority.assign(municipality, codes).digits()

    register = Residents(RegistryStore(registry), topology.institution, numbers, randomness, clock)
    for _ in residents(100, _SEED, today=_TODAY):
        pass  # names and towns are read when the first person is drawn
    begun = perf_counter()
    portions = _in_portions(count)
    with ThreadPoolExecutor(1) as drawing:
        # The next portion is drawn while the database stores the one before.
        coming = drawing.submit(next, portions, None)
        while (people := coming.result()) is not None:
            coming = drawing.submit(next, portions, None)
            for municipality, arrivals in people.items():
                register.register_many(municipality, arrivals)
    seconds = perf_counter() - begun
    with RegistryStore(registry).transaction() as transaction:
        there = transaction.count(), *authority.counts()
    disk = bytes_used(registry) + bytes_used(numbering)
    registry.dispose()
    numbering.dispose()
    if there != (count, count, count):
        raise Problem("internal", f"{there} residents, numbers drawn and assigned", expected=f"{count} of each")
    return Enrolled(count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024, disk)


def _in_portions(count: int) -> Iterator[dict[str, list[tuple[FourItems, Reported]]]]:
    """Living residents by municipality, so many at once that memory stays the same however many there are."""
    living = (one for one in residents(2 * count, _SEED, today=_TODAY) if one.died is None)
    for start in range(0, count, AT_ONCE):
        portion: dict[str, list[tuple[FourItems, Reported]]] = defaultdict(list)
        for one in islice(living, min(AT_ONCE, count - start)):
            portion[one.municipality].append((one.four_items, _arrival(one)))
        yield portion


def _arrival(one: SyntheticResident) -> Reported:
    return Reported(RegisterEventKind.MOVE_IN, one.history[-1].since, None, one.four_items, "初期登録")
