"""Limits (回数の制限): how often one address or one session may do something in a minute; the rest is told to wait."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel import Clock, Problem

_MINUTE: Final = timedelta(minutes=1)
_MOST_KEYS: Final = 50_000


class Limit:
    """At most `most` of something in a minute for each key. One process's memory: several processes allow as many times more."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._counted: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def take(self, key: str) -> None:
        """One more. Raises Problem(session.too_often)."""
        now = self._clock.now()
        with self._lock:
            since, count = self._counted.pop(key, (now, 0))
            if now - since >= _MINUTE:
                since, count = now, 0
            self._counted[key] = since, count + 1
            while len(self._counted) > _MOST_KEYS:
                self._counted.popitem(last=False)
        if count >= self._most:
            raise Problem(
                "session.too_often", f"more than {self._most} times in a minute", advice="Wait a minute, and try again."
            )
