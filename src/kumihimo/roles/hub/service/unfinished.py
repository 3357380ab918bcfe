"""Unfinished requests (中断された照会): logged here, and cut off before operator 2 had heard of them.

A request stands in the log before anything is done with it. If this process dies then, and the requester never comes back,
the resident would not be told of it. So each is kept as signed until operator 2 has it; what was cut off is gone on with.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Protocol

import structlog

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.edge import Background
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogPromise
from kumihimo.roles.hub.service.records import PERMIT_LIFE
from kumihimo.roles.hub.store import Unrelayed

ROUND_SECONDS: Final = 1.0
PATIENCE: Final = timedelta(seconds=2)  # longer than it takes from the commit until a request counts as under way
LATE: Final = timedelta(minutes=15)  # by then a provider would have reported its outcome
_PAGE: Final = 100
log = structlog.get_logger()


class Waiting(Protocol):
    """The rows as `store.LogStore` reads them."""

    def unrelayed(self, after: int, limit: int, but: Container[int]) -> list[tuple[int, Unrelayed]]: ...
    def forget_unrelayed(self, index: int) -> None: ...


class Rows(Protocol):
    """What is done with them: `store.Unheard`."""

    def forget(self, indexes: Collection[int]) -> None: ...
    def has_outcome(self, transaction: str) -> bool: ...


class Underway:
    """What is being dealt with at this moment, and what operator 2 has heard of since the rows were last forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[int] = Counter()
        self._heard: set[int] = set()

    @contextmanager
    def of(self, logged: LoggedRecord) -> Iterator[int]:
        """Inside, the request of this entry is under way; its index."""
        index = LogPromise.model_validate_json(logged.promise.payload_bytes()).index
        with self._lock:
            self._now[index] += 1
        try:
            yield index
        finally:
            with self._lock:
                self._now[index] -= 1
                if not self._now[index]:
                    del self._now[index]

    def heard(self, index: int) -> None:
        """Operator 2 has it, or another row says what became of it."""
        with self._lock:
            self._heard.add(index)

    def take_heard(self) -> set[int]:
        """All that was heard of, once."""
        with self._lock:
            heard, self._heard = self._heard, set()
        return heard

    def __contains__(self, index: object) -> bool:
        with self._lock:
            return index in self._now or index in self._heard


class Unfinished:
    """Rows whose requests are not under way: refused ones for `RefusalRelay`, granted ones to be gone on with."""

    def __init__(self, waiting: Waiting, rows: Rows, underway: Underway, clock: Clock) -> None:
        self._waiting = waiting
        self._rows = rows
        self._underway = underway
        self._clock = clock

    def unrelayed(self, after: int, limit: int) -> list[tuple[int, Unrelayed]]:
        """Refused requests of which operator 2 has not heard, by index, after one."""
        while page := self._waiting.unrelayed(after, limit, self._underway):
            after = page[-1][0]
            found = [(index, row) for index, row in page if not _granted(row) and self._cut_off(index, row)]
            if found:
                return found
        return []

    def granted(self) -> Iterator[tuple[int, Envelope, LoggedRecord]]:
        """Granted requests that were cut off, oldest first."""
        after = -1
        while page := self._waiting.unrelayed(after, _PAGE, self._underway):
            after = page[-1][0]
            for index, row in page:
                if row.logged is not None and _granted(row) and self._cut_off(index, row):
                    yield index, row.request, row.logged

    def forget_unrelayed(self, index: int) -> None:
        """Operator 2 has it."""
        self._rows.forget((index,))

    def forget_heard(self) -> None:
        """Delete the rows of everything that operator 2 has heard of."""
        heard = self._underway.take_heard()
        if heard:
            self._rows.forget(heard)

    def has_outcome(self, logged: LoggedRecord) -> bool:
        """Whether an outcome was reported about the request."""
        return self._rows.has_outcome(logged.record.transaction or "")

    def age(self, logged: LoggedRecord) -> timedelta:
        """Since it was logged."""
        return self._clock.now() - logged.record.logged_at

    def _cut_off(self, index: int, row: Unrelayed) -> bool:
        # Asked again: when the row was read, its request may have been just about to go on.
        return index not in self._underway and row.logged is not None and self.age(row.logged) >= PATIENCE


def _granted(row: Unrelayed) -> bool:
    return row.logged is not None and row.logged.record.granted is True


class Finishing(Background):
    """Operator 1's thread that forgets what operator 2 has, and goes on with what was cut off.

    `finish` does the latter with a signed request and its entry; `give_up` writes down that nothing came of it.
    """

    def __init__(
        self,
        unfinished: Unfinished,
        finish: Callable[[Envelope, LoggedRecord], None],
        give_up: Callable[[Envelope, Problem], None],
    ) -> None:
        self._unfinished = unfinished
        self._finish = finish
        self._give_up = give_up
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="unfinished", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(ROUND_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Delete the ciphertexts of everything that operator 2 has heard of."""
        self._unfinished.forget_heard()

    def round(self) -> None:
        """Forget what operator 2 has; then bring to an end what was cut off, as far as operator 2 can be reached."""
        self.forget()
        for index, request, logged in self._unfinished.granted():
            try:
                if self._ended(request, logged):
                    self._unfinished.forget_unrelayed(index)
            except Problem as problem:
                log.warning("unfinished.waiting", index=index, code=problem.code)
                return

    def _ended(self, request: Envelope, logged: LoggedRecord) -> bool:
        """Whether it is at its end now. Raises Problem(operator.unreachable)."""
        age = self._unfinished.age(logged)
        if age < PERMIT_LIFE:
            try:
                self._finish(request, logged)
            except Problem as problem:
                if problem.code == "operator.unreachable":
                    raise
                if problem.code != "message.replayed":  # operator 2 has had it, and keeps its answer no longer
                    self._give_up(request, problem)
            return True
        # Too old for operator 2 to take. If it had come to a permit, its provider reports what became of it.
        if self._unfinished.has_outcome(logged):
            return True
        if age < LATE:
            return False
        self._give_up(request, Problem("inquiry.interrupted", "the platform was stopped in the middle of it"))
        return True

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_SECONDS):
            try:
                self.round()
            except Exception:  # the thread must live: what waits is kept, and tried again
                log.exception("unfinished.failed")
