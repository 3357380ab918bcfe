"""The door for messages (電文の窓口): from the bytes of an envelope to the signed answer without detours.

FastAPI reads the declarations, and its OpenAPI document tells them. For an endpoint that takes an envelope, or its bytes,
from a peer and answers with an envelope, what happens is the same each time: the body is read, the peer is looked up, the
envelope is opened, the endpoint works in one thread, its answer leaves as it is. All layers of an application in between,
resolving dependencies and validating the answer again would cost more than the message does. Whatever else is asked, or
asked in another way, goes through FastAPI.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, get_type_hints

from fastapi import FastAPI
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Envelope, parse_envelope
from kumihimo.plumbing.wire.meters import Meters
from kumihimo.plumbing.wire.routes import Body, Peer, in_thread, peer_in
from kumihimo.plumbing.wire.tls import LINE
from kumihimo.plumbing.wire.together import Answered, Envelopes, answers_in_one_body, is_many, parse_envelopes

JSON: Final = "application/json"
_JSON_HEADERS: Final = (b"content-type", JSON.encode())
_READERS: Final[dict[Any, Callable[[bytes], Any]]] = {
    Envelope: parse_envelope,
    Envelopes: parse_envelopes,
    Body: lambda body: body,
}

ReadBody = Callable[[Scope, Receive], Awaitable[bytes]]
Refuse = Callable[[FastAPI, Exception], Response]


class Application(FastAPI):
    """FastAPI with a door for messages. `read_body` reads a body within its limits, `refuse` makes errors documents."""

    def __init__(self, *, read_body: ReadBody, refuse: Refuse, **options: Any) -> None:
        super().__init__(**options)
        self._read_body = read_body
        self._refuse = refuse
        self._doors: dict[str, _Door] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            if self._doors is None:  # all routes are there by now
                self._doors = dict(self._found())
            door = self._doors.get(scope["path"])
            if door is not None:
                scope["app"] = self
                await door(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _found(self) -> list[tuple[str, _Door]]:
        found = []
        for route in reversed(self.routes):  # the first of two for the same path is the one that serves
            if isinstance(route, APIRoute) and "POST" in (route.methods or ()):
                desk = _desk_of(route.endpoint)
                if desk is not None:
                    found.append((route.path, _Door(self, route.path, desk, self._read_body, self._refuse)))
        return found


@dataclass(frozen=True)
class _Desk:
    """An endpoint `(envelope, envelopes or body, peer) → Envelope`, or `→ list[Answered]` for each that came together."""

    endpoint: Callable[[Any, Any], Any]
    read: Callable[[bytes], Any]
    waits: bool  # it is a coroutine

    async def answers(self, body: bytes, peer: Any) -> list[bytes | Problem]:
        if self.waits:
            return _written(await self.endpoint(self.read(body), peer))
        return await in_thread(partial(self._work, body, peer))

    def _work(self, body: bytes, peer: Any) -> list[bytes | Problem]:
        return _written(self.endpoint(self.read(body), peer))


def _written(answers: Envelope | list[Answered]) -> list[bytes | Problem]:
    each = answers if isinstance(answers, list) else [answers]
    return [one if isinstance(one, Problem) else one.model_dump_json().encode() for one in each]


def _desk_of(endpoint: Callable[..., Any]) -> _Desk | None:
    """What serves messages by this endpoint; None where it has another form."""
    hints = get_type_hints(endpoint, include_extras=True)
    answers = hints.pop("return", None)
    names = list(inspect.signature(endpoint).parameters)
    if answers not in (Envelope, list[Answered]) or len(names) != 2 or hints.get(names[1]) != Peer:
        return None
    read = _READERS.get(hints[names[0]])
    return None if read is None else _Desk(endpoint, read, inspect.iscoroutinefunction(endpoint))


class _Door:
    """Serves the messages for one path."""

    def __init__(self, app: FastAPI, path: str, desk: _Desk, read_body: ReadBody, refuse: Refuse) -> None:
        self._app = app
        self._path = path
        self._desk = desk
        self._read_body = read_body
        self._refuse = refuse
        self._meters: Meters = app.state.meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, statuses = time.perf_counter(), [500]
        try:
            try:
                content, statuses = await self._answer(scope, receive)
            except Exception as error:
                refusal = self._refuse(self._app, error)
                statuses = [refusal.status_code]
                await refusal(scope, receive, send)
            else:
                await _send(scope, send, content)
        finally:
            seconds = time.perf_counter() - begun
            for status in statuses:
                self._meters.answered(self._path, "POST", status, seconds)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[bytes, list[int]]:
        """The answer to what came, and the status of each message in it. Raises what was wrong with a single one."""
        body = await self._read_body(scope, receive)
        if self._desk.read is not _READERS[Body] and _media(scope) != JSON:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        peer = peer_in(scope)  # before anything is read: who may not speak is not listened to
        answers = await self._desk.answers(body, peer)
        if not is_many(body):
            (answer,) = answers
            if isinstance(answer, Problem):
                raise answer
            return answer, [200]
        texts, statuses = [], []
        for answer in answers:
            text, status = (answer, 200) if isinstance(answer, bytes) else self._document(answer)
            texts.append(text)
            statuses.append(status)
        return answers_in_one_body(texts), statuses

    def _document(self, problem: Problem) -> tuple[bytes, int]:
        refusal = self._refuse(self._app, problem)
        return bytes(refusal.body), refusal.status_code


def _media(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return str(value.partition(b";")[0].strip().lower().decode("latin-1"))
    return ""


async def _send(scope: Scope, send: Send, content: bytes) -> None:
    headers = [_JSON_HEADERS, (b"content-length", b"%d" % len(content))]
    line = scope.get("extensions", {}).get(LINE)
    if line is not None:
        await line.answer(headers, content)
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
