"""Verifying a number by the card (本人確認, 番号法第十六条): at a counter, with the holder's PIN, and without a network.

Three things are shown, and all are needed: the holder knows the PIN of the text application (券面事項入力補助); a municipality's
office, certified by the card-management CA, signed the number and the four items for this card's serial; and the card in
the reader is that card, for it signs a fresh challenge with the key that only it has. A copy of the files fails the third.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from kumihimo.domain.identity_check import IdentityCheck, by_card
from kumihimo.domain.kernel import Clock, IndividualNumber, Problem, RandomSource
from kumihimo.roles.card.terminal import CardTerminal, FourItemsOnCard, Pin, Transmit

CHALLENGE_BYTES: Final = 32


@dataclass(frozen=True)
class Verified:
    """A number and four items, as a card proved them. Prints the number masked and the items not at all.

    `municipality` is the code of the office that vouches for them; `card_serial` is for the counter's eyes, not for its files.
    """

    number: IndividualNumber
    four_items: FourItemsOnCard
    check: IdentityCheck
    municipality: str
    card_serial: str = field(repr=False)

    @property
    def at(self) -> datetime:
        """When it was proved."""
        return self.check.at


@dataclass(frozen=True)
class Counter:
    """A counter that verifies numbers: the card-management CA's key it trusts, who works there, clock and randomness."""

    authority: EllipticCurvePublicKey = field(repr=False)
    staff: str
    clock: Clock
    randomness: RandomSource

    def verify(self, transmit: Transmit, pin: str) -> Verified:
        """Verify the card behind `transmit`.

        Raises Problem(card.pin_wrong|pin_blocked|pin_format) for the PIN, (card.not_genuine) for a proof that does not hold
        or a card that is another than its texts were written for, (card.gone), (card.wrong).
        """
        now = self.clock.now()
        terminal = CardTerminal(transmit)
        challenge = self.randomness.token_bytes(CHALLENGE_BYTES)
        serial = terminal.internal_authenticate(challenge).check(self.authority, challenge)
        terminal.verify(Pin.TEXT, pin)
        proof = terminal.text_proof()
        municipality = proof.check(self.authority)
        if proof.card_serial != serial:
            raise Problem(
                "card.not_genuine",
                "number and four items were written for another card",
                expected="texts signed for the card in the reader",
                advice="Do not rely on this card; report it to the municipality.",
            )
        number = IndividualNumber.parse(proof.number, "card")
        return Verified(number, proof.four_items, by_card(self.staff, now), municipality, serial)
