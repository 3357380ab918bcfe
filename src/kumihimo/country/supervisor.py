"""The supervisor (監視役): one process per trust boundary, started together, stopped together.

Every service runs in its own process with its own keys and store. The processes are forked from one clean server process
that has loaded the libraries but no keys, which makes 26 of them start in seconds and share memory for code only. A child
that dies stops the whole country, loudly: a country that runs with a part missing would hide it.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import structlog

from kumihimo.country import programs
from kumihimo.country.boundaries import Role
from kumihimo.country.layout import Country
from kumihimo.country.topology import Service
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing import program_log
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.server import serve

log = structlog.get_logger()
READY_SECONDS = 60.0
STOP_SECONDS = 8.0
HEED_SECONDS = 0.2
DOWN_SECONDS = 30.0
_LOOK_SECONDS = 1.0  # longer than anybody who only looks holds the lock of a country


@dataclass(frozen=True)
class Child:
    """One running service; `line` is closed when the supervisor dies, and the child then stops."""

    party: PartyId
    process: ForkServerProcess
    line: Connection


def _stop_with_supervisor(line: Connection) -> None:
    try:
        line.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _check_port(host: str, port: int) -> None:
    """Raises Problem(port.taken): the server itself could only end without a word to whoever started it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise Problem(
            "port.taken", f"{host}:{port}: {error.strerror}", where="host, port",
            expected="an address of this machine on which nothing listens yet",
            advice="Stop what listens there (is the country up already?), or change the settings.",
        ) from None  # fmt: skip


def run_service(
    role: str,
    settings_file: str,
    line: Connection | None = None,
    listening: Callable[[str], None] = lambda _where: None,
) -> None:
    """Run one service in this process until SIGTERM.

    Tells the supervisor on `line` when it is ready, or why it is not; `listening` is told party and address when it is.
    Without a line, raises Problem where the settings, keys or store are not as they must be, or the port is taken.
    """
    if line is not None:
        os.setsid()  # Ctrl-C in the terminal is for the supervisor, which then stops everybody in good order
    path = Path(settings_file)
    settings = programs.load_settings(Role(role), path)
    with (path.parent / "program.log").open("a", buffering=1) as stream:
        program_log.configure(settings.party, stream)
        try:
            _check_port(settings.host, settings.port)
            app = programs.build(Role(role), settings)
        except Problem as problem:
            if line is None:
                raise
            line.send(str(problem))
            raise SystemExit(1) from None

        def ready() -> None:
            listening(f"{settings.party} listens on https://{settings.host}:{settings.port}")
            if line is not None:
                line.send(None)
                threading.Thread(target=_stop_with_supervisor, args=(line,), daemon=True).start()

        serve(app, Identity(PartyId(settings.party), settings.keys), settings.host, settings.port, ready)


class Supervisor:
    """Starts, watches and stops the processes of one country.

    `stopping` is set by whoever wants it to stop; it is heeded where nothing is half done.
    """

    def __init__(
        self,
        country: Country,
        progress: Callable[[PartyId], None] = lambda _party: None,
        stopping: threading.Event | None = None,
    ) -> None:
        self._country = country
        self._progress = progress
        self._stopping = stopping or threading.Event()
        self._children: list[Child] = []
        self._lock: int | None = None
        self._followed = 0  # the state of country.toml that the processes follow

    def start(self) -> None:
        """Start every service and wait until each accepts connections.

        Raises Problem(country.running) where the country is up already, and Problem(country.role_died) naming the service
        that did not come up, KeyboardInterrupt when asked to stop meanwhile; everything else is stopped then.
        """
        self._lock = _locked(self._country)
        self._followed = (self._country.folder / "country.toml").stat().st_mtime_ns
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*programs.modules(), "kumihimo.country.preloaded"])
        try:
            (self._country.run / "supervisor.pid").write_text(str(os.getpid()))
            for service in self._country.services():
                self._heed()
                self._begin(service)
            self._await_ready()
            self._note_pids()
        except BaseException:
            self.stop()
            raise

    def _begin(self, service: Service) -> Child:
        context = multiprocessing.get_context("forkserver")
        ours, theirs = context.Pipe()
        arguments = (service.role.value, str(self._country.settings(service.party)), theirs)
        process = context.Process(target=run_service, args=arguments, name=service.party)
        process.start()
        theirs.close()
        child = Child(service.party, process, ours)
        self._children.append(child)
        return child

    def _note_pids(self) -> None:
        pids_of = (f"{child.party} {child.process.pid}\n" for child in self._children)
        (self._country.run / "pids").write_text("".join(pids_of))

    def _follow(self) -> bool:
        """Start the processes of institutions that joined meanwhile, and end those of such that left; whether there were any.

        One that does not come up is left out, and tried again at the next start: those that run go on.
        """
        state = (self._country.folder / "country.toml").stat().st_mtime_ns
        if state == self._followed:
            return False
        self._followed, self._country = state, Country.open(self._country.folder)
        wanted = {service.party: service for service in self._country.services()}
        there = {child.party for child in self._children}
        for child in [one for one in self._children if one.party not in wanted]:
            self._children.remove(child)
            self._end(child)
        begun = [self._begin(service) for party, service in wanted.items() if party not in there]
        for child in begun:
            try:
                if not child.line.poll(READY_SECONDS):
                    raise Problem("country.role_died", f"{child.party} not ready after {READY_SECONDS:.0f} s")
                self._hear(child)
            except Problem as problem:
                self._children.remove(child)
                self._end(child)
                log.error("joined.not_started", peer=child.party, code=problem.code)
        self._note_pids()
        return bool(begun) or len(there) != len(self._children)

    def _end(self, child: Child) -> None:
        if child.process.is_alive():
            child.process.terminate()
            child.process.join(STOP_SECONDS)
        if child.process.is_alive():
            child.process.kill()
        child.process.join()
        child.line.close()

    def _await_ready(self) -> None:
        waiting = {child.line: child for child in self._children}
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            self._heed()
            lines = wait(list(waiting), HEED_SECONDS)
            if not lines and time.monotonic() > deadline:
                late = ", ".join(child.party for child in waiting.values())
                raise Problem("country.role_died", f"{late} not ready after {READY_SECONDS:.0f} s")
            for child in [waiting.pop(line) for line in list(waiting) if line in lines]:
                self._hear(child)
                self._progress(child.party)

    def _heed(self) -> None:
        if self._stopping.is_set():
            raise KeyboardInterrupt

    def _hear(self, child: Child) -> None:
        try:
            fault = child.line.recv()
        except EOFError:
            child.process.join()
            fault = f"ended with status {child.process.exitcode}"
        if fault is not None:
            log = self._country.home(child.party) / "program.log"
            raise Problem("country.role_died", f"{child.party}: {fault}", advice=f"See {log}.")

    def watch(self) -> None:
        """Wait until asked to stop. Raises Problem(country.role_died) as soon as a child ends by itself."""
        sentinels = {child.process.sentinel: child for child in self._children}
        while not self._stopping.is_set():
            if self._follow():
                sentinels = {child.process.sentinel: child for child in self._children}
            for sentinel in wait(list(sentinels), HEED_SECONDS):
                child = sentinels[sentinel]  # type: ignore[index]
                if self._stopping.is_set():
                    return
                child.process.join()
                raise Problem(
                    "country.role_died",
                    f"{child.party} ended with status {child.process.exitcode}",
                    advice=f"The country was stopped. See {self._country.home(child.party) / 'program.log'}.",
                )

    def stop(self) -> None:
        """Ask every process to stop, and end those that do not within eight seconds, or at once when interrupted."""
        for child in self._children:
            if child.process.is_alive():
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        try:
            for child in self._children:
                child.process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for child in self._children:
                if child.process.is_alive():
                    child.process.kill()
                    child.process.join()
                child.line.close()
            self._children.clear()
            self._release()

    def _release(self) -> None:
        if self._lock is None:
            return
        for name in ("supervisor.pid", "pids"):
            (self._country.run / name).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None


@contextmanager
def running(country: Country, progress: Callable[[PartyId], None] = lambda _party: None) -> Iterator[Supervisor]:
    """A country that is up for the length of a `with` block."""
    supervisor = Supervisor(country, progress)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _locked(country: Country) -> int:
    """The folder `run` under a lock that ends with this process, whatever ends it. Raises Problem(country.running)."""
    country.run.mkdir(exist_ok=True)
    lock = os.open(country.run, os.O_RDONLY)
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise Problem(
                    "country.running", str(country.folder), expected="a country that is down",
                    advice=f"Use it as it is, or stop it first with `kumihimo country down {country.folder}`.",
                ) from None  # fmt: skip
            time.sleep(0.05)
        else:
            return lock


def is_up(country: Country) -> bool:
    """Whether a supervisor holds this country, up or on its way."""
    if not country.run.exists():
        return False
    look = os.open(country.run, os.O_RDONLY)
    try:
        fcntl.flock(look, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(look)
    return False


def not_running(country: Country) -> Problem:
    """What to say where a country would have to be up."""
    return Problem(
        "country.not_running", str(country.folder), expected="a country that is up",
        advice=f"Run `kumihimo country up {country.folder}` first.",
    )  # fmt: skip


def pids(country: Country) -> dict[PartyId, int]:
    """Process ids of a running country, by party. Raises Problem(country.not_running)."""
    if not is_up(country):
        raise not_running(country)
    try:
        text = (country.run / "pids").read_text()
    except FileNotFoundError:
        raise Problem(
            "country.not_running", f"{country.folder} is starting or stopping", expected="a country that is up",
            advice="Try again in some seconds.",
        ) from None  # fmt: skip
    pairs = (line.rsplit(" ", 1) for line in text.splitlines())
    return {PartyId(party): int(pid) for party, pid in pairs}


def bring_down(country: Country) -> None:
    """Ask the supervisor of a country to stop it, and wait. Raises Problem(country.not_running, country.role_died)."""
    if not is_up(country):
        raise not_running(country)
    with suppress(FileNotFoundError, ProcessLookupError):  # it is stopping already
        os.kill(int((country.run / "supervisor.pid").read_text()), signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while is_up(country):
        if time.monotonic() > deadline:
            raise Problem(
                "country.role_died", f"{country.folder} did not stop within {DOWN_SECONDS:.0f} s",
                where=str(country.run / "supervisor.pid"),
                advice="End the process with this id; its services end with it.",
            )  # fmt: skip
        time.sleep(0.05)
