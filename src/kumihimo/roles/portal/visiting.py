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

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from kumihimo.domain.kernel import Clock, RandomSource
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_site import KeptSession, SessionRows

IDLE: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=2)
_NOTED: Final = timedelta(seconds=30)  # how exactly it is remembered when a session was last used
_BYTES: Final = 32
_ONCE: Final = bytes(12)  # each key seals one serial number


@dataclass(frozen=True)
class Visitor:
    """Somebody logged in. `account` is acted in; it is `own_account` unless a mandate is used, which allows `scopes` only."""

    account: str
    own_account: str
    scopes: frozenset[str] | None
    session: str
    serial: str
    language: str
    until: datetime

    @property
    def represents(self) -> bool:
        """Whether somebody else's account is acted in."""
        return self.account != self.own_account

    def may(self, topic: str) -> bool:
        """Whether pages of a topic are open to them."""
        return self.scopes is None or topic in self.scopes


class Sessions:
    """All sessions. Safe between threads and processes."""

    def __init__(self, store: PortalStore, randomness: RandomSource, clock: Clock) -> None:
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def cookie(self) -> str:
        """A new secret for a browser, whoever it is."""
        return base64.urlsafe_b64encode(self._randomness.token_bytes(_BYTES)).decode().rstrip("=")

    def begin(self, account: str, serial: str) -> str:
        """A session of the account's holder; its cookie. Those that are over go."""
        now, cookie = self._clock.now(), self.cookie()
        with self._store.transaction() as transaction:
            rows = SessionRows(transaction.conn)
            rows.forget_before(now, now - IDLE)
            sealed = _serial_key(cookie).encrypt(_ONCE, serial.encode(), None)
            rows.add(KeptSession(_hash(cookie), account, account, None, sealed, now + LONGEST, now))
        return cookie

    def visitor(self, cookie: str | None, language: str = "ja") -> Visitor | None:
        """Whose session a cookie is; None when it is nobody's or over."""
        if not cookie:
            return None
        now, key = self._clock.now(), _hash(cookie)
        with self._store.reading() as reading:
            kept = SessionRows(reading.conn).of(key)
        if kept is None or now >= kept.until or now >= kept.seen_at + IDLE:
            return None
        if now - kept.seen_at >= _NOTED:
            with self._store.transaction() as transaction:
                SessionRows(transaction.conn).seen(key, now)
        until = min(kept.until, now + IDLE)
        serial = _serial_key(cookie).decrypt(_ONCE, kept.serial, None).decode()
        return Visitor(kept.account, kept.own_account, kept.scopes, key.hex(), serial, language, until)

    def act(self, visitor: Visitor, account: str, scopes: frozenset[str] | None) -> None:
        """The session goes on in another account, within `scopes`; in the own one with None."""
        with self._store.transaction() as transaction:
            SessionRows(transaction.conn).act(bytes.fromhex(visitor.session), account, scopes)

    def end(self, visitor: Visitor) -> None:
        """Log out."""
        with self._store.transaction() as transaction:
            SessionRows(transaction.conn).end(bytes.fromhex(visitor.session))

    def end_all(self, account: str) -> None:
        """End every session of an account, and every one that acts in it."""
        with self._store.transaction() as transaction:
            SessionRows(transaction.conn).end_of_account(account)


def form_token(cookie: str) -> str:
    """What forms of a browser repeat."""
    return base64.urlsafe_b64encode(hmac.digest(cookie.encode(), b"kumihimo/portal/form/v1", "sha256")).decode()


def is_form_token(cookie: str, token: str) -> bool:
    """Whether a form came from a page this browser was given."""
    return hmac.compare_digest(form_token(cookie).encode(), token.encode())


def _serial_key(cookie: str) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hmac.digest(cookie.encode(), b"kumihimo/portal/serial/v1", "sha256"))


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
