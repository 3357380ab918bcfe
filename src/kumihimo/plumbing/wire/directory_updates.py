"""A newer directory while everything runs (機関名簿の更新): every service hands on the one it uses, and looks for newer ones.

A directory is believed for its two signatures, not for where it came from. A service takes a newer one that is put in the
place of its own file, which is how the operators begin, and asks a party that it calls anyway: operators each other, ledgers
and the numbering authority the registry, everybody else the operators. What it takes is written to its own file, too, so
that it begins with it the next time. An older one is refused, wherever it comes from.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import structlog
from fastapi import FastAPI, Query
from fastapi.responses import Response

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory, DirectoryDocument, read_directory_file
from kumihimo.plumbing.wire.edge import Background, Edge, at_closing
from kumihimo.plumbing.wire.envelope import parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.routes import Peer

LOOK_SECONDS: Final = 0.5  # between two looks at the own file
WAIT_SECONDS: Final = 25.0  # how long a question for a newer one stays open
_AGAIN_SECONDS: Final = 5.0
_REGISTRY: Final = PartyId("registry/network")
_CERTIFIER, _RESPONDER = PartyId("jpki/authority"), PartyId("jpki/responder")
log = structlog.get_logger()


def sources_of(party: PartyId) -> tuple[PartyId, ...]:
    """Whom a party asks for a newer directory, in this order."""
    if party in OPERATORS:
        return tuple(one for one in OPERATORS if one != party)
    if party.endswith(("/ledger", "/authority")):
        return (_REGISTRY,)
    return (_CERTIFIER,) if party == _RESPONDER else OPERATORS


def mount_directory(app: FastAPI, directory: Directory) -> None:
    """Add `GET /directory?after=VERSION&wait=SECONDS`: the directory in use once it is newer, else 204."""
    waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
    lock = threading.Lock()
    closing = False

    def wake() -> None:
        with lock:
            woken = list(waiting.items())
        for event, loop in woken:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(event.set)

    def close() -> None:
        nonlocal closing
        closing = True
        wake()

    at_closing(app, close)
    directory.when_newer(wake)

    @app.get("/directory")
    async def newest(
        _peer: Peer, after: Annotated[int, Query(ge=0)] = 0, wait: Annotated[float, Query(ge=0, le=30)] = 0
    ) -> Response:
        """The signed directory, for any party."""
        event = asyncio.Event()
        with lock:
            waiting[event] = asyncio.get_running_loop()
        try:
            if directory.version <= after and wait > 0 and not closing:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), wait)
        finally:
            with lock:
                del waiting[event]
        envelope = directory.envelope
        if envelope is None or directory.version <= after:
            return Response(status_code=204)
        return Response(envelope.model_dump_json(), media_type="application/json")


class DirectoryKeeper(Background):
    """Two threads that look for a newer directory: in the own file, and at the sources."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._client = PeerClient(edge)
        self._sources = sources_of(edge.party)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=f"directory {name}", daemon=True)
            for name, run in (("file", self._watch_file), ("source", self._ask_sources))
        ]

    def start(self) -> None:
        if self._edge.directory.file is not None:
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _watch_file(self) -> None:
        file = self._edge.directory.file
        assert file is not None  # noqa: S101 - started only with a file
        seen = None  # not what the file is now: it may have changed since it was loaded
        while not self._stopping.wait(LOOK_SECONDS):
            found = _signature(file)
            if found is not None and found != seen:
                seen = found
                self._try(lambda: self._edge.directory.take(read_directory_file(file)), file.name)

    def _ask_sources(self) -> None:
        while not self._stopping.is_set():
            if not any(self._ask(source) for source in self._sources):
                self._stopping.wait(_AGAIN_SECONDS)

    def _ask(self, source: PartyId) -> bool:
        """Ask one source; whether it answered."""
        directory = self._edge.directory
        question: dict[str, str | int] = {"after": directory.version, "wait": str(WAIT_SECONDS)}
        try:
            body = self._client.get(source, "/directory", question, timeout=WAIT_SECONDS + 10.0)
        except Problem:
            return False
        if not body:
            return True
        return self._try(lambda: self._adopt(body), source)

    def _adopt(self, body: bytes) -> bool:
        """Use a directory from elsewhere, and keep it for the next start unless the file has it or a newer one."""
        directory = self._edge.directory
        envelope = parse_envelope(body)
        taken = directory.take(envelope)
        if taken and directory.file is not None and _version_in(directory.file) < directory.version:
            write_public(directory.file, envelope.model_dump_json().encode())
        return taken

    def _try(self, take: Callable[[], bool], source: str) -> bool:
        """Take a directory, or say why not; whether there is nothing wrong with it."""
        try:
            if take():
                log.info("directory", source=source, index=self._edge.directory.version)
        except Problem as problem:
            log.warning("directory.refused", source=source, code=problem.code)
            return False
        except OSError as error:
            log.warning("directory.not_kept", source=source, kind=type(error).__name__)
        return True


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _version_in(file: Path) -> int:
    """The version a file states, whoever signed it; 0 where it cannot be read."""
    try:
        return DirectoryDocument.model_validate_json(read_directory_file(file).payload_bytes()).version
    except (Problem, ValueError):
        return 0


def keep_directory(app: FastAPI, edge: Edge) -> None:
    """Give a service the route, and look for newer directories as long as it runs."""
    app.state.works.append(DirectoryKeeper(edge))
    mount_directory(app, edge.directory)
