"""Sessions (セッション) of the card check page: in memory only, gone after half an hour, at the end, and with the process.

A session is somebody's browser, and after the log-in somebody's card. Its id is drawn anew at the log-in, so that an id
slipped to somebody before is worth nothing after.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.documents import Prepared
from kumihimo.domain.kernel import Clock, RandomSource
from kumihimo.domain.web_eid import Authenticated

LIFETIME: Final = timedelta(minutes=30)
_MOST: Final = 10_000
_BYTES: Final = 24


@dataclass(frozen=True)
class Signed:
    """A document and its signature beside it."""

    document: bytes
    cms: bytes
    digest: bytes


@dataclass(frozen=True)
class Session:
    """What is known of one browser. `token` is repeated in every request that changes something."""

    id: str
    token: str
    until: datetime
    who: Authenticated | None = None
    document: bytes | None = None
    prepared: Prepared | None = None
    signed: Signed | None = None


class Sessions:
    """All sessions. Safe between threads."""

    def __init__(self, randomness: RandomSource, clock: Clock) -> None:
        self._randomness = randomness
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, Session] = {}

    def of(self, session_id: str | None) -> Session:
        """The session of this id, or a new one where there is none, or none any more."""
        with self._lock:
            session = self._kept.get(session_id or "")
            if session is not None and self._clock.now() < session.until:
                return session
            return self._begin(Session("", "", self._clock.now()))

    def renewed(self, session: Session) -> Session:
        """The same under a new id and token; the old id means nothing any more."""
        with self._lock:
            self._kept.pop(session.id, None)
            return self._begin(session)

    def keep(self, session: Session) -> None:
        """Remember a session as it is now, if it has not ended meanwhile."""
        with self._lock:
            if session.id in self._kept:
                self._kept[session.id] = session

    def end(self, session: Session) -> None:
        """Forget everything about it."""
        with self._lock:
            self._kept.pop(session.id, None)

    def _begin(self, session: Session) -> Session:
        begun = replace(session, id=self._drawn(), token=self._drawn(), until=self._clock.now() + LIFETIME)
        self._kept[begun.id] = begun
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return begun

    def _drawn(self) -> str:
        return base64.urlsafe_b64encode(self._randomness.token_bytes(_BYTES)).decode()
