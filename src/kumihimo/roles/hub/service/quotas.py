"""Quotas (照会件数の上限): how many requests of one requester an operator takes within a minute and within a day.

A sliding window in memory, filled again at the start from what was written down. A request counts whatever the rules say
to it, since refused ones are worth limiting too; only one over the quota does not, so that waiting helps. Limits come from
the settings, or from an order of the oversight body.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.messages.oversight import Quota

DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_SLOTS: Final = 60  # a window is counted in sixtieths: exact to a second in the minute, to 24 minutes in the day


class Window:
    """How many fell into the last `span`, counted by sixtieths of it; memory does not grow with the number."""

    def __init__(self, span: timedelta) -> None:
        self._width = span.total_seconds() / _SLOTS
        self._slots: deque[list[int]] = deque()  # [slot, count], slots ascending
        self._total = 0

    def count(self, at: datetime) -> int:
        """How many are in the window that ends at `at`."""
        oldest = self._slot(at) - _SLOTS
        while self._slots and self._slots[0][0] <= oldest:
            self._total -= self._slots.popleft()[1]
        return self._total

    def add(self, at: datetime, count: int = 1) -> None:
        """So many more. What comes slightly out of order counts in the newest slot."""
        slot = self._slot(at)
        if not self._slots or self._slots[-1][0] < slot:
            self._slots.append([slot, 0])
        self._slots[-1][1] += count
        self._total += count

    def _slot(self, at: datetime) -> int:
        return int(at.timestamp() // self._width)


class Quotas:
    """Counts requests by requester. `ordered` gives the quota that was ordered for one, if any. Safe for many threads."""

    def __init__(self, default: Quota, ordered: Callable[[str], Quota | None]) -> None:
        self._default = default
        self._ordered = ordered
        self._lock = threading.Lock()
        self._windows: defaultdict[str, tuple[Window, Window]] = defaultdict(lambda: (Window(_MINUTE), Window(DAY)))

    def recover(self, requests: Iterable[tuple[str, datetime]]) -> None:
        """Count what was logged before a restart: requester and instant, oldest first."""
        with self._lock:
            for requester, at in requests:
                for window in self._windows[requester]:
                    window.add(at)

    def take(self, requester: str, at: datetime) -> None:
        """Count a request. Raises Problem(quota.exceeded), and then it does not count."""
        _, over = self.admit(requester, at, 1)
        if over is not None:
            raise over

    def admit(self, requester: str, at: datetime, wanted: int) -> tuple[int, Problem | None]:
        """How many of `wanted` requests made at once are within the quota, and so count, and what the others meet."""
        quota = self._ordered(requester) or self._default
        with self._lock:
            minute, day = self._windows[requester]
            in_minute, in_day = quota.per_minute - minute.count(at), quota.per_day - day.count(at)
            admitted = max(0, min(wanted, in_minute, in_day))
            if admitted:
                minute.add(at, admitted)
                day.add(at, admitted)
        if admitted == wanted:
            return admitted, None
        if in_minute <= admitted:
            return admitted, _over(requester, quota.per_minute, "minute", "in a minute")
        return admitted, _over(
            requester, quota.per_day, "day", "tomorrow, or ask the oversight body for a higher quota"
        )


def _over(requester: str, limit: int, span: str, later: str) -> Problem:
    detail = f"{requester} may make {limit} requests a {span}. Retry {later}."
    return Problem("quota.exceeded", detail, expected=f"at most {limit} a {span}")
