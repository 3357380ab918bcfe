"""Connections to peers (接続): HTTP/1.1 over mutual TLS, kept open between questions, a pool for each party.

A handshake costs more than all crypto of a message. A connection that the peer closed meanwhile is noticed before it is
used; one that breaks before the first byte of an answer leaves it to the caller whether the question is asked again.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.http1 import MAX_ANSWER, Answered, Exchange, Garbled, TooLarge
from kumihimo.plumbing.wire.tls import host_name

__all__ = ["MAX_ANSWER", "Answered", "Connections", "Unreached", "reason"]
CONNECT_SECONDS: Final = 3.0
# A peer that is being started again lets callers wait in the queue of its socket, where they are connected already. Shorter
# than whoever asked us waits, so that they hear from us who was not there.
HANDSHAKE_SECONDS: Final = 8.0
IDLE_SECONDS: Final = 60.0  # shorter than a server keeps an idle connection
PATIENCE_SECONDS: Final = 1.0  # with a peer that is being started again
_KEPT: Final = 64


class Unreached(Exception):
    """A peer gave no whole answer. `asked`: it may have taken the question; `lost`: the connection broke before an answer."""

    def __init__(self, reason: str, *, asked: bool, lost: bool) -> None:
        super().__init__(reason)
        self.asked = asked
        self.lost = lost


class _Connection:
    """One open connection to one party; the certificate names it, whatever the address is."""

    def __init__(self, party: PartyId, url: str, context: ssl.SSLContext, seconds: float) -> None:
        address = urlsplit(url)
        self.host = address.netloc
        self.idle_since = 0.0
        sock = socket.create_connection((address.hostname or "", address.port or 443), min(CONNECT_SECONDS, seconds))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(min(HANDSHAKE_SECONDS, seconds))
            self.sock = context.wrap_socket(sock, server_hostname=host_name(party))
        except BaseException:
            sock.close()
            raise

    def alive(self) -> bool:
        """Whether it can be used again: not too old, and the peer has not closed it (nothing is to be read)."""
        if time.monotonic() - self.idle_since > IDLE_SECONDS or self.sock.pending():
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self.sock.close()


class Connections:
    """The open connections of one party to all others. Safe for many threads; each uses a connection of its own.

    `usable` says whether an idle socket may be used again: not after the own certificate was renewed.
    """

    def __init__(self, context: ssl.SSLContext, usable: Callable[[object], bool] = lambda _sock: True) -> None:
        self._context = context
        self._usable = usable
        self._idle: dict[tuple[PartyId, str], list[_Connection]] = {}
        self._lock = threading.Lock()

    def ask(
        self, party: PartyId, url: str, method: str, target: str, body: bytes | None, seconds: float, *, repeat: bool
    ) -> Answered:
        """One question and its whole answer within `seconds`.

        A peer that refuses connections is tried for up to a second, it may be starting. With `repeat`, a question whose
        connection broke before any answer is asked once more. Raises Unreached, Problem(message.too_large).
        """
        until = time.monotonic() + min(PATIENCE_SECONDS, seconds)
        pause, again = 0.02, repeat
        while True:
            try:
                return self._ask_once(party, url, method, target, body, seconds)
            except Unreached as unreached:
                if unreached.asked and unreached.lost and again:
                    again = False
                elif unreached.asked or not unreached.lost or time.monotonic() + pause > until:
                    raise
                else:
                    time.sleep(pause)
                    pause *= 2

    def close(self) -> None:
        """Close what is idle; what is in use is closed by its user."""
        with self._lock:
            idle = [one for kept in self._idle.values() for one in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _ask_once(
        self, party: PartyId, url: str, method: str, target: str, body: bytes | None, seconds: float
    ) -> Answered:
        connection = self._idle_one(party, url) or self._new(party, url, seconds)
        exchange = Exchange(connection.sock, seconds)
        try:
            answered = exchange.ask(connection.host, method, target, body)
        except (OSError, Garbled) as error:
            connection.close()
            lost = not exchange.begun and not isinstance(error, TimeoutError)
            raise Unreached(reason(error), asked=True, lost=lost) from None
        except TooLarge:
            connection.close()
            raise Problem("message.too_large", f"{party} answered with more than {MAX_ANSWER} bytes") from None
        except BaseException:
            connection.close()
            raise
        if answered.last:
            connection.close()
        else:
            self._keep(party, url, connection)
        return answered

    def _idle_one(self, party: PartyId, url: str) -> _Connection | None:
        """The connection used last. A pool shared by address would hand a message to whoever was called there before."""
        while True:
            with self._lock:
                kept = self._idle.get((party, url))
                connection = kept.pop() if kept else None
            if connection is None or (connection.alive() and self._usable(connection.sock)):
                return connection
            connection.close()

    def _new(self, party: PartyId, url: str, seconds: float) -> _Connection:
        try:
            return _Connection(party, url, self._context, seconds)
        except OSError as error:
            starting = isinstance(error, ConnectionError | ssl.SSLEOFError)
            raise Unreached(reason(error), asked=False, lost=starting) from None

    def _keep(self, party: PartyId, url: str, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            kept = self._idle.setdefault((party, url), [])
            if len(kept) < _KEPT:
                kept.append(connection)
                return
        connection.close()


def reason(error: BaseException) -> str:
    """Why a peer was not reached; for TLS the library's constant, such as CERTIFICATE_VERIFY_FAILED."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return f"{type(error).__name__}, {cause.reason}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
