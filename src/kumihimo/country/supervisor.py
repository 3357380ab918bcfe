"""The supervisor (監視役): one process per trust boundary, started together, stopped together.

Every service runs in its own process with its own keys and store. The processes are forked from one clean server process
that has loaded the libraries but no keys, which makes 26 of them start in seconds and share memory for code only. A child
that dies stops the whole country, loudly: a country that runs with a part missing would hide it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.layout import Country
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing import program_log
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.server import serve

READY_SECONDS = 60.0
STOP_SECONDS = 8.0


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


def run_service(role: str, settings_file: str, line: Connection | None = None) -> None:
    """Run one service in this process until SIGTERM; tells the supervisor on `line` when it is ready, or why it is not."""
    if line is not None:
        os.setsid()  # Ctrl-C in the terminal is for the supervisor, which then stops everybody in good order
    path = Path(settings_file)
    settings = programs.load_settings(Role(role), path)
    with (path.parent / "program.log").open("a", buffering=1) as stream:
        program_log.configure(settings.party, stream)
        try:
            app = programs.build(Role(role), settings)
        except Problem as problem:
            if line is None:
                raise
            line.send(str(problem))
            raise SystemExit(1) from None

        def ready() -> None:
            if line is not None:
                line.send(None)
                threading.Thread(target=_stop_with_supervisor, args=(line,), daemon=True).start()

        serve(app, Identity(PartyId(settings.party), settings.keys), settings.host, settings.port, ready)


class Supervisor:
    """Starts, watches and stops the processes of one country."""

    def __init__(self, country: Country, progress: Callable[[PartyId], None] = lambda _party: None) -> None:
        self._country = country
        self._progress = progress
        self._children: list[Child] = []

    def start(self) -> None:
        """Start every service and wait until each accepts connections.

        Raises Problem(country.role_died) naming the service that did not come up; everything else is stopped then.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(programs.modules())
        try:
            for service in topology.services():
                ours, theirs = context.Pipe()
                arguments = (service.role.value, str(self._country.settings(service.party)), theirs)
                process = context.Process(target=run_service, args=arguments, name=service.party)
                process.start()
                theirs.close()
                self._children.append(Child(service.party, process, ours))
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        self._record()

    def _await_ready(self) -> None:
        waiting = {child.line: child for child in self._children}
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            lines = wait(list(waiting), max(0.0, deadline - time.monotonic()))
            if not lines:
                late = ", ".join(child.party for child in waiting.values())
                raise Problem("country.role_died", f"{late} not ready after {READY_SECONDS:.0f} s")
            for child in [waiting.pop(line) for line in list(waiting) if line in lines]:
                self._hear(child)
                self._progress(child.party)

    def _hear(self, child: Child) -> None:
        try:
            fault = child.line.recv()
        except EOFError:
            child.process.join()
            fault = f"ended with status {child.process.exitcode}"
        if fault is not None:
            log = self._country.home(child.party) / "program.log"
            raise Problem("country.role_died", f"{child.party}: {fault}", advice=f"See {log}.")

    def _record(self) -> None:
        run = self._country.run
        run.mkdir(exist_ok=True)
        (run / "supervisor.pid").write_text(str(os.getpid()))
        (run / "pids").write_text("".join(f"{child.party} {child.process.pid}\n" for child in self._children))

    def watch(self, stopping: threading.Event) -> None:
        """Wait until asked to stop. Raises Problem(country.role_died) as soon as a child ends by itself."""
        sentinels = {child.process.sentinel: child for child in self._children}
        while not stopping.is_set():
            for sentinel in wait(list(sentinels), timeout=0.2):
                child = sentinels[sentinel]  # type: ignore[index]
                if stopping.is_set():
                    return
                child.process.join()
                raise Problem(
                    "country.role_died",
                    f"{child.party} ended with status {child.process.exitcode}",
                    advice=f"The country was stopped. See {self._country.home(child.party) / 'program.log'}.",
                )

    def stop(self) -> None:
        """Ask every process to stop, and end those that do not within eight seconds."""
        for child in self._children:
            if child.process.is_alive():
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            child.process.join(max(0.0, deadline - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
            child.line.close()
        self._children.clear()
        for name in ("supervisor.pid", "pids"):
            (self._country.run / name).unlink(missing_ok=True)


@contextmanager
def running(country: Country, progress: Callable[[PartyId], None] = lambda _party: None) -> Iterator[Supervisor]:
    """A country that is up for the length of a `with` block."""
    supervisor = Supervisor(country, progress)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def pids(country: Country) -> dict[PartyId, int]:
    """Process ids of a running country, by party. Raises Problem(country.not_running)."""
    file = country.run / "pids"
    if not file.exists():
        raise Problem(
            "country.not_running", str(country.folder), advice=f"Run `kumihimo country up {country.folder}` first."
        )
    pairs = (line.rsplit(" ", 1) for line in file.read_text().splitlines())
    return {PartyId(party): int(pid) for party, pid in pairs}
