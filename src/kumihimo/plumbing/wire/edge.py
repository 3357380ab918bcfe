"""The HTTP edge of a role: one place where messages are opened, answers signed and problems turned into documents.

A role's `api.py` builds its application with `application()`, opens every message with `Edge.open` and answers with
`Edge.answer`; it never parses, verifies or formats by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import store_problem
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.door import Application
from kumihimo.plumbing.wire.envelope import (
    Document,
    Envelope,
    Message,
    Signed,
    addressed,
    open_envelope,
    open_message,
    seal_envelope,
)
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.meters import Measured, Meters
from kumihimo.plumbing.wire.problem import MEDIA_TYPE, to_document
from kumihimo.plumbing.wire.tls import LINE

MAX_BODY = 8 * 1024 * 1024
THREADS: Final = 40
BODY_SECONDS = 60.0
log = structlog.get_logger()

M = TypeVar("M", bound=Message)
D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Edge:
    """Who we are, whom we know, and what time it is: everything a role needs to speak on the wire."""

    identity: Identity
    directory: Directory
    clock: Clock

    @property
    def party(self) -> PartyId:
        return self.identity.party

    def open(self, envelope: Envelope, kind: type[M], peer: PartyId, allowed: Callable[[PartyId], bool]) -> Signed[M]:
        """Open a message that the TLS peer itself signed and that is addressed to us.

        `allowed` decides which peers may send this kind. Raises Problem (peer.not_allowed, and those of open_message).
        """
        if not allowed(peer):
            raise Problem("peer.not_allowed", f"{peer} may not send {kind.KIND} to {self.party}")
        return open_message(envelope, kind, self.directory, sender=peer, me=self.party, clock=self.clock)

    def read(self, envelope: Envelope, kind: type[D], *signers: PartyId) -> Signed[D]:
        """Verify a document that somebody else passed on. Raises Problem (as open_envelope)."""
        return open_envelope(envelope, kind, self.directory, *signers)

    def answer(self, document: Document) -> Envelope:
        """Sign a document as ourselves."""
        return seal_envelope(document, self.identity)

    def message(self, kind: type[M], audience: PartyId, **fields: Any) -> M:
        """A new message from us to `audience`, dated now."""
        return addressed(kind, audience, self.clock, **fields)


class BodyLimit:
    """Refuses bodies above `MAX_BODY` bytes before they are read into memory, and those not there after `BODY_SECONDS`.

    FastAPI's own limit would answer a declared length with plain text instead of a problem document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declares_too_much(scope):
            await _answer(scope["app"], _too_large())(scope, receive, send)
        else:
            await self._app(scope, _limited(receive), send)


async def whole_body(scope: Scope, receive: Receive) -> bytes:
    """The body of a request, limited as by `BodyLimit`. Raises HTTPException (400 where the caller went away meanwhile)."""
    line = scope.get("extensions", {}).get(LINE)
    there = line.body() if line is not None else None
    if there is not None and len(there) <= MAX_BODY:
        return cast(bytes, there)
    if _declares_too_much(scope):
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    limited, parts, more = _limited(receive), [], True
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _declares_too_much(scope: Scope) -> bool:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return declared.isdigit() and int(declared) > MAX_BODY


def _limited(receive: Receive) -> Receive:
    seen, whole = 0, False
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def counted() -> Any:
        nonlocal seen, whole
        if whole:  # what still comes is that the caller has gone, whenever that is
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        seen += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if seen > MAX_BODY:
            # FastAPI passes on an HTTPException of a body being read and makes anything else a "bad request".
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return counted


def _too_slow() -> Problem:
    return Problem(
        "message.too_slow", f"not there after {BODY_SECONDS:.0f} s", advice="Look at the line, and send again."
    )


def _too_large() -> Problem:
    return Problem("message.too_large", f"more than {MAX_BODY} bytes", advice="Send smaller batches.")


def problem_response(problem: Problem) -> Response:
    """The HTTP answer for a problem."""
    return JSONResponse(to_document(problem), status_code=problem.status, media_type=MEDIA_TYPE)


def _answer(app: FastAPI, problem: Problem) -> Response:
    meters: Meters = app.state.meters
    meters.problem(problem.code)
    return problem_response(problem)


def _on_error(request: Request, error: Exception) -> Response:
    return _refused(request.app, error)


def _refused(app: FastAPI, error: Exception) -> Response:
    """The answer for whatever went wrong."""
    problem = store_problem(error) if isinstance(error, SQLAlchemyError) else None
    if problem is not None:
        log.error("store", code=problem.code, exc_info=error)
        return _answer(app, problem)
    if isinstance(error, Problem):
        log.info("problem", code=error.code)
        return _answer(app, error)
    if isinstance(error, RequestValidationError):
        return _answer(app, _malformed(error))
    if isinstance(error, HTTPException):
        return _of_http(app, error)
    log.error("internal", kind=type(error).__name__, exc_info=error)
    return _answer(app, Problem("internal", type(error).__name__, advice="See the log of this role."))


def _malformed(error: RequestValidationError) -> Problem:
    faults = error.errors()
    where = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
    if any("signatures" in fault["loc"] for fault in faults):
        return Problem("message.unsigned", "an envelope without signatures", where=where)
    return Problem("message.malformed", "request", where=where, expected="a DSSE envelope")


def _of_http(app: FastAPI, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _answer(app, _too_large())
    if error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        return _answer(app, _too_slow())
    if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's word for a body that no JSON reader can take
        return _answer(app, Problem("message.malformed", "not JSON", where="body", expected="a DSSE envelope"))
    body = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    return Response(json.dumps(body), status_code=error.status_code, media_type=MEDIA_TYPE)


class Background:
    """Something that runs beside the requests: a feed reader, a sequencer. Started and stopped with the application."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def application(title: str, background: Iterable[Background] = (), threads: int = THREADS) -> FastAPI:
    """A FastAPI application with problem documents, the body limit, meters, `/health`, and background work by life span.

    Endpoints that are plain functions, and all others that need a thread, share `threads` of them.
    """
    works = list(background)

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        with contextlib.ExitStack() as begun:
            pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
            asyncio.get_running_loop().set_default_executor(pool)
            begun.callback(pool.shutdown, wait=False, cancel_futures=True)
            for work in works:
                try:
                    work.start()
                except Exception:
                    log.exception("background", kind=type(work).__name__)  # the server would tell without saying why
                    raise
                begun.callback(work.stop)
            yield

    app = Application(read_body=whole_body, refuse=_refused, title=title, lifespan=life, docs_url=None, redoc_url=None)
    app.state.edge = None
    app.state.closings = []
    app.state.works = works  # what is common to all services is added to it later
    app.state.needed = set()
    app.state.meters = Meters()
    app.add_middleware(BodyLimit)
    app.add_middleware(Measured, meters=app.state.meters)  # the outermost: it counts what the limit refuses, too
    for kind in (Problem, RequestValidationError, HTTPException, SQLAlchemyError, Exception):
        app.add_exception_handler(kind, _on_error)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Alive: the process answers."""
        return {"role": title, "state": "up"}

    return app


def at_closing(app: FastAPI, close: Callable[[], None]) -> None:
    """Have something called when the server begins to stop, while requests are still being answered."""
    app.state.closings.append(close)


def needed_at_the_end(app: FastAPI, *paths: str) -> None:
    """Go on answering these while what was begun is finished: a peer needs them to give the answer that we wait for."""
    app.state.needed.update(paths)


def close(app: FastAPI) -> None:
    """Call what was registered with `at_closing`."""
    for registered in app.state.closings:
        registered()
