"""Routes for messages (電文の窓口): from the bytes of an envelope to the signed answer without detours.

FastAPI reads the declarations, and its OpenAPI document tells them. For an endpoint that takes an envelope, or its bytes,
from a peer and answers with an envelope, what happens is the same each time: the body is read, the envelope is opened, the
endpoint works in one thread, its answer leaves as it is. Resolving dependencies and validating the answer again, as for
any endpoint, would cost three times what the message does.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar, get_type_hints

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import Envelope, parse_envelope
from kumihimo.plumbing.wire.tls import PEER

JSON: Final = "application/json"
T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def peer_of(request: Request) -> PartyId:
    """The party at the other end of the connection. Raises Problem(peer.unknown).

    Not in a thread, as a plain function would be: all threads may be waiting for a party that waits for an answer of ours.
    """
    party: PartyId | None = request.scope.get("extensions", {}).get(PEER)
    if party is None:
        raise Problem("peer.unknown", "no certificate of a party", expected="mutual TLS with a party's certificate")
    return party


async def _whole_body(request: Request) -> bytes:
    return await request.body()


Peer = Annotated[PartyId, Depends(peer_of)]
# For messages whose rejection must be logged: the desk parses them itself, so that nothing is refused before it.
Body = Annotated[bytes, Depends(_whole_body)]

_READERS: Final[dict[Any, Callable[[bytes], Any]]] = {Envelope: parse_envelope, Body: lambda body: body}


async def in_thread(work: Callable[[], T], pool: Executor | None = None) -> T:
    """Do something in a thread: one of `pool`, or of those that all plain requests of the application share."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


class MessageRoute(APIRoute):
    """A route that takes the short way where its endpoint is one for messages; any other is served as FastAPI does."""

    def get_route_handler(self) -> Handler:
        """What answers a request."""
        return _for_messages(self.endpoint) or super().get_route_handler()


def _for_messages(endpoint: Callable[..., Any]) -> Handler | None:
    """The handler of an endpoint `(envelope or body, peer) → Envelope`; None for one of another form."""
    hints = get_type_hints(endpoint, include_extras=True)
    answers = hints.pop("return", None)
    names = list(inspect.signature(endpoint).parameters)
    if answers is not Envelope or len(names) != 2 or hints.get(names[1]) != Peer or hints[names[0]] not in _READERS:
        return None
    read = _READERS[hints[names[0]]]
    waits = inspect.iscoroutinefunction(endpoint)

    async def handle(request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await request.body()
        if content_type != JSON and read is parse_envelope:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        message, peer = read(body), await peer_of(request)
        if waits:
            answer: Envelope = await _awaited(endpoint(message, peer))
        else:
            answer = await in_thread(partial(endpoint, message, peer))
        return Response(answer.model_dump_json(), media_type=JSON)

    return handle


async def _awaited(answer: Awaitable[Envelope]) -> Envelope:
    return await answer
