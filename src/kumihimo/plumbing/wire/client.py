"""The client side of mutual TLS: pooled connections, signed messages out, verified answers back."""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import structlog

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Message, Reply, Signed, parse_envelope
from kumihimo.plumbing.wire.problem import from_document
from kumihimo.plumbing.wire.tls import client_context, host_name

R = TypeVar("R", bound=Reply)
CAPTURE = "KUMIHIMO_CAPTURE"
PATIENCE_SECONDS = 30.0
MAX_ANSWER = 64 * 1024 * 1024  # the largest page of a feed has a sixth of it
log = structlog.get_logger()


class PeerClient:
    """Calls other parties; safe for many threads. Connections are pooled, since a handshake costs more than all crypto."""

    def __init__(self, edge: Edge, timeout: float = 10.0) -> None:
        self._edge = edge
        self._context = client_context(edge.identity)
        self._timeout = httpx.Timeout(timeout, connect=3.0)
        self._pools: dict[PartyId, httpx.Client] = {}
        self._lock = threading.Lock()
        self._capture = _capture_file(edge.party)

    def send(self, path: str, message: Message, reply: type[R], timeout: float | None = None) -> Signed[R]:
        """Sign a message, post it to its audience, verify the signed reply; `timeout` in seconds, else the client's.

        Raises Problem: what the peer reported, peer.unreachable, or a fault of the reply's signature or reference.
        """
        party = PartyId(message.audience)
        envelope = self._edge.answer(message)
        response = self._request("POST", party, path, content=envelope.model_dump_json(), timeout=timeout)
        signed = self._edge.read(parse_envelope(response.content), reply, party)
        if signed.value.in_reply_to != message.message_id:
            raise Problem("message.replayed", f"{party} answered another message", expected=message.message_id)
        return signed

    def get(
        self, party: PartyId, path: str, params: Mapping[str, str | int] | None = None, timeout: float | None = None
    ) -> bytes:
        """Fetch a resource of a party. Raises Problem as send."""
        return self._request("GET", party, path, params=params, timeout=timeout).content

    def post(self, party: PartyId, path: str, body: bytes) -> httpx.Response:
        """Post plain bytes, for protocols of others (the witness protocol); any status is returned."""
        return self._exchange("POST", party, path, content=body)

    def look(self, party: PartyId, path: str, timeout: float | None = None) -> httpx.Response:
        """Fetch a resource; any status is returned. Raises Problem(peer.unreachable, message.too_large)."""
        return self._exchange("GET", party, path, timeout=timeout)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _pool(self, party: PartyId) -> httpx.Client:
        """The connections to one party: a pool shared by address would hand a message to whoever was called there before."""
        with self._lock:
            if party not in self._pools:
                self._pools[party] = httpx.Client(
                    verify=self._context,
                    timeout=self._timeout,
                    limits=httpx.Limits(max_connections=200, max_keepalive_connections=64, keepalive_expiry=60.0),
                    trust_env=False,
                )
            return self._pools[party]

    def _request(
        self,
        method: str,
        party: PartyId,
        path: str,
        content: str | bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        response = self._exchange(method, party, path, content, params, timeout)
        if response.status_code >= 400:
            raise from_document(response.content, response.status_code, party)
        return response

    def _exchange(
        self,
        method: str,
        party: PartyId,
        path: str,
        content: str | bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        url = self._edge.directory.party(party).url
        if url is None:
            raise Problem("peer.unreachable", f"{party} is a client and runs no service")
        try:
            with self._pool(party).stream(
                method,
                url + path,
                content=content,
                params=params,
                headers={"content-type": "application/json", "accept-encoding": "identity"},
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
                extensions={"sni_hostname": host_name(party)},
            ) as answer:
                response = _read(answer, party, timeout or self._timeout.read or 0.0)
            if self._capture is not None:
                self._write_down(party, method, path, content, response)
            return response
        except httpx.HTTPError as error:
            raise Problem(
                "peer.unreachable", f"{party} ({_reason(error)})", advice="Try again; nothing was changed here."
            ) from None

    def _write_down(
        self, party: PartyId, method: str, path: str, content: str | bytes | None, response: httpx.Response
    ) -> None:
        sent = content.decode() if isinstance(content, bytes) else content
        line = {
            "from": self._edge.party,
            "to": party,
            "request": f"{method} {response.request.url.raw_path.decode()}",
            "path": path,
            "sent": sent,
            "received": response.text,
        }
        assert self._capture is not None  # noqa: S101 - called only when capturing
        with open(self._capture, "a", opener=_for_owner) as file:
            file.write(json.dumps(line) + "\n")


class Patient:
    """A client that waits longer: for messages about many persons, which take their time on a machine under load."""

    def __init__(self, client: PeerClient, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]:
        """As `PeerClient.send`."""
        return self._client.send(path, message, reply, self._seconds)


def _read(answer: httpx.Response, party: PartyId, seconds: float) -> httpx.Response:
    """The whole answer, as it came: not more than `MAX_ANSWER` bytes, not longer than `seconds`, nothing decompressed.

    A peer is believed no more than a caller is: it could else fill our memory, or hold our threads by a byte at a time.
    """
    until = time.monotonic() + seconds
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_raw():
        size += len(part)
        if size > MAX_ANSWER:
            raise Problem("message.too_large", f"{party} answered with more than {MAX_ANSWER} bytes")
        if time.monotonic() > until:
            raise httpx.ReadTimeout(f"no whole answer after {seconds} s")
        parts.append(part)
    return httpx.Response(answer.status_code, content=b"".join(parts), request=answer.request)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _reason(error: BaseException) -> str:
    """Why a peer was not reached; for TLS the library's constant, such as CERTIFICATE_VERIFY_FAILED."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return f"{type(error).__name__}, {cause.reason}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _capture_file(party: PartyId) -> Path | None:
    """For tests of what crosses the wire: with KUMIHIMO_CAPTURE set to a folder, every message is written down there.

    Never set it in operation: it defeats the encryption of the wire, and each process that does it says so in its log.
    """
    folder = os.environ.get(CAPTURE)
    if not folder:
        return None
    log.warning("capturing", party=party)
    return Path(folder) / f"{party.replace('/', '.')}.jsonl"
