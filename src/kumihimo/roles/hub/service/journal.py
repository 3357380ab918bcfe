"""Journal (監査台帳への記入): every decision of operator 1 is written here before anybody hears of it (invariant I5)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import SALT_BYTES
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogRecord
from kumihimo.roles.hub.service.ports import Appender, Notify, Random
from kumihimo.roles.hub.service.records import rejected_record
from kumihimo.roles.hub.store import Append, Report, Unrelayed

log = structlog.get_logger()


@dataclass(frozen=True)
class Once:
    """A record to be written under a mark that may be made only once, and what is kept with it."""

    record: LogRecord
    mark: str
    report: Report | None = None
    unrelayed: Unrelayed | None = None


class Journal:
    """Writes records with fresh salts, and wakes the overseer's reader after the commit."""

    def __init__(self, store: Appender, clock: Clock, notify: Notify, rng: Random = secrets.token_bytes) -> None:
        self._store = store
        self._clock = clock
        self._notify = notify
        self._rng = rng

    def now(self) -> datetime:
        """The instant a record is to carry."""
        return self._clock.now()

    def write(self, record: LogRecord, unrelayed: Unrelayed | None = None) -> LoggedRecord:
        """Write a record, and with it what operator 2 must still hear of; durable on return."""
        logged = self._append(Append(record, self._rng(SALT_BYTES), unrelayed=unrelayed))
        if logged is None:
            raise RuntimeError("an entry without mark cannot be refused")
        return logged

    def write_once(self, record: LogRecord, mark: str) -> LoggedRecord | None:
        """Write a record under a mark that may be made only once; None when it was made, and nothing is written."""
        return self._append(Append(record, self._rng(SALT_BYTES), mark))

    def write_all_once(self, items: Sequence[Once]) -> list[LoggedRecord | None]:
        """Write many records, each under a mark, with few commits; answers in their order, as of `write_once`."""
        logged = self._store.append_all(
            [Append(one.record, self._rng(SALT_BYTES), one.mark, one.report, one.unrelayed) for one in items]
        )
        if any(one is not None for one in logged):
            self._notify()
        return logged

    def first_request(self, transaction: str) -> LoggedRecord | None:
        """The entry of the request that used this transaction number first."""
        return self._store.first_request(transaction)

    @contextmanager
    def rejecting(self, peer: PartyId) -> Iterator[None]:
        """A problem inside means the message is not taken: it is written down, then raised on."""
        try:
            yield
        except Problem as problem:
            self.write(rejected_record(peer, problem, self.now()))
            log.warning("rejected", peer=peer, code=problem.code)
            raise

    def _append(self, item: Append) -> LoggedRecord | None:
        logged = self._store.append(item)
        if logged is not None:
            self._notify()
        return logged
