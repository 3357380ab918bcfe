"""The server's side of a connection: who is at the other end, and how long it may take to say what.

uvicorn speaks HTTP; it bounds neither how long and how large the head of a request may be, nor for how long the rest of a
body is thrown away that was answered before it was whole. Who keeps neither is cut off; for bodies, see `edge.BodyLimit`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire import tls
from kumihimo.plumbing.wire.draining import is_held
from kumihimo.plumbing.wire.tls import CERTIFICATE, LINE, PEER, fingerprint, party_of_certificate

_CLOSE: Final = (b"connection", b"close")


class ServingState(ServerState):
    """What all connections of a server share; `ending` once no connection may outlive the answer it waits for."""

    ending = False


class Line:
    """What an application may do to the connection of a request, beyond ASGI: found in `scope["extensions"]`."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def last(self) -> None:
        """This connection shall not serve another request."""
        self._cycle.keep_alive = False

    def body(self) -> bytes | None:
        """The body of the request where it is there already, and None where it is still coming."""
        return None if self._cycle.more_body else bytes(self._cycle.body)

    async def answer(self, headers: Iterable[tuple[bytes, bytes]], content: bytes) -> None:
        """Answer 200 with head and body in one piece: in two, each would be encrypted, sent and read by itself."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        lines = [b"HTTP/1.1 200 OK"]
        lines += [name + b": " + value for name, value in (*cycle.default_headers, *headers)]
        if not cycle.keep_alive:
            lines.append(b"connection: close")
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"\r\n".join((*lines, b"", content)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that hands the peer's party and the `Line` to the application in `scope["extensions"]`.

    One timer serves all that is waited for on a connection. It looks at least every `HEAD_SECONDS` whether time is up, and
    is not touched when something happens in time.
    """

    _party: PartyId | None = None
    _certificate: str | None = None
    _head: int | None = 0  # bytes of a head that is not whole yet; None while there is none
    _until: float | None = None  # when the connection ends unless something happens
    _idle = False  # what ends it then: a farewell between requests, a cut within one
    _timer: asyncio.TimerHandle | None = None
    _looks_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_at_most(tls.HEAD_SECONDS)
        secured = transport.get_extra_info("ssl_object")
        if secured:
            self._party = party_of_certificate(secured.getpeercert())
            self._certificate = fingerprint(secured.getpeercert(binary_form=True) or b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._until = None
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > tls.MAX_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._wait_at_most(tls.HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._head = self._until = None
        extensions: dict[str, object] = {PEER: self._party, CERTIFICATE: self._certificate}
        self.scope["extensions"] = extensions  # type: ignore[typeddict-item]
        super().on_headers_complete()
        extensions[LINE] = Line(self.cycle)  # the request is served after this
        state = self.server_state
        if isinstance(state, ServingState) and state.ending:  # it was still shaking hands when the end began
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait_at_most(self.timeout_keep_alive, idle=True)

    def on_response_complete(self) -> None:
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.cycle.more_body:
            self._wait_at_most(tls.LINGER_SECONDS)
        else:
            self._wait_at_most(self.timeout_keep_alive, idle=True)

    def shutdown(self) -> None:
        """End an idle connection with a farewell that nobody has to answer: nobody is reading at the other end."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()  # writes what is still to be written, and that this is the end
            self.loop.call_later(tls.FAREWELL_SECONDS, self.transport.abort)
        elif is_held(self.cycle.scope):
            self.transport.abort()
        else:
            super().shutdown()

    def _wait_at_most(self, seconds: float, *, idle: bool = False) -> None:
        now = self.loop.time()
        self._until, self._idle = now + seconds, idle
        if self._timer is None or self._looks_at > self._until:
            self._look_again(now)

    def _look_again(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._until is not None:
            pause = min(self._until - now, tls.HEAD_SECONDS)
            self._looks_at = now + pause
            self._timer = self.loop.call_later(pause, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        if self._until is None or now < self._until:
            self._look_again(now)
        elif self._idle:
            self.timeout_keep_alive_handler()
        else:
            self.transport.abort()
