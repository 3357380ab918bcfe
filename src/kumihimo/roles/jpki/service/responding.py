"""Answering (有効性確認): what the public is told about certificates, by a key that the authorities have delegated to.

公的個人認証法 第十八条, 第三十七条. The answer says as of when it is right: the instant up to which the authority's feed was
read. Where that lies too far back, or no certificate is in force to answer with, everybody is asked to try later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from cryptography import x509

from kumihimo.domain.jpki import (
    ANSWER_LIFE,
    CaKey,
    CaName,
    Profile,
    Query,
    Refusal,
    Responder,
    Status,
    Times,
    answer,
    parse_request,
    refuse,
    serial_text,
)
from kumihimo.domain.kernel import Clock, Problem
from kumihimo.roles.jpki.store.responder import Credential, ResponderStore

RENEW_BEFORE: Final = timedelta(days=10)
log = structlog.get_logger()


class Certify(Protocol):
    """Whoever has our key certified: the authority. Raises Problem(peer.unreachable)."""

    def __call__(self) -> dict[CaName, Credential]: ...


@dataclass(frozen=True)
class _Speaking:
    """What we answer with for one authority, and until when."""

    responder: Responder
    until: datetime


class Responding:
    """The responder's decisions. `read_at` tells up to when the authority's feed was read, None while it never was."""

    def __init__(
        self,
        store: ResponderStore,
        key: CaKey,
        certify: Certify,
        read_at: Callable[[], datetime | None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._key = key
        self._certify = certify
        self._read_at = read_at
        self._clock = clock
        self._speaking = self._loaded()

    def answer(self, der: bytes) -> bytes:
        """The answer to an OCSP request, whatever it is."""
        try:
            query = parse_request(der)
        except Problem:
            return refuse(Refusal.MALFORMED)
        now, read_at = self._clock.now(), self._read_at()
        if not self._speaking or read_at is None or now - read_at > ANSWER_LIFE:
            return refuse(Refusal.TRY_LATER)
        found = self._for(query)
        if found is None:
            return refuse(Refusal.UNAUTHORISED)
        profile, speaking = found
        if now > speaking.until:
            return refuse(Refusal.TRY_LATER)

        def status_of(serial: int) -> Status:
            return self._store.status(profile, serial_text(serial))

        return answer(speaking.responder, query, status_of, Times(now, min(now, read_at)))

    def keep_certified(self) -> int:
        """Have our key certified where it is not, or not for long any more. Raises Problem(peer.unreachable)."""
        if self.fault(RENEW_BEFORE) is None:
            return 0
        self._store.keep_credentials(self._certify())
        self._speaking = self._loaded()
        return 0

    def fault(self, ahead: timedelta = timedelta()) -> str | None:
        """Why we could not answer for every authority now, or `ahead` of now; None when we could."""
        at = self._clock.now() + ahead
        for profile in Profile:
            if profile not in self._speaking:
                return f"no certificate by the {profile} authority"
            if at > self._speaking[profile].until:
                return f"the certificate by the {profile} authority ended"
        return None

    def _for(self, query: Query) -> tuple[Profile, _Speaking] | None:
        """The authority that is asked about; None where all certificates are of others."""
        for profile, speaking in self._speaking.items():
            if any(asked.is_by(speaking.responder.issuer) for asked in query.asked):
                return profile, speaking
        return None

    def _loaded(self) -> dict[Profile, _Speaking]:
        found: dict[Profile, _Speaking] = {}
        for ca, one in self._store.credentials().items():
            if one.responder is None:
                continue
            issuer, own = (x509.load_der_x509_certificate(der) for der in (one.authority, one.responder))
            if own.public_key() == self._key.public_key():  # not where our key was replaced
                found[Profile(ca.value)] = _Speaking(Responder(issuer, own, self._key), own.not_valid_after_utc)
        return found
