"""Recurring days (繰返しの期日): the n-th occurrence counted from the first, so that no day drifts."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta


def days_later(first: date, count: int) -> date:
    """`count` days later."""
    return first + timedelta(days=count)


def months_later(first: date, count: int) -> date:
    """The same day `count` months later; the month's last day where it has no such day."""
    years, month = divmod(first.year * 12 + first.month - 1 + count, 12)
    return date(years, month + 1, min(first.day, monthrange(years, month + 1)[1]))


def years_later(first: date, count: int) -> date:
    """The same day `count` years later; 28 February for 29 February where there is none."""
    return months_later(first, 12 * count)
