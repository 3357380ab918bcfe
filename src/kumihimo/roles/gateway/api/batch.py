"""Edges for batches (一括照会): the desk enters, watches and fetches them; other exchanges ask for chunks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import structlog
from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import Background, Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.batch import ChunkProvisionRequest
from kumihimo.plumbing.wire.messages.batch_desk import (
    BatchEntered,
    BatchPart,
    BatchResumed,
    EnterBatch,
    FetchBatch,
    ResumeBatch,
    ShowBatches,
)
from kumihimo.plumbing.wire.messages.batch_desk import (
    Batches as BatchList,
)
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.roles.gateway.service.batch import Batches
from kumihimo.roles.gateway.service.batch_results import BatchResults
from kumihimo.roles.gateway.service.chunk_provision import ChunkProvision, chunk_answer_to
from kumihimo.roles.gateway.store.batches import BatchStore

# Enough that requester, operators and provider all have one in work; each costs its memory at every party.
CHUNKS_AT_ONCE: Final = 3
_PAUSE_SECONDS: Final = 5.0
log = structlog.get_logger()


class BatchWorker(Background):
    """Threads that ask what waits: at once when a batch was entered, otherwise after a look every few seconds."""

    def __init__(self, store: BatchStore, asking: Callable[[str], None]) -> None:
        self._store = store
        self._ask = asking
        self._wake = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._free = threading.Semaphore(CHUNKS_AT_ONCE)
        self._under_way: set[str] = set()
        self._failed: set[str] = set()  # not again before the next look
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._pool = ThreadPoolExecutor(CHUNKS_AT_ONCE, thread_name_prefix="batch")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more; what is under way is finished, or found again at the next start."""
        self._stopping = True
        self._wake.set()
        self._pool.shutdown(cancel_futures=True)

    def wake(self) -> None:
        """Something is to be asked."""
        self._wake.set()

    def work_off(self) -> int:
        """Ask what waits, in this thread; how many chunks."""
        waiting = self._store.unasked()
        for transaction in waiting:
            self._ask(transaction)
        return len(waiting)

    def _run(self) -> None:
        while not self._stopping:
            try:
                begun = self._begin()
            except Exception:
                log.exception("batches.stopped")
                begun = 0
            if not begun:
                self._wake.wait(_PAUSE_SECONDS)
                self._wake.clear()
                with self._lock:
                    self._failed.clear()

    def _begin(self) -> int:
        """Hand out what nobody works on; how many."""
        with self._lock:
            waiting = [one for one in self._store.unasked() if one not in self._under_way | self._failed]
        for transaction in waiting:
            self._free.acquire()
            if self._stopping:
                return 0
            with self._lock:
                self._under_way.add(transaction)
            self._pool.submit(self._one, transaction)
        return len(waiting)

    def _one(self, transaction: str) -> None:
        try:
            self._ask(transaction)
        except Exception:
            # It stays as it was written down, and is taken up again.
            log.exception("chunk.stopped", transaction=transaction)
            with self._lock:
                self._failed.add(transaction)
        finally:
            with self._lock:
                self._under_way.discard(transaction)
            self._free.release()


def mount_batches(
    app: FastAPI, edge: Edge, batches: Batches, results: BatchResults, own_desk: Callable[[PartyId], bool]
) -> None:
    """Add the routes for the own desk."""

    @app.post("/batches")
    def enter(envelope: Envelope, peer: Peer) -> Envelope:
        """EnterBatch → BatchEntered."""
        message = edge.open(envelope, EnterBatch, peer, own_desk).value
        done = batches.enter(message)
        return edge.answer(
            BatchEntered(in_reply_to=message.message_id, batch=done.batch, persons=done.persons, rejected=done.rejected)
        )

    @app.post("/batches/shown")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowBatches → Batches."""
        message = edge.open(envelope, ShowBatches, peer, own_desk).value
        shown = batches.shown(message.batch, message.schedule)
        return edge.answer(BatchList(in_reply_to=message.message_id, batches=shown))

    @app.post("/batches/resumed")
    def resume(envelope: Envelope, peer: Peer) -> Envelope:
        """ResumeBatch → BatchResumed."""
        message = edge.open(envelope, ResumeBatch, peer, own_desk).value
        persons = batches.resume(message.staff, message.batch)
        return edge.answer(BatchResumed(in_reply_to=message.message_id, batch=message.batch, persons=persons))

    @app.post("/batches/fetched")
    def fetch(envelope: Envelope, peer: Peer) -> Envelope:
        """FetchBatch → BatchPart."""
        message = edge.open(envelope, FetchBatch, peer, own_desk).value
        found, parts = results.part(message.staff, message.batch, message.part)
        return edge.answer(
            BatchPart(
                in_reply_to=message.message_id, batch=message.batch, part=message.part, parts=parts, results=found
            )
        )


def mount_chunk_provision(
    app: FastAPI, edge: Edge, provision: ChunkProvision, another_exchange: Callable[[PartyId], bool]
) -> None:
    """Add the route where other exchanges show the permit of a chunk."""
    in_turn = ThreadPoolExecutor(CHUNKS_AT_ONCE, thread_name_prefix="chunk")  # so that single inquiries find threads

    @app.post("/provisions-of-chunks")
    async def provide(envelope: Envelope, peer: Peer) -> Envelope:
        """ChunkProvisionRequest → ChunkAnswer."""
        return await in_thread(partial(answer, envelope, peer), in_turn)

    def answer(envelope: Envelope, peer: Peer) -> Envelope:
        signed = edge.open(envelope, ChunkProvisionRequest, peer, another_exchange)
        return edge.answer(chunk_answer_to(signed.value, provision.provide(signed, peer)))
