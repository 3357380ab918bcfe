"""The edge for scheduled inquiries (予約照会), and the thread that asks them on their days."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog
from fastapi import FastAPI

from kumihimo.domain.kernel import Clock, PartyId
from kumihimo.plumbing.wire.edge import Background, Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.batch_desk import CancelSchedule, EnterSchedule, ShowSchedules
from kumihimo.plumbing.wire.messages.batch_desk import Schedules as ScheduleList
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.schedules import Schedules
from kumihimo.roles.gateway.store.batches import BatchStore

_LOOK_SECONDS: Final = 30.0
log = structlog.get_logger()


class DailyRound(Background):
    """Looks every half minute by the clock it is given what is due, and what is kept no longer."""

    def __init__(self, schedules: Schedules, batches: BatchStore, clock: Clock) -> None:
        self._schedules = schedules
        self._batches = batches
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> int:
        """Do what is due now; how many batches were entered."""
        forgotten = self._batches.forget_answers(self._clock.now())
        if forgotten:
            log.info("answers.forgotten", count=forgotten)
        return self._schedules.run_due()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception:
                log.exception("schedules.stopped")
            self._stopping.wait(_LOOK_SECONDS)


def mount_schedules(app: FastAPI, edge: Edge, schedules: Schedules, own_desk: Callable[[PartyId], bool]) -> None:
    """Add the routes for the own desk."""

    @app.post("/schedules")
    def enter(envelope: Envelope, peer: Peer) -> Envelope:
        """EnterSchedule → Schedules."""
        message = edge.open(envelope, EnterSchedule, peer, own_desk).value
        done = schedules.enter(message)
        shown = () if done.schedule is None else schedules.shown(done.schedule)
        return edge.answer(ScheduleList(in_reply_to=message.message_id, schedules=shown, rejected=done.rejected))

    @app.post("/schedules/shown")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowSchedules → Schedules."""
        message = edge.open(envelope, ShowSchedules, peer, own_desk).value
        return edge.answer(ScheduleList(in_reply_to=message.message_id, schedules=schedules.shown(message.schedule)))

    @app.post("/schedules/cancelled")
    def cancel(envelope: Envelope, peer: Peer) -> Envelope:
        """CancelSchedule → Schedules."""
        message = edge.open(envelope, CancelSchedule, peer, own_desk).value
        schedules.cancel(message.staff, message.schedule)
        return edge.answer(ScheduleList(in_reply_to=message.message_id, schedules=schedules.shown(message.schedule)))
