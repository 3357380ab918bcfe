"""One service as a process (業務プロセス): forked for a country, or alone under a service manager."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from kumihimo.country import programs
from kumihimo.country.boundaries import Role
from kumihimo.country.layout import Country
from kumihimo.country.topology import Service
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing import program_log
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.listening import handed_over, listen, tell_manager
from kumihimo.plumbing.wire.server import serve


def run_service(
    role: str,
    settings_file: str,
    line: Connection | None = None,
    listener: socket.socket | None = None,
    listening: Callable[[str], None] = lambda _where: None,
) -> None:
    """Run one service in this process until SIGTERM.

    On `line` the supervisor says when to begin, and is told when the service is ready, or why it is not; `listening` is
    told party and address when it is. Without a line, raises Problem where the settings, keys or store are not as they must
    be, or the port is taken; the listening socket is then the service manager's, if it opened one.
    """
    if line is not None:
        os.setsid()  # Ctrl-C in the terminal is for the supervisor, which then stops everybody in good order
    _let_others_finish()
    path = Path(settings_file)
    settings = programs.load_settings(Role(role), path)
    with (path.parent / "program.log").open("a", buffering=1) as stream:
        program_log.configure(settings.party, stream)
        if line is not None and not _begins(line):
            return
        try:
            listener = listener or handed_over() or listen(settings.host, settings.port)
            app = programs.build(Role(role), settings)
        except Problem as problem:
            if line is None:
                raise
            line.send(str(problem))
            raise SystemExit(1) from None

        def ready() -> None:
            listening(f"{settings.party} listens on https://{settings.host}:{settings.port}")
            tell_manager("READY=1")
            if line is not None:
                line.send(None)
                threading.Thread(target=_stop_with_supervisor, args=(line,), daemon=True).start()

        serve(app, Identity(PartyId(settings.party), settings.keys), listener, ready)


def _let_others_finish() -> None:
    """Be scheduled as batch work, with every thread begun from here on: waking up does not interrupt whoever is at work.

    Answers come no later where a core is free, and many at once take less processor time where none is (decision 0064).
    """
    with suppress(OSError):  # a sandbox may forbid it, and nothing depends on it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _run_forked(
    surroundings: dict[str, str], role: str, settings: str, line: Connection, listener: socket.socket
) -> None:
    """Run a service in the supervisor's environment; the server process that forks keeps the one it was started in."""
    os.environ.clear()
    os.environ.update(surroundings)
    run_service(role, settings, line, listener)


def _begins(line: Connection) -> bool:
    """Wait for the word to begin: the predecessor must have let go of the store. False when the supervisor is gone."""
    try:
        line.recv()
    except (EOFError, OSError):
        return False
    return True


def _stop_with_supervisor(line: Connection) -> None:
    try:
        line.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class Child:
    """One forked process of a service; `line` is closed when the supervisor dies, and the child then stops."""

    process: ForkServerProcess
    line: Connection

    def begin(self) -> None:
        """Let it open its store and serve."""
        try:
            self.line.send(None)
        except OSError:
            return  # it is dead already, which its sentinel tells

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def ended(self) -> int:
        """Its status, once its sentinel said that it ended."""
        self.process.join()
        self.line.close()
        return self.process.exitcode or 0


class Nursery:
    """Forks the services of one country from one clean server process."""

    def __init__(self, country: Country) -> None:
        self._country = country
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*programs.modules(), "kumihimo.country.preloaded"])

    def fork(self, service: Service, listener: socket.socket) -> Child:
        """A process that waits for the word to begin."""
        ours, theirs = self._context.Pipe()
        settings = str(self._country.settings(service.party))
        process = self._context.Process(
            target=_run_forked,
            args=(dict(os.environ), service.role.value, settings, theirs, listener),
            name=service.party,
        )
        process.start()
        theirs.close()
        return Child(process, ours)

    def listener(self, service: Service) -> socket.socket:
        """The socket of a service. Raises Problem(port.taken, file.unreadable)."""
        settings = programs.load_settings(service.role, self._country.settings(service.party))
        return listen(settings.host, settings.port)
