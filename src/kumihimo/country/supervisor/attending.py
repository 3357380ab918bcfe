"""Attending to the services of a country (常駐監視): started, kept up, handed over on order, and stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Final

import structlog

from kumihimo.country.layout import Country
from kumihimo.country.supervisor.deaths import Death, DeathBook, Patience
from kumihimo.country.supervisor.following import Following
from kumihimo.country.supervisor.orders import Desk, Order, Restarted
from kumihimo.country.supervisor.presence import leave, take_charge, write_pids
from kumihimo.country.supervisor.service import Nursery
from kumihimo.country.supervisor.station import State, Station
from kumihimo.domain.kernel.clock import SystemClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.server import DRAIN_SECONDS

READY_SECONDS: Final = 60.0
LEAVE_SECONDS: Final = DRAIN_SECONDS + 8.0
STOP_SECONDS: Final = 8.0
HEED_SECONDS: Final = 0.1
_AS_ASKED: Final = (0, -signal.SIGTERM)
log = structlog.get_logger()


def _loudly(death: Death) -> None:
    log.error("service died", party=death.party, status=death.status, count=death.count)


class Supervisor:
    """Starts, attends to and stops the processes of one country.

    `progress` hears of every service that became ready, at the start and later; `told` of every one that ended by itself.
    `stopping` is set by whoever wants it to stop; it is heeded where nothing is half done.
    """

    def __init__(
        self,
        country: Country,
        progress: Callable[[PartyId], None] = lambda _party: None,
        stopping: threading.Event | None = None,
        told: Callable[[Death], None] = _loudly,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._country = country
        self._progress = progress
        self._stopping = stopping or threading.Event()
        self._told = told
        self._patience = patience
        self._stations: list[Station] = []
        self._order: Order | None = None
        self._ordered: tuple[Station, float] | None = None
        self._lock: int | None = None

    def start(self) -> None:
        """Start every service and wait until each accepts connections.

        Raises Problem(country.running) where the country is up already, port.taken, and Problem(country.role_died) naming
        the service that did not come up, KeyboardInterrupt when asked to stop meanwhile; everything else is stopped then.
        """
        self._lock = take_charge(self._country)
        try:
            self._deaths = DeathBook(self._country, self._patience, self._told)
            self._desk = Desk(self._country)
            self._nursery = Nursery(self._country)
            self._following = Following(self._country)
            for service in self._country.services():
                self._heed()
                self._stations.append(Station(service, self._nursery.listener(service)))
                self._begin(self._stations[-1])
            while any(station.state is not State.READY for station in self._stations):
                self._heed()
                self._look(at_start=True)
            self._write_pids()
        except BaseException:
            self.stop()
            raise

    def watch(self, enough: threading.Event | None = None) -> None:
        """Attend to everybody until asked to stop, or until it is `enough`.

        Raises Problem(country.role_died) for a service that dies again and again.
        """
        while not (self._stopping.is_set() or (enough is not None and enough.is_set())):
            self._look()
            self._carry_out()
            self._follow()

    def stop(self) -> None:
        """Ask every process to stop, and end those that do not within eight seconds, or at once when interrupted."""
        children = [child for station in self._stations for child in station.children()]
        for child in children:
            if child.process.is_alive():
                child.process.terminate()
        for station in self._stations:
            station.listener.close()  # with the children's, so that nobody waits for a service that will not come
        deadline = time.monotonic() + STOP_SECONDS
        try:
            for child in children:
                child.process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for child in children:
                if child.process.is_alive():
                    child.process.kill()
                    child.process.join()
                child.line.close()
            self._stations.clear()
            if self._lock is not None:
                leave(self._country, self._lock)
                self._lock = None

    def _follow(self) -> None:
        """Start the services of institutions that joined meanwhile, and end those of such that left."""
        country = self._following.changed()
        if country is None:
            return
        self._country, self._nursery = country, Nursery(country)
        wanted = {service.party: service for service in country.services()}
        for station in [one for one in self._stations if one.party not in wanted]:
            self._give_up(station)
        for party in wanted.keys() - {station.party for station in self._stations}:
            try:
                self._stations.append(Station(wanted[party], self._nursery.listener(wanted[party]), new=True))
                self._begin(self._stations[-1])
            except Problem as problem:
                log.error("joined.not_started", peer=party, code=problem.code)
        self._write_pids()

    def _give_up(self, station: Station) -> None:
        """Have a service no longer: it is asked to end, and nobody is started in its place."""
        self._stations.remove(station)
        station.listener.close()
        for child in station.children():
            child.process.terminate()
            child.process.join(STOP_SECONDS)
            if child.process.is_alive():
                child.process.kill()
            child.ended()

    def _heed(self) -> None:
        if self._stopping.is_set():
            raise KeyboardInterrupt

    def _begin(self, station: Station) -> None:
        """Start a service where none is."""
        station.child = station.successor or self._nursery.fork(station.service, station.listener)
        station.successor = None
        station.said = None
        station.child.begin()
        station.enter(State.STARTING, time.monotonic())

    def _look(self, at_start: bool = False) -> None:
        """Wait a moment for somebody to become ready or to end, and do what has become due."""
        self._wait(at_start)
        now = time.monotonic()
        for station in self._stations:
            late = READY_SECONDS if station.state is State.STARTING else LEAVE_SECONDS
            if station.state is State.PAUSED and now >= station.due:
                self._begin(station)
                self._write_pids()
            elif station.child is not None and station.state is not State.READY and now - station.since > late:
                station.said = f"still {station.state.value} after {late:.0f} s"
                station.child.process.kill()

    def _wait(self, at_start: bool) -> None:
        present = {station.child.process.sentinel: station for station in self._stations if station.child is not None}
        starting = {
            station.child.line: station
            for station in self._stations
            if station.child is not None and station.state is State.STARTING and station.said is None
        }
        happened = wait([*present, *starting], HEED_SECONDS)
        for line, station in starting.items():
            if line in happened:
                self._hear(station)
        for sentinel, station in present.items():
            if sentinel in happened:
                self._ended(station, at_start)

    def _hear(self, station: Station) -> None:
        """What a starting service says: that it is ready, or why it is not."""
        assert station.child is not None  # noqa: S101 - only a process can say something
        try:
            station.said = station.child.line.recv()
        except (EOFError, OSError):
            station.said = ""  # it died without a word
        if station.said is None:
            station.enter(State.READY, time.monotonic())
            station.new = False
            self._progress(station.party)

    def _ended(self, station: Station, at_start: bool) -> None:
        """A process ended: handed over as asked, or died."""
        assert station.child is not None  # noqa: S101 - only a process can end
        now, status = time.monotonic(), station.child.ended()
        station.child = None
        if station.state is State.LEAVING:
            if status not in _AS_ASKED:
                self._deaths.enter(station.party, SystemClock().now(), now, status, station.said)
            self._begin(station)
            self._write_pids()
            return
        if station.new:  # those that run go on without it; the next start tries again
            log.error("joined.not_started", peer=station.party, status=status)
            self._give_up(station)
            self._write_pids()
            return
        advice = f"See {self._country.home(station.party) / 'program.log'}."
        if at_start:
            fault = station.said or f"ended with status {status}"
            raise Problem("country.role_died", f"{station.party}: {fault}", advice=advice)
        pause = self._deaths.enter(station.party, SystemClock().now(), now, status, station.said or None)
        if pause is None:
            raise Problem(
                "country.role_died",
                f"{station.party} ended with status {status}, {self._patience.deaths} times within"
                f" {self._patience.seconds:.0f} s",
                expected="a service that stays up",
                advice=f"The country was stopped. {advice}",
            )
        station.enter(State.PAUSED, now)
        station.due = now + pause
        self._write_pids()

    def _carry_out(self) -> None:
        """Go on with the order that is being carried out, or with the next."""
        if self._ordered is not None:
            station, since = self._ordered
            if station.state is State.READY:
                assert self._order is not None  # noqa: S101 - somebody ordered it
                self._ordered = None
                self._order.answer(Restarted(party=station.party, seconds=time.monotonic() - since))
            return
        if self._order is None:
            self._order = self._desk.next()
        if self._order is None:
            return
        if not self._order.waiting:
            self._order.done()
            self._order = None
            return
        party = self._order.waiting.pop(0)
        station = next(one for one in self._stations if one.party == party)
        self._ordered = station, time.monotonic()
        if station.state is State.READY and station.child is not None:
            station.successor = self._nursery.fork(station.service, station.listener)
            station.enter(State.LEAVING, time.monotonic())
            station.child.process.terminate()

    def _write_pids(self) -> None:
        present = {station.party: station.child.pid for station in self._stations if station.child is not None}
        write_pids(self._country, present)


@contextmanager
def running(country: Country, progress: Callable[[PartyId], None] = lambda _party: None) -> Iterator[Supervisor]:
    """A country that is up for the length of a `with` block, and not attended to: whoever dies there stays dead."""
    supervisor = Supervisor(country, progress)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


@contextmanager
def kept_up(supervisor: Supervisor) -> Iterator[None]:
    """Inside, whoever dies is started again, and orders are carried out. Raises at its end what `Supervisor.watch` raised."""
    enough = threading.Event()
    failed: list[BaseException] = []

    def watch() -> None:
        try:
            supervisor.watch(enough)
        except BaseException as error:
            failed.append(error)
            supervisor.stop()

    watching = threading.Thread(target=watch, name="supervisor")
    watching.start()
    try:
        yield
    finally:
        enough.set()
        watching.join()
    if failed:
        raise failed[0]


@contextmanager
def attended(
    country: Country,
    progress: Callable[[PartyId], None] = lambda _party: None,
    told: Callable[[Death], None] = _loudly,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Iterator[None]:
    """A country that is up and kept up for the length of a `with` block. Raises as `kept_up`."""
    supervisor = Supervisor(country, progress, None, told, patience)
    supervisor.start()
    try:
        with kept_up(supervisor):
            yield
    finally:
        supervisor.stop()
