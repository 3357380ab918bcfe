"""What the tests of the wire need: keys made by `country.keys`, a clock, and servers in threads."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from fastapi import FastAPI

from free_ports import free_port
from kumihimo.country.keys import PartyPlan, Root, write_directory
from kumihimo.domain.kernel import Clock, Institution, InstitutionId, PartyId, SystemClock
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, Message, Reply
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.server import server
from kumihimo.plumbing.wire.tls import client_context, host_name

LEDGER = PartyId("x-city/ledger")
EXCHANGE = PartyId("x-city/exchange")
OTHER = PartyId("y-city/exchange")
DESK = PartyId("x-city/desk")
HUB_1 = PartyId("hub-1/operator")
HUB_2 = PartyId("hub-2/operator")
STRANGER = PartyId("x-city/former")  # has a certificate of the root, and is not in the directory

_INSTITUTIONS = tuple(
    Institution(InstitutionId(name), name, name, frozenset({"municipality"} if "city" in name else {"operator"}))
    for name in ("x-city", "y-city", "hub-1", "hub-2")
)


@dataclass(frozen=True)
class SmallCountry:
    """Two cities and two operators on disk."""

    folder: Path

    @classmethod
    def found(cls, folder: Path) -> SmallCountry:
        root = Root(folder / "root", datetime.now(UTC))
        services = (LEDGER, EXCHANGE, OTHER, HUB_1, HUB_2)
        addresses = {party: f"https://127.0.0.1:{free_port()}" for party in services}
        parties = (*services, DESK, STRANGER)
        plans = tuple(PartyPlan(party, folder / "parties" / party, addresses.get(party)) for party in parties)
        entries = tuple(root.equip(plan) for plan in plans)
        listed = tuple(entry for entry in entries if entry.party != STRANGER)
        write_directory(folder / "directory.json", _INSTITUTIONS, listed, plans)
        return cls(folder)

    @property
    def directory_file(self) -> Path:
        return self.folder / "directory.json"

    def identity(self, party: PartyId) -> Identity:
        return Identity(party, self.folder / "parties" / party)

    def edge(self, party: PartyId, clock: Clock | None = None) -> Edge:
        identity = self.identity(party)
        return Edge(identity, Directory.load(self.directory_file, identity.anchors()), clock or SystemClock())


def until(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something has happened; fails when it has not in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def port_of(edge: Edge) -> int:
    url = edge.directory.party(edge.party).url
    assert url is not None
    return int(url.rpartition(":")[2])


@contextmanager
def running(app: FastAPI, edge: Edge, port: int | None = None) -> Iterator[None]:
    """Serve an application as a party, on its own port unless another is named."""
    ready = threading.Event()
    service = server(app, edge.identity, "127.0.0.1", port or port_of(edge), ready.set)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        service.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


class Question(Message):
    KIND: ClassVar[str] = "question.v1"
    text: str


class Answer(Reply):
    KIND: ClassVar[str] = "answer.v1"
    peer: str
    text: str


def echoing(edge: Edge) -> FastAPI:
    """An application that answers every party with what it said, and who it was."""
    app = application("echo")

    @app.post("/questions")
    def ask(envelope: Envelope, peer: Peer) -> Envelope:
        question = edge.open(envelope, Question, peer, lambda party: not party.endswith("/desk")).value
        return edge.answer(Answer(in_reply_to=question.message_id, peer=peer, text=question.text))

    return app


@contextmanager
def line_to(country: SmallCountry, edge: Edge) -> Iterator[ssl.SSLSocket]:
    """A connection of the ledger to a running service, to say on it what no client of ours would."""
    context = client_context(country.identity(LEDGER))
    with (
        socket.create_connection(("127.0.0.1", port_of(edge)), timeout=20) as line,
        context.wrap_socket(line, server_hostname=host_name(EXCHANGE)) as secured,
    ):
        yield secured
