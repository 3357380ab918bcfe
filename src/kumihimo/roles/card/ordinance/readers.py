"""At the counters that read (読取側): a library, a seal counter, a clinic, a shelter. None of them needs a network for the card.

Each first lets the card prove that it is genuine, and then believes only what the municipality wrote for that card.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from kumihimo.domain.kernel import Clock, Problem, RandomSource
from kumihimo.roles.card.ordinance import attributes
from kumihimo.roles.card.ordinance.access_keys import AccessKey
from kumihimo.roles.card.ordinance.attributes import Attribute
from kumihimo.roles.card.ordinance.books import AccessLedger
from kumihimo.roles.card.ordinance.catalogue import Method, OrdinanceApplication, application
from kumihimo.roles.card.ordinance.issuers import TrustedIssuers, thumbprint
from kumihimo.roles.card.ordinance.revocations import Revocations
from kumihimo.roles.card.terminal import Access, CardTerminal, OfficeKey, OfficeSession, Transmit
from kumihimo.roles.card.terminal.proofs import certified_card

_CHALLENGE_BYTES: Final = 32


@dataclass(frozen=True)
class ReadAttribute:
    """An attribute as a counter may use it: what was asked for, the token with just that, and what to be careful about."""

    attribute: Attribute
    shown: str = field(repr=False)
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counter:
    """A counter that reads ordinance applications, with all it needs to judge them offline.

    `authority` is the card-management CA's key; `terminal` the municipality's own key for what only its terminals may read.
    """

    authority: EllipticCurvePublicKey = field(repr=False)
    trusted: TrustedIssuers
    clock: Clock
    randomness: RandomSource
    revocations: Revocations = field(default_factory=Revocations)
    terminal: OfficeKey | None = field(default=None, repr=False)

    def read_key(self, transmit: Transmit, name: str, municipality: str, pin: str | None = None) -> bytes:
        """Method 1: the access key, from the card it was written for.

        Raises Problem(card.unknown) where the card has none, (card.pin_wrong|pin_blocked), (ordinance.untrusted|malformed),
        (card.not_genuine).
        """
        what = _of(name, Method.KEY)
        at_card, card = self._begin(transmit, what)
        aid = what.aid(municipality)
        return AccessKey.read(at_card.read_ordinance(aid, pin), municipality, aid, card, self.trusted).key

    def look_up(
        self, transmit: Transmit, name: str, municipality: str, ledger: AccessLedger, pin: str | None = None
    ) -> dict[str, str]:
        """Method 1 to its end: the service's own record. Raises as `read_key`, and Problem(ordinance.no_entry)."""
        return ledger.look_up(self.read_key(transmit, name, municipality, pin), self.clock.now())

    def read_attribute(
        self, transmit: Transmit, name: str, municipality: str, fields: Collection[str], pin: str | None = None
    ) -> ReadAttribute:
        """Method 2: these fields of the attribute. Nothing else leaves this function, though the card gives all.

        Raises as `read_key`, and Problem(ordinance.expired, ordinance.revoked, value.invalid for other fields).
        """
        what = _of(name, Method.ATTRIBUTE)
        unknown = sorted(set(fields) - {one.name for one in what.fields})
        if unknown:
            declared = ", ".join(one.name for one in what.fields)
            raise Problem("value.invalid", ", ".join(unknown), "fields", declared)
        at_card, card = self._begin(transmit, what)
        content = at_card.read_ordinance(what.aid(municipality), pin)
        shown = attributes.disclose(content.decode("ascii", errors="replace"), fields)
        found = self.check(shown, name)
        if found.attribute.card != card:
            raise Problem(
                "ordinance.untrusted",
                "it was written for another card",
                what.id,
                "the card in the reader",
                "Do not rely on this card; report it to the municipality.",
            )
        return found

    def check(self, shown: str, name: str) -> ReadAttribute:
        """What a token says that was passed on without the card. Raises as `read_attribute`.

        That the card was there, whoever passed it on has seen; a reader that wants to know asks the card itself.
        """
        now = self.clock.now()
        attribute = attributes.check(shown, application(name), self.trusted, now)
        caution = self.revocations.caution(attribute.issuer, attribute.id, now)
        return ReadAttribute(attribute, shown, (caution,) if caution else ())

    def _begin(self, transmit: Transmit, what: OrdinanceApplication) -> tuple[CardTerminal, str]:
        if what.access is not Access.TERMINAL:
            at_card = CardTerminal(transmit)
            return at_card, proved_card(at_card, self.authority, self.randomness)
        if self.terminal is None:
            raise Problem(
                "card.not_allowed",
                "this counter has no key of the municipality",
                what.id,
                f"one of the {what.readers}",
                "Read it at such a terminal.",
            )
        session = OfficeSession(transmit, self.terminal)
        return session.terminal, proved_card(session.terminal, self.authority, self.randomness)


def proved_card(at_card: CardTerminal, authority: EllipticCurvePublicKey, randomness: RandomSource) -> str:
    """The thumbprint of the key of the genuine card in the reader. Raises Problem(card.not_genuine)."""
    challenge = randomness.token_bytes(_CHALLENGE_BYTES)
    proof = at_card.internal_authenticate(challenge)
    proof.check(authority, challenge)
    return thumbprint(certified_card(proof.certificate, authority).key)


def _of(name: str, method: Method) -> OrdinanceApplication:
    what = application(name)
    if what.method is not method:
        raise Problem(
            "ordinance.unknown", f"{name} goes by method {what.method.value}", expected=f"method {method.value}"
        )
    return what
