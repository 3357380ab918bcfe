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

from kumihimo.plumbing.wire.envelope import Envelope, parse_envelope
from kumihimo.plumbing.wire.meters import Meters
from kumihimo.plumbing.wire.routes import Body, Peer, in_thread, peer_in
from kumihimo.plumbing.wire.tls import LINE

JSON: Final = "application/json"
_JSON_HEADERS: Final = (b"content-type", JSON.encode())
_READERS: Final[dict[Any, Callable[[bytes], Any]]] = {Envelope: parse_envelope, Body: lambda body: body}

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
    """An endpoint `(envelope or body, peer) → Envelope`."""

    endpoint: Callable[[Any, Any], Any]
    read: Callable[[bytes], Any]
    waits: bool  # it is a coroutine

    def work(self, body: bytes, peer: Any) -> bytes:
        answer: Envelope = self.endpoint(self.read(body), peer)
        return answer.model_dump_json().encode()

    async def answer(self, body: bytes, peer: Any) -> bytes:
        if not self.waits:
            return await in_thread(partial(self.work, body, peer))
        answer: Envelope = await self.endpoint(self.read(body), peer)
        return answer.model_dump_json().encode()


def _desk_of(endpoint: Callable[..., Any]) -> _Desk | None:
    """What serves messages by this endpoint; None where it has another form."""
    hints = get_type_hints(endpoint, include_extras=True)
    answers = hints.pop("return", None)
    names = list(inspect.signature(endpoint).parameters)
    if answers is not Envelope or len(names) != 2 or hints.get(names[1]) != Peer or hints[names[0]] not in _READERS:
        return None
    return _Desk(endpoint, _READERS[hints[names[0]]], inspect.iscoroutinefunction(endpoint))


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
        begun, status = time.perf_counter(), 500
        try:
            try:
                answer = await self._answer(scope, receive)
                status = 200
            except Exception as error:
                refusal = self._refuse(self._app, error)
                status = refusal.status_code
                await refusal(scope, receive, send)
            else:
                await _send(scope, send, answer)
        finally:
            self._meters.answered(self._path, "POST", status, time.perf_counter() - begun)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        body = await self._read_body(scope, receive)
        if self._desk.read is parse_envelope and _media(scope) != JSON:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        peer = peer_in(scope)  # before anything is read: who may not speak is not listened to
        return await self._desk.answer(body, peer)


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
