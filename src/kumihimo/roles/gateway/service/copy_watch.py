"""The watch over copies (副本の見張り): one look at deliveries, backlog and register, for desk, readiness and oversight alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from kumihimo.domain.kernel import Clock, Problem, legal_day
from kumihimo.plumbing.information_items import schema_of
from kumihimo.plumbing.wire.messages.freshness import CopyAlarm, ItemDelivered
from kumihimo.roles.gateway.service.freshness import Backlog, Delivered, Freshness
from kumihimo.roles.gateway.service.outcomes import tried_since
from kumihimo.roles.gateway.store.deliveries import DeliveryStore
from kumihimo.roles.gateway.store.registered import RegisteredStore

LOOK_EVERY: Final = timedelta(minutes=5)  # a look goes through every copy


class HeldCopies(Protocol):
    """How many copies of each item there are, and when one was last placed: `CopyStore`."""

    def by_item(self) -> dict[str, tuple[int, datetime]]: ...


class Reports(Protocol):
    """Reports that wait for operator 1: `OutboxStore`."""

    def size(self) -> int: ...
    def longest_tried(self) -> tuple[int, datetime] | None: ...


@dataclass(frozen=True)
class Looked:
    """What one look found."""

    at: datetime
    alarms: tuple[CopyAlarm, ...]
    items: tuple[ItemDelivered, ...]


class CopyWatch:
    """Looks at one institution's copies. Safe for many threads."""

    def __init__(
        self,
        freshness: Freshness,
        copies: HeldCopies,
        deliveries: DeliveryStore,
        registered: RegisteredStore,
        outbox: Reports,
        clock: Clock,
        feed_read_at: Callable[[], datetime | None],
    ) -> None:
        self.freshness = freshness
        self._copies = copies
        self._deliveries = deliveries
        self._registered = registered
        self._outbox = outbox
        self._clock = clock
        self._feed_read_at = feed_read_at
        self._begun_at = clock.now()
        self._lock = threading.Lock()
        self._last: Looked | None = None

    def lately(self) -> Looked:
        """The last look, if it is not older than five minutes; a new one otherwise."""
        with self._lock:
            last = self._last
        if last is not None and self._clock.now() - last.at < LOOK_EVERY:
            return last
        return self.look()

    def forget(self) -> None:
        """Copies have come: look anew at the next question."""
        with self._lock:
            self._last = None

    def declare(self, item: str, waiting: int, as_of: datetime | None) -> ItemDelivered:
        """The business system says how far an item is delivered. Raises Problem(item.unknown, value.invalid)."""
        schema_of(item)
        now = self._clock.now()
        if as_of is not None and as_of > now:
            raise Problem("value.invalid", as_of.isoformat(), "as_of", "a moment that has come")
        self._deliveries.declare(item, waiting, now, as_of)
        self.forget()
        (delivered,) = self._deliveries.delivered([item])
        return self.freshness.standing(delivered, self._copies.by_item().get(item, (0, now))[0])

    def look(self) -> Looked:
        """Look now."""
        now = self._clock.now()
        held = self._copies.by_item()
        items = sorted({*self.freshness.declared, *self._deliveries.items(), *held})
        deliveries = [_at_least(one, held) for one in self._deliveries.delivered(items)]
        tried = self._outbox.longest_tried()
        waiting_since = None if tried is None else tried_since(*tried)
        alarms = self.freshness.alarms(
            deliveries,
            Backlog(self._outbox.size(), waiting_since, self._feed_read_at() or self._begun_at),
            self._registered.contradictions(items, now - self.freshness.register_patience, legal_day(now)),
            now,
        )
        shown = tuple(self.freshness.standing(one, held.get(one.item, (0, now))[0]) for one in deliveries)
        looked = Looked(now, alarms, shown)
        with self._lock:
            self._last = looked
        return looked


def _at_least(one: Delivered, held: dict[str, tuple[int, datetime]]) -> Delivered:
    """Copies that were placed before deliveries were noted count as one, whole as far as is known."""
    if one.delivered_at is not None or one.waiting_since is not None or one.item not in held:
        return one
    newest = held[one.item][1]
    return Delivered(one.item, newest, newest, newest)
