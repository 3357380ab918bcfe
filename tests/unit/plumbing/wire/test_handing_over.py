"""A service that ends answers what it has begun, and what comes meanwhile waits for its successor on the same socket."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from small_country import EXCHANGE, LEDGER, SmallCountry

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge, application, at_closing, needed_at_the_end
from kumihimo.plumbing.wire.listening import handed_over, listen, tell_manager
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.server import server
from kumihimo.plumbing.wire.tls import client_context, host_name

SECONDS = 20


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as opened:
        yield opened


class Serving:
    """A service in a thread, on a socket that outlives it."""

    def __init__(self, app: FastAPI, edge: Edge, listener: socket.socket) -> None:
        ready = threading.Event()
        self.server: uvicorn.Server = server(app, edge.identity, "127.0.0.1", 0, ready.set)
        self._thread = threading.Thread(target=lambda: self.server.run(sockets=[listener.dup()]))
        self._thread.start()
        assert ready.wait(SECONDS)

    def ask_to_end(self) -> None:
        self.server.should_exit = True

    def ended(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


@contextmanager
def connected(country: SmallCountry, listener: socket.socket) -> Iterator[ssl.SSLSocket]:
    context = client_context(country.identity(LEDGER))
    with socket.create_connection(listener.getsockname(), SECONDS) as plain:
        plain.settimeout(SECONDS)
        with context.wrap_socket(plain, server_hostname=host_name(EXCHANGE)) as secured:
            yield secured


def get(line: ssl.SSLSocket, path: str) -> str:
    line.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    return read(line)


def read(line: ssl.SSLSocket) -> str:
    """One answer, or what there is of it before the end."""
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        try:
            part = line.recv(4096)
        except (ConnectionError, ssl.SSLError):
            part = b""
        if not part:
            break
        received += part
    return received.decode()


class Slow:
    """A service whose `/slow` takes until it is let go; `/needed` is what somebody else needs meanwhile."""

    def __init__(self, name: str, *needed: str) -> None:
        self.begun, self.let_go, self.ending = threading.Event(), threading.Event(), threading.Event()
        self.app = application(name)
        at_closing(self.app, self.ending.set)
        needed_at_the_end(self.app, *needed)

        @self.app.get("/slow")
        def slow(_peer: Peer) -> dict[str, str]:
            self.begun.set()
            assert self.let_go.wait(SECONDS)
            return {"from": name}

        @self.app.get("/quick")
        async def quick(_peer: Peer) -> dict[str, str]:
            return {"from": name}


def test_what_was_begun_is_answered_and_what_comes_meanwhile_waits_for_the_successor(
    country: SmallCountry, listener: socket.socket
) -> None:
    edge, old, new = country.edge(EXCHANGE), Slow("old"), Slow("new")
    first = Serving(old.app, edge, listener)
    with ExitStack() as lines, ThreadPoolExecutor(2) as threads:
        busy, idle = (lines.enter_context(connected(country, listener)) for _ in range(2))
        assert '"old"' in get(idle, "/quick")
        slow = threads.submit(get, busy, "/slow")
        assert old.begun.wait(SECONDS)
        first.ask_to_end()
        assert read(idle) == ""  # the idle connection is ended, with a farewell
        meanwhile: Future[str] = threads.submit(asking_anew, country, listener)
        old.let_go.set()
        answer = slow.result(SECONDS)
        assert '"old"' in answer
        assert "connection: close" in answer.lower()
        first.ended()
        assert not meanwhile.done()
        second = Serving(new.app, edge, listener)
        assert '"new"' in meanwhile.result(SECONDS)
        second.ask_to_end()
        second.ended()


def asking_anew(country: SmallCountry, listener: socket.socket) -> str:
    with connected(country, listener) as line:
        return get(line, "/quick")


def test_who_needs_an_answer_to_finish_what_we_wait_for_gets_it_and_others_are_held(
    country: SmallCountry, listener: socket.socket
) -> None:
    edge, old = country.edge(EXCHANGE), Slow("old", "/quick")
    first = Serving(old.app, edge, listener)
    with ExitStack() as lines, ThreadPoolExecutor(2) as threads:
        busy, held = (lines.enter_context(connected(country, listener)) for _ in range(2))
        slow = threads.submit(get, busy, "/slow")
        assert old.begun.wait(SECONDS)
        first.ask_to_end()
        assert old.ending.wait(SECONDS)
        waiting = threads.submit(get, held, "/health")
        assert '"old"' in asking_anew(country, listener)
        assert not waiting.done()
        old.let_go.set()
        assert '"old"' in slow.result(SECONDS)
        assert waiting.result(SECONDS) == "", "held, and cut off without a byte"
        first.ended()


def test_a_socket_of_a_service_manager_is_taken_over_and_it_hears_when_the_service_is_ready(tmp_path: Path) -> None:
    program = (
        "from kumihimo.plumbing.wire.listening import handed_over, tell_manager\n"
        "listener = handed_over()\n"
        "tell_manager('READY=1')\n"
        "connection, _ = listener.accept()\n"
        "connection.sendall(b'here')\n"
    )
    with listen("127.0.0.1", 0) as opened, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SECONDS)
        # as sd_listen_fds(3) has it: descriptor 3, and the process it is for by its own id
        shell = f'exec 3<&{opened.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec {sys.executable} -c "$PROGRAM"'
        environment = {**os.environ, "PROGRAM": program, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(["bash", "-c", shell], env=environment, pass_fds=[opened.fileno()]):
            assert manager.recv(100) == b"READY=1"
            with socket.create_connection(opened.getsockname(), SECONDS) as line:
                assert line.recv(10) == b"here"


def test_without_a_service_manager_nothing_is_taken_over_and_nobody_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")  # somebody else's
    assert handed_over() is None
    tell_manager("READY=1")


def test_more_than_one_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with pytest.raises(Problem) as caught:
        handed_over()
    assert caught.value.code == "value.invalid"
    assert "LISTEN_FDS" not in os.environ


def test_a_port_on_which_somebody_listens_is_taken(listener: socket.socket) -> None:
    with pytest.raises(Problem) as caught:
        listen(*listener.getsockname())
    assert caught.value.code == "port.taken"
