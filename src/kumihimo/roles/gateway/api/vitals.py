"""What an exchange watches about itself (中間サーバーの稼働状態): reports that wait, link codes, the age of its copies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel import Clock
from kumihimo.plumbing.wire.meters import Reading
from kumihimo.roles.gateway.store.chunk_reports import ChunkOutbox
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.outbox import OutboxStore

MOST_WAITING: Final = 10_000  # reports; some seconds of a national peak, and far more than a healthy outbox holds
COUNT_EVERY: Final = timedelta(minutes=1)  # counting goes through every copy


class OutboxVital:
    """Outcomes reach the log: the outbox does not pile up."""

    name = "outbox"

    def __init__(self, outbox: OutboxStore, chunks: ChunkOutbox) -> None:
        self._outbox = outbox
        self._chunks = chunks

    def fault(self) -> str | None:
        waiting = self._waiting()
        return f"{waiting} reports wait, expected at most {MOST_WAITING}" if waiting > MOST_WAITING else None

    def readings(self) -> Iterable[Reading]:
        yield Reading("outbox_reports", float(self._waiting()))

    def _waiting(self) -> int:
        """Persons whose outcome waits, also those of batches."""
        return self._outbox.size() + self._chunks.size()


class HoldingsVital:
    """How many link codes and copies there are, and how old the newest copy of each item is; counted once a minute."""

    name = "holdings"

    def __init__(self, codes: LinkCodeStore, copies: CopyStore, clock: Clock) -> None:
        self._codes = codes
        self._copies = copies
        self._clock = clock
        self._counted_at: datetime | None = None
        self._link_codes = 0
        self._by_item: dict[str, tuple[int, datetime]] = {}

    def fault(self) -> str | None:
        return None

    def readings(self) -> Iterable[Reading]:
        now = self._clock.now()
        if self._counted_at is None or now - self._counted_at >= COUNT_EVERY:
            self._link_codes, self._by_item, self._counted_at = self._codes.count(), self._copies.by_item(), now
        yield Reading("link_codes", float(self._link_codes))
        for item, (count, newest) in self._by_item.items():
            yield Reading("copies", float(count), (item,))
            yield Reading("copies_newest_age_seconds", (now - newest).total_seconds(), (item,))
