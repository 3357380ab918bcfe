"""Both operators as they run: mutual TLS, settings files, threads, start and stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from hub_country import HUB_1, HUB_2, PORTAL, REGISTRY, Caller, HubCountry, X, found, operator_settings

from free_ports import free_port
from kumihimo.domain.kernel.clock import SystemClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, OversightRecord
from kumihimo.plumbing.wire.protocol import PeerProtocol
from kumihimo.plumbing.wire.tls import server_context
from kumihimo.roles.hub.api import build, prepare
from kumihimo.roles.hub.settings import Settings


@contextmanager
def running(app: FastAPI, identity: Identity, port: int) -> Iterator[None]:
    """Serve in a thread, with the certificate and the protocol of a real process."""
    config = uvicorn.Config(
        app, "127.0.0.1", port, http=PeerProtocol, log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    config.load()
    config.ssl = server_context(identity)
    server = uvicorn.Server(config)
    ready = threading.Event()
    startup = server.startup

    async def started(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets=sockets)
        ready.set()

    server.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(60)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


class TlsCaller(Caller):
    """A party that reaches the operators over mutual TLS."""

    def __post_init__(self) -> None:
        self.wire = PeerClient(self.edge)


@dataclass
class TlsCountry:
    """Keys, settings and ports of two operators; `start` runs one of them."""

    folder: Path
    ports: dict[PartyId, int]

    def settings(self, number: int) -> Settings:
        return operator_settings(self.folder, self.folder, number, port=self.ports[(HUB_1, HUB_2)[number - 1]])

    @contextmanager
    def start(self, number: int) -> Iterator[None]:
        settings = self.settings(number)
        prepare(settings)
        with running(build(settings), Identity(PartyId(settings.party), settings.keys), settings.port):
            yield

    def party(self, party: PartyId) -> TlsCaller:
        identity = Identity(party, self.folder / party)
        edge = Edge(identity, Directory.load(self.folder / "directory.json", identity.anchors()), SystemClock())
        return TlsCaller(self, edge)  # type: ignore[arg-type]

    def issue(self, institution: str, people: list[str]) -> list[bytes]:
        return HubCountry.issue(self, institution, people)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tls_country(tmp_path_factory: pytest.TempPathFactory) -> TlsCountry:
    folder = tmp_path_factory.mktemp("tls")
    ports = {HUB_1: free_port(), HUB_2: free_port()}
    found(folder, lambda party: f"https://127.0.0.1:{ports[party]}" if party in ports else None)
    return TlsCountry(folder, ports)


def entry_kinds(country: TlsCountry) -> list[EntryKind]:
    items = country.party(PartyId("oversight/body")).feed(HUB_1)
    return [OversightRecord.model_validate(item.body).logged.record.entry for item in items]


def test_two_operators_on_their_own_ports_permit_an_inquiry_and_keep_everything_over_a_restart(
    tls_country: TlsCountry,
) -> None:
    with ExitStack() as both:
        both.enter_context(tls_country.start(1))
        both.enter_context(tls_country.start(2))
        (hanako,) = tls_country.issue("x-city", ["hanako"])
        assert tls_country.party(X).inquire(hanako).permit is not None
        assert [item.kind for item in tls_country.party(PORTAL).feed(HUB_2)] == ["access"]
    with tls_country.start(1):
        x = tls_country.party(X)
        with pytest.raises(Problem) as caught:
            x.inquire(hanako)
        assert caught.value.code == "operator.unreachable"
        first, codes = EntryKind.RULE_BOOK, EntryKind.CODES
        request, rejected = EntryKind.REQUEST, EntryKind.REJECTED
        assert entry_kinds(tls_country) == [first, codes, request, first, request, request]
        body = x.edge.answer(x.request(hanako)).model_dump_json().encode()
        answer = tls_country.party(REGISTRY).wire.post(HUB_1, "/inquiries", body)
        assert answer.status_code == 403
        assert entry_kinds(tls_country)[-1] == rejected


def test_rule_books_stand_beside_the_settings_file(tls_country: TlsCountry, tmp_path: Path) -> None:
    file = tmp_path / "role.toml"
    file.write_text(
        'party = "hub-2/operator"\noperator = 2\nport = 7002\nkeys = "keys"\ndirectory = "../directory.json"\n'
        'store = "sqlite:///store.db"\nrule_books = ["ordinance.toml"]\n'
    )
    settings = Settings.load(file)
    assert settings.rule_books == (tmp_path / "ordinance.toml",)
    assert settings.other_operator == HUB_1


@pytest.mark.parametrize("line", ["operator = 3", "checkpoint_seconds = 0.0", 'sample = "x"'])
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "role.toml"
    operator = "" if line.startswith("operator") else "operator = 1\n"
    file.write_text(
        'party = "hub-1/operator"\nport = 7001\nkeys = "keys"\ndirectory = "d.json"\nstore = "sqlite:///s.db"\n'
        f"{operator}{line}\n"
    )
    with pytest.raises(Problem) as caught:
        Settings.load(file)
    assert caught.value.code == "file.unreadable"
