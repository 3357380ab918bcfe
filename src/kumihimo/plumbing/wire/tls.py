"""Mutual TLS (相互認証TLS): every connection shows a certificate on both sides, and the certificate names a party.

The name is a DNS name under `kumihimo.internal` (`exchange.x-city.kumihimo.internal` for the party `x-city/exchange`), so
that the TLS library itself checks whom the client reached; the server reads the peer's name from the same place.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, party_id
from kumihimo.plumbing.wire.draining import is_held
from kumihimo.plumbing.wire.identity import Identity

DOMAIN = "kumihimo.internal"
FAREWELL_SECONDS = 0.05
PEER = "kumihimo.peer"
HEAD_SECONDS = 20.0
MAX_HEAD = 64 * 1024
LINGER_SECONDS = 10.0


def host_name(party: PartyId) -> str:
    """The DNS name that a party's certificate carries."""
    institution, _, service = party.partition("/")
    return f"{service}.{institution}.{DOMAIN}"


def party_of_certificate(certificate: dict[str, Any] | None) -> PartyId | None:
    """The party named by a verified certificate as the ssl module describes it; None when it names none."""
    for kind, name in (certificate or {}).get("subjectAltName", ()):
        service, _, rest = name.partition(".")
        institution, _, domain = rest.partition(".")
        if kind == "DNS" and domain == DOMAIN:
            try:
                return party_id(institution, service)
            except Problem:
                return None
    return None


def server_context(identity: Identity) -> ssl.SSLContext:
    """TLS 1.3 only, own certificate, a certificate of the country's root demanded of every client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(identity.certificate_file, identity.key_file)
    context.load_verify_locations(identity.root_file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(identity: Identity) -> ssl.SSLContext:
    """TLS 1.3 only, own certificate, only the country's root trusted, the server's name checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(identity.certificate_file, identity.key_file)
    context.load_verify_locations(identity.root_file)
    return context


class ServingState(ServerState):
    """What all connections of a server share; `ending` once no connection may outlive the answer it waits for."""

    ending = False


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that hands the peer's party to the application in `scope["extensions"]`.

    It also bounds what uvicorn does not: how long and how large the head of a request may be, and for how long the rest of a
    body is thrown away that was answered before it was whole. Who keeps neither is cut off; for bodies, see `edge.BodyLimit`.
    """

    _patience: asyncio.TimerHandle | None = None
    _head: int | None = 0  # bytes of a head that is not whole yet; None while there is none

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_at_most(HEAD_SECONDS)
        secured = transport.get_extra_info("ssl_object")
        party = party_of_certificate(secured.getpeercert()) if secured else None
        inner = self.app

        async def with_peer(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[PEER] = party
            await inner(scope, receive, send)

        self.app = with_peer

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._wait_at_most(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._head = None
        self._wait_no_longer()
        super().on_headers_complete()
        state = self.server_state
        if isinstance(state, ServingState) and state.ending:  # it was still shaking hands when the end began
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._wait_no_longer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.cycle.more_body:
            self._wait_at_most(LINGER_SECONDS)
        super().on_response_complete()

    def _wait_at_most(self, seconds: float) -> None:
        self._wait_no_longer()
        self._patience = self.loop.call_later(seconds, self.transport.abort)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def shutdown(self) -> None:
        """End an idle connection with a farewell that nobody has to answer: nobody is reading at the other end."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()  # writes what is still to be written, and that this is the end
            self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)
        elif is_held(self.cycle.scope):
            self.transport.abort()
        else:
            super().shutdown()
