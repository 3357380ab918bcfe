"""Visits (利用中の状態): who is logged in, for how long, in whose account; all of it in the store, so that any process can serve.

A cookie holds 32 random bytes; the store keeps their SHA-256. The token that every form repeats is derived from the cookie, so
that a page can only be forged by somebody who has the cookie already (OWASP: HMAC-based token pattern).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel import Clock, RandomSource, legal_day
from kumihimo.roles.portal.service.mandates import over
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_mandates import Mandate, MandateRows
from kumihimo.roles.portal.store_site import KeptSession, SessionRows

IDLE: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=2)
_NOTED: Final = timedelta(seconds=30)  # how exactly it is remembered when a session was last used
_BYTES: Final = 32


@dataclass(frozen=True)
class Visitor:
    """Somebody logged in. `account` is acted in: their own, or under a mandate its giver's, within what that allows."""

    own_account: str
    session: str
    language: str
    until: datetime
    mandate: Mandate | None = None

    @property
    def account(self) -> str:
        """Whose account is acted in."""
        giver = None if self.mandate is None else self.mandate.giver
        return giver or self.own_account

    @property
    def represents(self) -> bool:
        """Whether it is somebody else's."""
        return self.mandate is not None

    def may(self, topic: str) -> bool:
        """Whether pages of a topic are open to them."""
        return self.mandate is None or topic in self.mandate.scopes


class Sessions:
    """All sessions. Safe between threads and processes."""

    def __init__(self, store: PortalStore, randomness: RandomSource, clock: Clock) -> None:
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def cookie(self) -> str:
        """A new secret for a browser, whoever it is."""
        return base64.urlsafe_b64encode(self._randomness.token_bytes(_BYTES)).decode().rstrip("=")

    def begin(self, account: str) -> str:
        """A session of the account's holder; its cookie. Those that are over go."""
        now, cookie = self._clock.now(), self.cookie()
        with self._store.transaction() as transaction:
            rows = SessionRows(transaction.conn)
            rows.forget_before(now, now - IDLE)
            rows.add(KeptSession(_hash(cookie), account, now + LONGEST, now))
        return cookie

    def visitor(self, cookie: str | None, language: str = "ja") -> Visitor | None:
        """Whose session a cookie is; None when it is nobody's or over.

        Raises Problem(mandate.over) where its mandate does not hold any more: it goes on in the own account.
        """
        if not cookie:
            return None
        now, key = self._clock.now(), _hash(cookie)
        with self._store.reading() as reading:
            kept = SessionRows(reading.conn).of(key)
            if kept is None or now >= kept.until or now >= kept.seen_at + IDLE:
                return None
            mandate = None if kept.mandate is None else MandateRows(reading.conn).of(kept.mandate)
        visitor = Visitor(kept.account, key.hex(), language, min(kept.until, now + IDLE), mandate)
        if now - kept.seen_at >= _NOTED:
            with self._store.transaction() as transaction:
                SessionRows(transaction.conn).seen(key, now)
        if kept.mandate is not None and (mandate is None or not mandate.holds(legal_day(now))):
            self.act(visitor, None)
            raise over()
        return visitor

    def act(self, visitor: Visitor, mandate: str | None) -> None:
        """The session goes on under a mandate, or in the own account."""
        with self._store.transaction() as transaction:
            SessionRows(transaction.conn).act(bytes.fromhex(visitor.session), mandate)

    def end(self, visitor: Visitor) -> None:
        """Log out."""
        with self._store.transaction() as transaction:
            SessionRows(transaction.conn).end(bytes.fromhex(visitor.session))


def form_token(cookie: str) -> str:
    """What forms of a browser repeat."""
    return base64.urlsafe_b64encode(hmac.digest(cookie.encode(), b"kumihimo/portal/form/v1", "sha256")).decode()


def is_form_token(cookie: str, token: str) -> bool:
    """Whether a form came from a page this browser was given."""
    return hmac.compare_digest(form_token(cookie).encode(), token.encode())


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
