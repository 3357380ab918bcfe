"""Challenges (チャレンジ, nonce): random texts a site gives out, each for one session, for one try, for five minutes.

Whatever comes of the try, the challenge is gone: a token cannot be shown twice, nor a signature be tried twice.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.randomness import RandomSource

LIFETIME: Final = timedelta(minutes=5)
_BYTES: Final = 33  # 44 characters of base64, the fewest that Web eID takes
_MOST_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Challenge:
    """A nonce of 44 characters, and when it ends."""

    nonce: str
    until: datetime


class ChallengeStore(Protocol):
    """Where challenges wait. `take` must give a challenge to one caller only, also when two processes ask at once."""

    def put(self, session: str, challenge: Challenge) -> None:
        """Keep a challenge for a session, in place of an earlier one."""
        ...

    def take(self, session: str) -> Challenge | None:
        """Remove and return the session's challenge; None when there is none."""
        ...


@dataclass(frozen=True)
class MemoryChallenges:
    """Challenges in one process's memory, gone when it ends; the oldest make room when there are too many.

    Safe between threads: each step is one operation on a dict.
    """

    most: int = _MOST_AT_ONCE
    _kept: dict[str, Challenge] = field(default_factory=dict)

    def put(self, session: str, challenge: Challenge) -> None:
        self._kept.pop(session, None)
        self._kept[session] = challenge
        while len(self._kept) > self.most:
            self._kept.pop(next(iter(self._kept), session), None)

    def take(self, session: str) -> Challenge | None:
        return self._kept.pop(session, None)


@dataclass(frozen=True)
class Challenges:
    """Gives out challenges and takes them back once."""

    store: ChallengeStore
    randomness: RandomSource
    clock: Clock
    lifetime: timedelta = LIFETIME

    def issue(self, session: str) -> str:
        """A new challenge for a session, 44 characters; an earlier one of the session does not count any more."""
        nonce = base64.b64encode(self.randomness.token_bytes(_BYTES)).decode()
        self.store.put(session, Challenge(nonce, self.clock.now() + self.lifetime))
        return nonce

    def use(self, session: str) -> str:
        """The session's challenge, for the only time. Raises Problem(login.nonce, login.stale)."""
        challenge = self.store.take(session)
        if challenge is None:
            raise Problem(
                "login.nonce", "none is open in this session", advice="Start the log-in again from the site's page."
            )
        if self.clock.now() >= challenge.until:
            raise Problem(
                "login.stale",
                f"it could be used until {challenge.until:%H:%M:%S} UTC",
                expected=f"an answer within {int(self.lifetime.total_seconds())} seconds",
                advice="Start the log-in again.",
            )
        return challenge.nonce
