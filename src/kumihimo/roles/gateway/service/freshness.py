"""Freshness of copies (副本の鮮度): how fresh an institution declares its copies, and what is wrong with them now.

One city's copies stuck behind a send cap for months and nobody noticed; here the business system says with every delivery how
much still waits, and silence is an alarm too. Alarms are worked out anew at every look, so that one ends when its cause does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kumihimo.plumbing.wire.messages.freshness import CopyAlarm, CopyAlarmKind, ItemDelivered
from kumihimo.plumbing.wire.messages.provision import AsOf

OUTBOX_PATIENCE: Final = timedelta(minutes=30)
FEED_PATIENCE: Final = timedelta(minutes=10)


class Rhythm(StrEnum):
    """How often a business system delivers an item."""

    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"

    @property
    def most(self) -> timedelta:
        """How old the last whole delivery may be: the period and some days for holidays."""
        return {
            Rhythm.DAILY: timedelta(days=2),
            Rhythm.MONTHLY: timedelta(days=40),
            Rhythm.YEARLY: timedelta(days=400),
        }[self]


@dataclass(frozen=True)
class Nature:
    """What an item is like: its usual rhythm, with what it ends, and whether it is held of every resident."""

    rhythm: Rhythm
    ends_with_life: bool
    ends_with_residence: bool = False
    of_everybody: bool = False


# Tax is levied for its year whoever dies or moves, and vaccinations and loans stay true; what is paid or insured ends.
NATURES: Final[dict[str, Nature]] = {
    "child-allowance": Nature(Rhythm.MONTHLY, ends_with_life=True, ends_with_residence=True),
    "child-care-fees": Nature(Rhythm.MONTHLY, ends_with_life=True),
    "disability-certificate": Nature(Rhythm.MONTHLY, ends_with_life=True),
    "employment-insurance": Nature(Rhythm.DAILY, ends_with_life=True),
    "health-check": Nature(Rhythm.YEARLY, ends_with_life=False),
    "local-tax": Nature(Rhythm.YEARLY, ends_with_life=False),
    "medical-insurance": Nature(Rhythm.DAILY, ends_with_life=True),
    "nursing-insurance": Nature(Rhythm.MONTHLY, ends_with_life=True),
    "pension": Nature(Rhythm.MONTHLY, ends_with_life=True),
    "public-assistance": Nature(Rhythm.MONTHLY, ends_with_life=True),
    "resident-record": Nature(Rhythm.DAILY, ends_with_life=True, ends_with_residence=True, of_everybody=True),
    "student-aid": Nature(Rhythm.MONTHLY, ends_with_life=False),
    "vaccination": Nature(Rhythm.MONTHLY, ends_with_life=False),
}

Declared = Mapping[str, Rhythm | timedelta]


@dataclass(frozen=True)
class Delivered:
    """What is known of an item's deliveries; `complete_at`: when last nothing waited, and `as_of` whose state that was."""

    item: str
    delivered_at: datetime | None = None
    complete_at: datetime | None = None
    as_of: datetime | None = None
    waiting: int = 0
    waiting_since: datetime | None = None


@dataclass(frozen=True)
class Backlog:
    """What waits between exchange and platform: reports and how long the oldest was tried; when the feed was last read."""

    reports: int
    tried_since: datetime | None
    feed_read_at: datetime | None


@dataclass(frozen=True)
class Contradiction:
    """What does not fit the register, by kind and item."""

    kind: CopyAlarmKind
    item: str | None
    count: int


@dataclass(frozen=True)
class Freshness:
    """What an institution declares.

    `backlog_patience`: how long rows may wait at the business system; `register_patience`: how long the register may be
    ahead of the copies.
    """

    declared: Declared = field(default_factory=dict)
    backlog_patience: timedelta = timedelta(days=1)
    register_patience: timedelta = timedelta(days=14)

    def most(self, item: str) -> timedelta:
        """How old the last whole delivery of an item may be."""
        rhythm = self.rhythm(item)
        return rhythm.most if isinstance(rhythm, Rhythm) else rhythm

    def rhythm(self, item: str) -> Rhythm | timedelta:
        """As declared, else as usual for the item."""
        declared = self.declared.get(item)
        if declared is not None:
            return declared
        return NATURES[item].rhythm if item in NATURES else Rhythm.YEARLY

    def late(self, delivered: Delivered, now: datetime) -> bool:
        """Whether the last whole delivery is older than declared."""
        return delivered.complete_at is None or now - delivered.complete_at > self.most(delivered.item)

    def as_of(self, delivered: Delivered, now: datetime) -> AsOf:
        """Whose state an item's copies are, for whoever gets them."""
        return AsOf(item=delivered.item, at=delivered.as_of, late=self.late(delivered, now))

    def standing(self, delivered: Delivered, copies: int) -> ItemDelivered:
        """An item as it is shown."""
        rhythm = self.rhythm(delivered.item)
        return ItemDelivered(
            item=delivered.item,
            rhythm=rhythm.value if isinstance(rhythm, Rhythm) else f"{rhythm.total_seconds() / 86_400:g} days",
            delivered_at=delivered.delivered_at,
            complete_at=delivered.complete_at,
            as_of=delivered.as_of,
            due_at=None if delivered.complete_at is None else delivered.complete_at + self.most(delivered.item),
            waiting=delivered.waiting,
            copies=copies,
        )

    def alarms(
        self, deliveries: Sequence[Delivered], backlog: Backlog, contradictions: Sequence[Contradiction], now: datetime
    ) -> tuple[CopyAlarm, ...]:
        """Everything that is wrong now."""
        found = [alarm for one in deliveries for alarm in self._of_item(one, now)]
        if backlog.reports and backlog.tried_since is not None and now - backlog.tried_since > OUTBOX_PATIENCE:
            found.append(CopyAlarm(alarm=CopyAlarmKind.OUTBOX_STUCK, count=backlog.reports, since=backlog.tried_since))
        if backlog.feed_read_at is not None and now - backlog.feed_read_at > FEED_PATIENCE:
            found.append(CopyAlarm(alarm=CopyAlarmKind.FEED_STUCK, count=1, since=backlog.feed_read_at))
        found += [CopyAlarm(alarm=one.kind, item=one.item, count=one.count) for one in contradictions if one.count]
        return tuple(found)

    def _of_item(self, one: Delivered, now: datetime) -> list[CopyAlarm]:
        found = []
        if one.complete_at is None:
            found.append(CopyAlarm(alarm=CopyAlarmKind.NEVER_DELIVERED, item=one.item, count=1))
        elif self.late(one, now):
            found.append(CopyAlarm(alarm=CopyAlarmKind.LATE, item=one.item, count=1, since=one.complete_at))
        if one.waiting and one.waiting_since is not None and now - one.waiting_since > self.backlog_patience:
            found.append(
                CopyAlarm(alarm=CopyAlarmKind.STUCK, item=one.item, count=one.waiting, since=one.waiting_since)
            )
        return found


USUAL: Final = Freshness()
