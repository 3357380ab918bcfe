"""The life of an exchange (中間サーバーの始動と停止): its start and end, and the thread that empties the outbox."""

from __future__ import annotations

import threading
from concurrent.futures import Executor

import structlog
from sqlalchemy import Engine

from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background
from kumihimo.plumbing.wire.messages.provision import REPORTS
from kumihimo.roles.gateway.service.chunk_reports import ChunkOutcomes
from kumihimo.roles.gateway.service.inquiry import Inquiry
from kumihimo.roles.gateway.service.outcomes import Outcomes
from kumihimo.roles.gateway.store.commits import Together

_GATHER_SECONDS = 0.25  # nobody waits for a report; a message of its own for each would cost more than the report
_PAUSE_SECONDS = 1.0
_LAST_WORDS_SECONDS = 2.0
log = structlog.get_logger()


class OutcomeSender(Background):
    """A thread that empties the outbox: when something was reported, with what follows in a moment; else every second."""

    def __init__(self, outcomes: Outcomes, chunks: ChunkOutcomes) -> None:
        self._outcomes = outcomes
        self._chunks = chunks
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._thread.join(_LAST_WORDS_SECONDS)

    def wake(self) -> None:
        """Something was put into the outbox."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                sent = self._outcomes.send_due() + self._chunks.send_due()
            except Exception:
                log.exception("outcomes.stopped")
                sent = 0
            if not sent:
                self._wake.wait(_PAUSE_SECONDS)
                self._wake.clear()
            if sent < REPORTS:
                self._stopping.wait(_GATHER_SECONDS)


class LifeOfExchange(Background):
    """What is done first when the process starts, and last when it stops."""

    def __init__(
        self, inquiry: Inquiry, commit: Together, client: PeerClient, engine: Engine, in_turn: Executor
    ) -> None:
        self._inquiry = inquiry
        self._commit = commit
        self._client = client
        self._engine = engine
        self._in_turn = in_turn

    def start(self) -> None:
        interrupted = self._inquiry.close_interrupted()
        if interrupted:
            log.warning("inquiries.interrupted", count=interrupted)

    def stop(self) -> None:
        self._in_turn.shutdown(wait=False, cancel_futures=True)
        self._commit.close()
        self._client.close()
        self._engine.dispose()
