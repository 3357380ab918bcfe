"""Bodies that are too large, too deep or too slow are refused early at every door, and cost the service nothing."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from doors import SERVICES, app_of, doors, knocking, posts
from signing import Attacker, problem_of

from kumihimo.country.layout import Country
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.tls import client_context, host_name

TEN_MEGABYTES = 10 * 1024 * 1024
MOST_GROWTH = 48 * 1024 * 1024  # a few bodies of the largest size under way, and what the allocator keeps of them
ALL = [pytest.param(party, id=party.replace("/", "-")) for party in SERVICES]


@contextmanager
def connected(attacker: Attacker, party: PartyId) -> Iterator[ssl.SSLSocket]:
    """A connection of a party of the country to a service."""
    url = attacker.country.url(party)
    assert url is not None
    context = client_context(attacker.edge(knocking(party)[0]).identity)
    with (
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30) as line,
        context.wrap_socket(line, server_hostname=host_name(party)) as secured,
    ):
        yield secured


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", *lines, "", ""]).encode()


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 65_536):
        yield b" " * 65_536


@pytest.mark.parametrize("party", ALL)
def test_ten_megabytes_are_refused_before_they_are_sent(founded: Country, attacker: Attacker, party: PartyId) -> None:
    for path in posts(app_of(founded, party)):
        with connected(attacker, party) as line:
            line.sendall(head(path, f"content-length: {TEN_MEGABYTES}"))
            answer = line.recv(4096) + line.recv(4096)  # head and document
        assert answer.startswith(b"HTTP/1.1 413 "), path
        assert b"message.too_large" in answer, path


@pytest.mark.parametrize("party", ALL)
def test_ten_megabytes_in_pieces_are_refused_and_not_kept(founded: Country, attacker: Attacker, party: PartyId) -> None:
    service = psutil.Process(pids(attacker.country)[party])
    before = service.memory_info().rss
    for path in posts(app_of(founded, party)):
        answer = attacker.post(knocking(party)[0], party, path, pieces(TEN_MEGABYTES))
        assert problem_of(answer) == "message.too_large", path
    assert service.memory_info().rss - before < MOST_GROWTH


@pytest.mark.parametrize("party", ALL)
def test_bodies_nested_without_end_are_refused(founded: Country, attacker: Attacker, party: PartyId) -> None:
    """As the body itself, and inside a payload that its sender signed."""
    for path in posts(app_of(founded, party)):
        for body in (b"[" * 1_000_000, b'{"a":' * 200_000):
            answer = attacker.post(knocking(party)[0], party, path, body)
            if path == "/witness/add-checkpoint":  # the C2SP protocol knows no problem documents, but words
                assert answer.status_code in (400, 403)
            else:
                assert problem_of(answer) in ("message.malformed", "message.unsigned"), path
    for door in doors(app_of(founded, party), party):
        sender = attacker.peer(door)
        for field in (door.kind.model_fields, {"extra": None}):
            payload = b'{"%s":%s' % (next(iter(field)).encode(), b'{"a":' * 100_000)
            sent = attacker.signed(door.kind, payload, sender)
            assert problem_of(attacker.post(sender, party, door.path, sent.model_dump_json())) == "message.malformed"


def test_a_service_goes_on_answering_while_many_send_slowly(attacker: Attacker) -> None:
    """As many unfinished requests as a service has threads, and more, keep none of them."""
    party = SERVICES[-2]
    with ExitStack() as many:
        for _ in range(80):
            line = many.enter_context(connected(attacker, party))
            line.sendall(head("/inquiries", "content-length: 1000") + b"{")
        started = time.monotonic()
        answer = attacker.get(knocking(party)[0], party, "/health")
        assert answer.status_code == 200
        assert time.monotonic() - started < 5
