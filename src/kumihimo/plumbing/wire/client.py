"""The client side of mutual TLS: pooled connections, signed messages out, verified answers back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import structlog

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.connections import Answered, Connections, Unreached
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Message, Reply, Signed, parse_envelope
from kumihimo.plumbing.wire.problem import from_document
from kumihimo.plumbing.wire.tls import CallingContext
from kumihimo.plumbing.wire.together import answers_in, each, in_one_body, is_many, one_by_one

R = TypeVar("R", bound=Reply)
CAPTURE = "KUMIHIMO_CAPTURE"
PATIENCE_SECONDS = 30.0
log = structlog.get_logger()


class PeerClient:
    """Calls other parties; safe for many threads. `timeout`: seconds until a whole answer must be there."""

    def __init__(self, edge: Edge, timeout: float = 10.0) -> None:
        self._edge = edge
        self._timeout = timeout
        context = CallingContext(edge.identity, edge.directory, edge.clock.now)
        self._connections = Connections(context, context.made)
        self._capture = _capture_file(edge.party)

    def send(self, path: str, message: Message, reply: type[R], timeout: float | None = None) -> Signed[R]:
        """Sign a message, post it to its audience, verify the signed reply; `timeout` in seconds, else the client's.

        Where the answer is lost on its way, a message that says of itself that it may be repeated is sent once more.
        Raises Problem: what the peer reported, peer.unreachable, or a fault of the reply's signature or reference.
        """
        party = PartyId(message.audience)
        envelope = self._edge.answer(message)
        response = self._exchange(
            "POST", party, path, envelope.model_dump_json().encode(), None, timeout, repeat=message.REPEATABLE
        )
        return self._read(parse_envelope(_accepted(response, party)), message, reply)

    def send_all(self, path: str, messages: Sequence[Message], reply: type[R]) -> list[Signed[R] | Problem]:
        """Messages to one audience, all of one kind, in one request: the answer or the problem of each, in their order.

        The path must take messages that travel together. What `send` would raise stands in the place of each answer.
        """
        try:
            if len(messages) == 1:
                return [self.send(path, messages[0], reply)]
            party = PartyId(messages[0].audience)
            body = in_one_body([self._edge.answer(message) for message in messages])
            response = self._exchange("POST", party, path, body, repeat=messages[0].REPEATABLE)
            answers = answers_in(_accepted(response, party), len(messages), party)
        except Problem as problem:
            return [problem] * len(messages)
        come = [
            one if isinstance(one, Problem) else (one, message) for one, message in zip(answers, messages, strict=True)
        ]
        return each(lambda one: self._read(*one, reply), come)

    def _read(self, answer: Envelope, message: Message, reply: type[R]) -> Signed[R]:
        party = PartyId(message.audience)
        signed = self._edge.read(answer, reply, party)
        if signed.value.in_reply_to != message.message_id:
            raise Problem("message.replayed", f"{party} answered another message", expected=message.message_id)
        return signed

    def get(
        self, party: PartyId, path: str, params: Mapping[str, str | int] | None = None, timeout: float | None = None
    ) -> bytes:
        """Fetch a resource of a party. Raises Problem as send."""
        return _accepted(self._exchange("GET", party, path, params=params, timeout=timeout), party)

    def post(self, party: PartyId, path: str, body: bytes) -> Answered:
        """Post plain bytes, for protocols of others (the witness protocol); any status is returned."""
        return self._exchange("POST", party, path, content=body)

    def look(self, party: PartyId, path: str, timeout: float | None = None) -> Answered:
        """Fetch a resource; any status is returned. Raises Problem(peer.unreachable, message.too_large)."""
        return self._exchange("GET", party, path, timeout=timeout)

    def close(self) -> None:
        """Close all connections; another question would open a new one."""
        self._connections.close()

    def _exchange(
        self,
        method: str,
        party: PartyId,
        path: str,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
        repeat: bool = True,
    ) -> Answered:
        url = self._edge.directory.party(party).url
        if url is None:
            raise Problem("peer.unreachable", f"{party} is a client and runs no service")
        target = f"{path}?{urlencode(params)}" if params else path
        try:
            answered = self._connections.ask(
                party, url, method, target, content, self._timeout if timeout is None else timeout, repeat=repeat
            )
        except Unreached as unreached:
            advice = "Look whether it was done before you try again." if unreached.asked and not repeat else None
            raise Problem(
                "peer.unreachable", f"{party} ({unreached})", advice=advice or "Try again; nothing was changed here."
            ) from None
        if self._capture is not None:
            self._write_down(party, url, f"{method} {target}", path, content, answered)
        return answered

    def _write_down(
        self, party: PartyId, url: str, request: str, path: str, content: bytes | None, answered: Answered
    ) -> None:
        line = {"from": self._edge.party, "to": party, "url": url, "request": request, "path": path}
        sent: Sequence[str | None] = [None if content is None else content.decode()]
        received = [answered.text]
        if content is not None and is_many(content) and is_many(answered.content):
            sent, received = one_by_one(content), one_by_one(answered.content)
        assert self._capture is not None  # noqa: S101 - called only when capturing
        with open(self._capture, "a", opener=_for_owner) as file:
            for said, heard in zip(sent, received, strict=True):
                file.write(json.dumps({**line, "sent": said, "received": heard}) + "\n")


class Patient:
    """A client that waits longer: for messages about many persons, which take their time on a machine under load."""

    def __init__(self, client: PeerClient, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]:
        """As `PeerClient.send`."""
        return self._client.send(path, message, reply, self._seconds)


def _accepted(response: Answered, party: PartyId) -> bytes:
    if response.status_code >= 400:
        raise from_document(response.content, response.status_code, party)
    return response.content


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _capture_file(party: PartyId) -> Path | None:
    """For tests of what crosses the wire: with KUMIHIMO_CAPTURE set to a folder, every message is written down there.

    Never set it in operation: it defeats the encryption of the wire, and each process that does it says so in its log.
    """
    folder = os.environ.get(CAPTURE)
    if not folder:
        return None
    log.warning("capturing", party=party)
    return Path(folder) / f"{party.replace('/', '.')}.jsonl"
