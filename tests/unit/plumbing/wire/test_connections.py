"""Connections to peers: kept open, noticed when closed, and asked again only what may be repeated."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from small_country import EXCHANGE, LEDGER, SmallCountry, free_port, until

from kumihimo.plumbing.wire.connections import Answered, Connections, Unreached
from kumihimo.plumbing.wire.tls import client_context, server_context

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Breaking:
    """A TLS service that drops the first `break_off` questions after it has read them whole, and answers all others."""

    context: ssl.SSLContext
    break_off: int = 0
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: int = 0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            with self.context.wrap_socket(plain, server_side=True) as secured:
                self._answer(secured)
            self.closed += 1

    def _answer(self, secured: ssl.SSLSocket) -> None:
        while question := secured.recv(65536):
            self.heard.append(question)
            if len(self.heard) <= self.break_off:
                return
            secured.sendall(ANSWER)
            if b"close" in question:
                return


@contextmanager
def listening(service: Breaking, port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as listener:
        thread = threading.Thread(target=service.serve, args=(listener,), daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def service(country: SmallCountry) -> Breaking:
    return Breaking(server_context(country.identity(EXCHANGE)))


@pytest.fixture
def connections(country: SmallCountry) -> Iterator[Connections]:
    made = Connections(client_context(country.identity(LEDGER)))
    yield made
    made.close()


def asking(connections: Connections, port: int) -> Callable[..., Answered]:
    def ask(target: str = "/", *, repeat: bool = True, seconds: float = 5.0) -> Answered:
        return connections.ask(EXCHANGE, f"https://127.0.0.1:{port}", "GET", target, None, seconds, repeat=repeat)

    return ask


def test_a_connection_is_used_again(service: Breaking, connections: Connections) -> None:
    port = free_port()
    with listening(service, port):
        ask = asking(connections, port)
        assert [ask().content for _ in range(3)] == [b"ok"] * 3
    assert service.connections == 1


def test_a_connection_that_the_peer_closed_is_not_used_again(service: Breaking, connections: Connections) -> None:
    port = free_port()
    with listening(service, port):
        ask = asking(connections, port)
        assert ask("/close", repeat=False).content == b"ok"
        until(lambda: service.closed == 1)
        assert ask(repeat=False).content == b"ok"
    assert service.connections == 2


def test_a_question_that_may_be_repeated_is_asked_once_more_when_its_answer_is_lost(
    service: Breaking, connections: Connections
) -> None:
    port = free_port()
    service.break_off = 1
    with listening(service, port):
        assert asking(connections, port)().content == b"ok"
    assert len(service.heard) == 2


def test_a_question_is_not_repeated_for_ever(service: Breaking, connections: Connections) -> None:
    port = free_port()
    service.break_off = 9
    with listening(service, port), pytest.raises(Unreached) as caught:
        asking(connections, port)()
    assert caught.value.asked
    assert len(service.heard) == 2


def test_a_question_that_may_not_be_repeated_is_asked_once(service: Breaking, connections: Connections) -> None:
    port = free_port()
    service.break_off = 1
    with listening(service, port), pytest.raises(Unreached) as caught:
        asking(connections, port)(repeat=False)
    assert caught.value.asked
    assert len(service.heard) == 1


def test_a_peer_that_is_just_starting_is_waited_for(service: Breaking, connections: Connections) -> None:
    port = free_port()
    answers: list[bytes] = []
    asker = threading.Thread(target=lambda: answers.append(asking(connections, port)(repeat=False).content))
    with socket.socket() as bound:  # keeps the port ours, and refuses
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        asker.start()
        asker.join(0.1)
        assert asker.is_alive()
    with listening(service, port):
        asker.join(5)
    assert answers == [b"ok"]


def test_a_peer_that_is_down_is_unreached_and_was_not_asked(connections: Connections) -> None:
    with pytest.raises(Unreached) as caught:
        asking(connections, free_port())(seconds=0.2)
    assert (str(caught.value), caught.value.asked) == ("ConnectionRefusedError", False)
