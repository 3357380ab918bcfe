"""Cursor feeds (配信): the one way in which a role tells others what happened, without a broker.

A producer appends to its outbox in the same transaction as the change itself; a consumer asks for everything after its
cursor, waits on the open request when there is nothing yet, and moves its cursor in the same transaction as the effect.
So nothing is lost or done twice when either side dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
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
from kumihimo.plumbing.wire.edge import Background, Edge, Peer, at_closing
from kumihimo.plumbing.wire.envelope import Document, Envelope, Part, parse_envelope

PAGE = 500
WAIT_SECONDS = 5.0
GATHER_SECONDS = 0.05
_LAST = 2**63 - 1  # the largest number a feed can give out
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

    Items of the kinds in `forget` are deleted once they are at or before the asker's cursor: their content may not be kept.
    `told` makes of the stored items what leaves, for items too dear to be written out when they are appended.

    When news comes while somebody waits, what follows within `GATHER_SECONDS` leaves on the same page: under load a page
    for every item would cost both sides more than the items do.
    """

    def __init__(
        self,
        edge: Edge,
        engine: Engine,
        table: Table,
        forget: Iterable[str] = (),
        told: Callable[[Sequence[FeedItem]], Sequence[FeedItem]] = lambda items: items,
    ) -> None:
        self._edge = edge
        self._engine = engine
        self._table = table
        self._forget_kinds = frozenset(forget)
        self._told = told
        self._forgotten: dict[PartyId, int] = {}  # since this process began: up to where there is nothing to forget
        self._waiting: dict[asyncio.Event, tuple[PartyId, asyncio.AbstractEventLoop]] = {}
        self._lock = threading.Lock()
        self._closing = False

    def close(self) -> None:
        """Answer those who wait, and let nobody wait any more: the server is about to stop."""
        self._closing = True
        self.notify()

    def notify(self, *audiences: PartyId) -> None:
        """Wake those who wait; call it after the commit that appended.

        Where it is known whom the items are for, say so: dozens wait at the hub, and each that wakes reads the feed.
        """
        with self._lock:
            waiting = list(self._waiting.items())
        for event, (party, loop) in waiting:
            if not audiences or party in audiences:
                loop.call_soon_threadsafe(event.set)

    def mount(self, app: FastAPI) -> None:
        """Add the route."""
        at_closing(app, self.close)

        @app.get("/feed")
        async def feed(
            peer: Peer,
            after: Annotated[int, Query(ge=0, le=_LAST)] = 0,
            limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
            wait: Annotated[float, Query(ge=0, le=30)] = 0,
        ) -> Envelope:
            """The asking party's items after its cursor."""
            self._edge.directory.party(peer)  # a certificate outlives its party's place in the directory
            items = await self._next(peer, after, limit, wait)
            return await run_in_threadpool(self._page, peer, after, items)

    def _page(self, peer: PartyId, after: int, items: Sequence[FeedItem]) -> Envelope:
        entries = tuple(FeedEntry(seq=i.seq, kind=i.kind, at=i.at, body=i.body) for i in self._told(items))
        return self._edge.answer(FeedPage(source=self._edge.party, audience=peer, after=after, entries=entries))

    async def _next(self, peer: PartyId, after: int, limit: int, wait: float) -> list[FeedItem]:
        """What comes after the cursor, as soon as there is something, nothing once `wait` seconds have passed."""
        if after and self._forget_kinds:
            await run_in_threadpool(self._forget, peer, after)
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        deadline = loop.time() + wait
        with self._lock:
            self._waiting[event] = peer, loop
        try:
            while not (items := await run_in_threadpool(self._read, peer, after, limit)):
                left = deadline - loop.time()
                if left <= 0 or self._closing:
                    return []
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), left)
                event.clear()  # before reading: what is appended from here on wakes us again
        finally:
            with self._lock:
                del self._waiting[event]
        left = min(GATHER_SECONDS, deadline - loop.time())
        if len(items) < limit and left > 0 and not self._closing:
            await asyncio.sleep(left)
            items = await run_in_threadpool(self._read, peer, after, limit)
        return items

    def _read(self, peer: PartyId, after: int, limit: int) -> list[FeedItem]:
        with self._engine.connect() as conn:
            return read_feed(conn, self._table, peer, after, limit)

    def _forget(self, peer: PartyId, after: int) -> None:
        forgotten = self._forgotten.get(peer, 0)
        if after > forgotten:
            with self._engine.begin() as conn:
                delete_feed(conn, self._table, peer, after, self._forget_kinds, forgotten)
            self._forgotten[peer] = after


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
                log.exception("feed.failed", source=self._source)
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
        self._take(page.entries)
        return len(page.entries)

    def _take(self, entries: Sequence[FeedEntry]) -> None:
        """Apply items and move the cursor in one transaction; those before an item that cannot be applied are kept."""
        applied = 0
        try:
            with self._engine.begin() as conn:
                for entry in entries:
                    self._apply(conn, FeedItem(entry.seq, entry.kind, entry.body, entry.at))
                    applied += 1
                set_cursor(conn, self._cursors, self._source, entries[-1].seq)
        except Exception:
            if applied < len(entries):
                log.error("feed.stopped", source=self._source, index=entries[applied].seq, kind=entries[applied].kind)
                if applied:
                    self._take(entries[:applied])
            raise
        self._after_commit()
