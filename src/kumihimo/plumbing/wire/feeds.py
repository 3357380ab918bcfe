"""Cursor feeds (配信): the one way in which a role tells others what happened, without a broker.

A producer appends to its outbox in the same transaction as the change itself; a consumer asks for everything after its
cursor, waits on the open request when there is nothing yet, and moves its cursor in the same transaction as the effect.
So nothing is lost or done twice when either side dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar

import structlog
from fastapi import FastAPI, Query
from sqlalchemy import Connection, Engine, Table
from starlette.concurrency import run_in_threadpool

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import FeedItem, delete_feed, get_cursor, read_feed, set_cursor
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge, Peer
from kumihimo.plumbing.wire.envelope import Document, Envelope, Part, parse_envelope

PAGE = 500
WAIT_SECONDS = 5.0
log = structlog.get_logger()


class FeedEntry(Part):
    """One item as it travels."""

    seq: int
    kind: str
    at: datetime
    body: dict[str, Any]


class FeedPage(Document):
    """A page of one party's feed, signed by the producer."""

    KIND: ClassVar[str] = "feed-page.v1"
    source: str
    audience: str
    after: int
    entries: tuple[FeedEntry, ...]


class FeedDesk:
    """The producer's side: `GET /feed?after=N` for the party that asks, waiting up to five seconds for news.

    With `forget`, items at or before the asker's cursor are deleted: for feeds whose content may not be kept.
    """

    def __init__(self, edge: Edge, engine: Engine, table: Table, forget: Iterable[str] = ()) -> None:
        self._edge = edge
        self._engine = engine
        self._table = table
        self._forget_kinds = frozenset(forget)
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def notify(self) -> None:
        """Wake those who wait; call it after the commit that appended."""
        with self._lock:
            waiting = list(self._waiting.items())
        for event, loop in waiting:
            loop.call_soon_threadsafe(event.set)

    def mount(self, app: FastAPI) -> None:
        """Add the route."""

        @app.get("/feed")
        async def feed(
            peer: Peer,
            after: Annotated[int, Query(ge=0)] = 0,
            limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
            wait: Annotated[float, Query(ge=0, le=30)] = 0,
        ) -> Envelope:
            """The asking party's items after its cursor."""
            event = asyncio.Event()
            with self._lock:
                self._waiting[event] = asyncio.get_running_loop()
            try:
                items = await run_in_threadpool(self._read, peer, after, limit)
                if not items and wait > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(event.wait(), wait)
                    items = await run_in_threadpool(self._read, peer, after, limit)
            finally:
                with self._lock:
                    del self._waiting[event]
            entries = tuple(FeedEntry(seq=i.seq, kind=i.kind, at=i.at, body=i.body) for i in items)
            page = FeedPage(source=self._edge.party, audience=peer, after=after, entries=entries)
            return await run_in_threadpool(self._edge.answer, page)

    def _read(self, peer: PartyId, after: int, limit: int) -> list[FeedItem]:
        with self._engine.begin() as conn:
            if after and self._forget_kinds:
                delete_feed(conn, self._table, peer, after)
            return read_feed(conn, self._table, peer, after, limit)


class FeedReader(Background):
    """The consumer's side: a thread that applies every item once, in order, with its cursor in the same transaction.

    `apply(conn, item)` runs inside that transaction. A peer that cannot be reached is tried again with growing pauses up to
    five seconds; an item that cannot be applied stops the feed loudly at that item rather than skipping it.
    """

    def __init__(
        self,
        client: PeerClient,
        edge: Edge,
        source: PartyId,
        engine: Engine,
        cursors: Table,
        apply: Callable[[Connection, FeedItem], None],
        after_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._edge = edge
        self._source = source
        self._engine = engine
        self._cursors = cursors
        self._apply = apply
        self._after_commit = after_commit
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed {source}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        pause = 0.05
        while not self._stopping.is_set():
            try:
                self.pull(WAIT_SECONDS)
                pause = 0.05
            except Problem as problem:
                log.warning("feed.waiting", source=self._source, code=problem.code)
                self._stopping.wait(pause)
                pause = min(pause * 2, 5.0)
            except Exception:
                log.exception("feed.stopped", source=self._source)
                self._stopping.wait(pause)
                pause = min(pause * 2, 5.0)

    def pull(self, wait: float = 0.0) -> int:
        """Fetch and apply one page; the number of items applied. Raises Problem."""
        with self._engine.connect() as conn:
            after = get_cursor(conn, self._cursors, self._source)
        body = self._client.get(
            self._source, "/feed", {"after": after, "limit": PAGE, "wait": str(wait)}, timeout=wait + 10.0
        )
        page = self._edge.read(parse_envelope(body), FeedPage, self._source).value
        if page.audience != self._edge.party or page.after != after:
            raise Problem("message.replayed", f"a page of {page.audience} after {page.after}", where=self._source)
        if not page.entries:
            return 0
        with self._engine.begin() as conn:
            for entry in page.entries:
                self._apply(conn, FeedItem(entry.seq, entry.kind, entry.body, entry.at))
            set_cursor(conn, self._cursors, self._source, page.entries[-1].seq)
        self._after_commit()
        return len(page.entries)
