"""Cursor feeds (配信): the one way in which a role tells others what happened, without a broker.

A producer appends to its outbox in the same transaction as the change itself; a consumer asks for everything after its
cursor, waits on the open request when there is nothing yet, and moves its cursor in the same transaction as the effect.
So nothing is lost or done twice when either side dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar

import structlog
from fastapi import FastAPI, Query
from sqlalchemy import Connection, Engine, Table

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import (
    FeedItem,
    count_feed,
    delete_feed,
    expire_feed,
    get_cursor,
    read_feed,
    set_cursor,
    waiting_in_feed,
)
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge, at_closing
from kumihimo.plumbing.wire.envelope import Document, Envelope, Part, parse_envelope
from kumihimo.plumbing.wire.routes import Peer, in_thread

PAGE = 500
WAIT_SECONDS = 5.0
GATHER_SECONDS = 0.05
TIDY_EVERY = timedelta(hours=1)
_AT_ONCE = 1_000  # items forgotten in one transaction, which others wait for
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


@dataclass(frozen=True)
class Asked:
    """From where and when a party last asked for its feed."""

    after: int
    at: datetime


class FeedDesk:
    """The producer's side: `GET /feed?after=N` for the party that asks, waiting up to five seconds for news.

    Items of the kinds in `forget` are deleted once they are at or before the asker's cursor: their content may not be kept.
    Those of the kinds in `retain` are deleted then only when they are older than that: an asker whose store was restored
    from a backup asks again from an earlier cursor, and must get again what it lost.
    `told` makes of the stored items what leaves, for items too dear to be written out when they are appended.

    When news comes while somebody waits, what follows within `GATHER_SECONDS`, or the seconds of `gather` for that party,
    leaves on the same page: under load a page for every item would cost both sides more than the items do.
    """

    def __init__(
        self,
        edge: Edge,
        engine: Engine,
        table: Table,
        forget: Iterable[str] = (),
        told: Callable[[Sequence[FeedItem]], Sequence[FeedItem]] = lambda items: items,
        retain: Mapping[str, timedelta] | None = None,
        gather: Mapping[PartyId, float] | None = None,
    ) -> None:
        self._edge = edge
        self._engine = engine
        self._table = table
        self._forget_kinds = frozenset(forget)
        self._told = told
        self._forgotten: dict[PartyId, int] = {}  # since this process began: up to where there is nothing to forget
        self._handed: dict[PartyId, int] = {}  # the last number handed out of what may not be kept
        self._waiting: dict[asyncio.Event, tuple[PartyId, asyncio.AbstractEventLoop]] = {}
        self._retain = dict(retain or {})
        self._gather = dict(gather or {})
        self._tidied: dict[PartyId, datetime] = {}
        self._asked: dict[PartyId, Asked] = {}
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

    def asked(self) -> dict[PartyId, Asked]:
        """Who has asked since the start, and from where."""
        return dict(self._asked)

    def waiting_after(self, audience: PartyId, after: int) -> int:
        """How many items the party has not asked past."""
        with self._engine.connect() as conn:
            return count_feed(conn, self._table, audience, after)

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
            return await in_thread(partial(self._page, peer, after, items))

    def _page(self, peer: PartyId, after: int, items: Sequence[FeedItem]) -> Envelope:
        entries = tuple(FeedEntry(seq=i.seq, kind=i.kind, at=i.at, body=i.body) for i in self._told(items))
        return self._edge.answer(FeedPage(source=self._edge.party, audience=peer, after=after, entries=entries))

    async def _next(self, peer: PartyId, after: int, limit: int, wait: float) -> list[FeedItem]:
        """What comes after the cursor, as soon as there is something, nothing once `wait` seconds have passed."""
        self._asked[peer] = Asked(after, self._edge.clock.now())
        if after and self._forget_kinds:
            await in_thread(partial(self._forget, peer, after))
        if after and self._retain:
            await in_thread(partial(self._tidy, peer, after))
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        deadline = loop.time() + wait
        with self._lock:
            self._waiting[event] = peer, loop
        try:
            while not (there := await in_thread(partial(self._waiting_for, peer, after, limit))):
                left = deadline - loop.time()
                if left <= 0 or self._closing:
                    return []
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), left)
                event.clear()  # before reading: what is appended from here on wakes us again
        finally:
            with self._lock:
                del self._waiting[event]
        left = min(self._gather.get(peer, GATHER_SECONDS), deadline - loop.time())
        if there < limit and left > 0 and not self._closing:
            await asyncio.sleep(left)
        return await in_thread(partial(self._read, peer, after, limit))

    def _waiting_for(self, peer: PartyId, after: int, limit: int) -> int:
        with self._engine.connect() as conn:
            return waiting_in_feed(conn, self._table, peer, after, limit)

    def _read(self, peer: PartyId, after: int, limit: int) -> list[FeedItem]:
        with self._engine.connect() as conn:
            items = read_feed(conn, self._table, peer, after, limit)
        handed = [item.seq for item in items if item.kind in self._forget_kinds]
        if handed:
            self._handed[peer] = max(handed)
        return items

    def _forget(self, peer: PartyId, after: int) -> None:
        forgotten = self._forgotten.get(peer, 0)
        if after > forgotten and (not forgotten or self._handed.get(peer, 0) > forgotten):
            with self._engine.begin() as conn:
                delete_feed(conn, self._table, peer, after, self._forget_kinds, forgotten)
            self._forgotten[peer] = after

    def _tidy(self, peer: PartyId, after: int) -> None:
        """Forget what has been kept long enough, once an hour for each asker."""
        now = self._edge.clock.now()
        with self._lock:
            last = self._tidied.get(peer)
            if last is not None and now - last < TIDY_EVERY:
                return
            self._tidied[peer] = now
        for kind, kept_for in self._retain.items():
            forgotten = _AT_ONCE
            while forgotten == _AT_ONCE:
                with self._engine.begin() as conn:
                    forgotten = expire_feed(conn, self._table, peer, after, kind, now - kept_for, _AT_ONCE)


class FeedReader(Background):
    """The consumer's side: a thread that applies every item once, in order, with its cursor in the same transaction.

    `apply(conn, item)` runs inside that transaction. A peer that cannot be reached is tried again with growing pauses up to
    five seconds; an item that cannot be applied stops the feed loudly at that item rather than skipping it. `pulled_at` is
    when a page was last read and applied whole.
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
        self.source = source
        self.pulled_at: datetime | None = None
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
                log.warning("feed.waiting", source=self.source, code=problem.code)
                self._stopping.wait(pause)
                pause = min(pause * 2, 5.0)
            except Exception:
                log.exception("feed.failed", source=self.source)
                self._stopping.wait(pause)
                pause = min(pause * 2, 5.0)

    def position(self) -> int:
        """The number of the last item that was applied."""
        with self._engine.connect() as conn:
            return get_cursor(conn, self._cursors, self.source)

    def pull(self, wait: float = 0.0) -> int:
        """Fetch and apply one page; the number of items applied. Raises Problem."""
        page = self._page(PAGE, wait)
        if page.entries:
            self._take(page.entries)
        self.pulled_at = self._edge.clock.now()
        return len(page.entries)

    def is_level(self) -> bool:
        """Whether everything that the source had for us when it was asked has been applied. Raises Problem."""
        return not self._page(1, 0.0).entries

    def _page(self, limit: int, wait: float) -> FeedPage:
        after = self.position()
        params: dict[str, str | int] = {"after": after, "limit": limit, "wait": str(wait)}
        body = self._client.get(self.source, "/feed", params, timeout=wait + 10.0)
        page = self._edge.read(parse_envelope(body), FeedPage, self.source).value
        if page.audience != self._edge.party or page.after != after:
            raise Problem("message.replayed", f"a page of {page.audience} after {page.after}", where=self.source)
        return page

    def _take(self, entries: Sequence[FeedEntry]) -> None:
        """Apply items and move the cursor in one transaction; those before an item that cannot be applied are kept."""
        applied = 0
        try:
            with self._engine.begin() as conn:
                for entry in entries:
                    self._apply(conn, FeedItem(entry.seq, entry.kind, entry.body, entry.at))
                    applied += 1
                set_cursor(conn, self._cursors, self.source, entries[-1].seq)
        except Exception:
            if applied < len(entries):
                log.error("feed.stopped", source=self.source, index=entries[applied].seq, kind=entries[applied].kind)
                if applied:
                    self._take(entries[:applied])
            raise
        self._after_commit()
