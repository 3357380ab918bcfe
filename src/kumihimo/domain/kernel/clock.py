"""Clock (時計): time is passed in, never taken. Instants are aware UTC; a legal day is a day in Japan (UTC+9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

JAPAN = timezone(timedelta(hours=9), "JST")


class Clock(Protocol):
    """Whatever can tell the present instant as an aware datetime in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class ShiftedClock:
    """The machine's clock as it would be if it were wrong by `by`: for drills of that."""

    by: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


@dataclass
class FixedClock:
    """A clock that stands still until it is set: for tests and replays."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def legal_day(instant: datetime) -> date:
    """The day in Japan (日本標準時) on which an instant falls; rules are in force by days."""
    return instant.astimezone(JAPAN).date()
