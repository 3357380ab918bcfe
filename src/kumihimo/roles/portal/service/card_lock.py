"""Locking a card's authentication (利用者証明の一時停止) by its holder, who unlocks it with the signature of the same card.

What a window holds because a card was lost, only a window lifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from kumihimo.domain.documents import Prepared, prepare, verify
from kumihimo.domain.jpki import serial_text
from kumihimo.domain.kernel import Clock, PartyId, Problem, RandomSource
from kumihimo.domain.sealing import canonical_json
from kumihimo.domain.web_eid import StatusOf, TrustedIssuers
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.cards import AuthenticationHeld, HoldAuthentication
from kumihimo.roles.portal.service.corrections import Line

AUTHORITY: Final = PartyId("jpki/authority")
_WAITING: Final = 1_000  # signatures, of all browsers


@dataclass(frozen=True)
class _Waiting:
    document: bytes
    prepared: Prepared
    at: datetime


class CardLock:
    """Locks and unlocks. What waits for a signature is kept by browser, in memory."""

    def __init__(
        self, edge: Edge, line: Line, clock: Clock, randomness: RandomSource, origin: str, trusted: TrustedIssuers,
        status: StatusOf,
    ) -> None:  # fmt: skip
        self._edge = edge
        self._line = line
        self._clock = clock
        self._randomness = randomness
        self._origin = origin
        self._trusted = trusted
        self._status = status
        self._waiting: dict[str, _Waiting] = {}
        self._changing = Lock()

    def lock(self, serial: str) -> None:
        """The authentication certificate that was just used counts no more. Raises Problem: jpki.card_state, peer.unreachable."""
        self._hold(serial, hold=True)

    def prepare(self, browser: str, certificate: str) -> Prepared:
        """What the signature certificate (base64 of DER) is to sign, so that its card's authentication counts again.

        Raises Problem: login.…, document.…
        """
        now = self._clock.now()
        said = {"do": "unlock-authentication", "origin": self._origin, "nonce": self._randomness.token_bytes(32).hex()}
        document = canonical_json(said)
        prepared = prepare(document, from_b64(certificate, "certificate"), now)
        self._trusted.issuer_of(prepared.certificate, now)
        with self._changing:
            if len(self._waiting) >= _WAITING:
                del self._waiting[min(self._waiting, key=lambda one: self._waiting[one].at)]
            self._waiting[browser] = _Waiting(document, prepared, now)
        return prepared

    def unlock(self, browser: str, signature: str) -> None:
        """It was signed. Raises Problem: application.not_prepared, document.…, login.…, jpki.card_state, peer.unreachable."""
        with self._changing:
            waiting = self._waiting.pop(browser, None)
        if waiting is None:
            raise Problem("application.not_prepared", "nothing waits for a signature", advice="Begin again.")
        cms = waiting.prepared.finish(from_b64(signature, "signature"))
        signed = verify(waiting.document, cms, self._trusted, self._status, self._clock.now())
        self._hold(serial_text(signed.certificate.serial_number), hold=False)

    def _hold(self, serial: str, *, hold: bool) -> None:
        message = self._edge.message(HoldAuthentication, AUTHORITY, serial=serial, hold=hold)
        self._line.send("/held-authentications", message, AuthenticationHeld)
