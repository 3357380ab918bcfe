"""Proofs a counter can check without a network (カードによる証明): the office's over the texts, the card's over being no copy.

番号法第十六条 (本人確認): the number and the four items come from a municipality, signed at personalisation for this very card;
and the card in the reader is the one they were written to, since only it can sign with the key its certificate names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip import handshake
from kumihimo.roles.card.chip.certificates import Certified, card_of, office_of
from kumihimo.roles.card.chip.tlv import one_each, tlv
from kumihimo.roles.card.terminal.texts import FourItemsOnCard, day, number_bytes, number_text

_STATEMENT: Final = b"kumihimo/card/text-proof/v1"
_SERIAL: Final = 0x80
_MADE_ON: Final = 0x81
_SIGNATURE: Final = 0x9E


@dataclass(frozen=True)
class TextProof:
    """An office's signature over a card's serial, number and four items. `number_file` and `items_file` as on the card."""

    number_file: bytes = field(repr=False)
    items_file: bytes = field(repr=False)
    card_serial: str
    made_on: date
    signature: bytes = field(repr=False)
    office_certificate: bytes = field(repr=False)

    @property
    def number(self) -> str:
        """The 12 digits the proof is about."""
        return number_text(self.number_file)

    @property
    def four_items(self) -> FourItemsOnCard:
        """The four items the proof is about."""
        return FourItemsOnCard.from_bytes(self.items_file)

    def check(self, authority: EllipticCurvePublicKey) -> str:
        """The code of the municipality that vouches for it. Raises Problem(card.not_genuine)."""
        try:
            office = office_of(self.office_certificate, authority)
        except ValueError as error:
            raise _not_genuine(f"the office's certificate: {error}") from error
        if not office.valid_on(self.made_on):
            raise _not_genuine(f"made on {self.made_on}, when the office's certificate was not valid")
        if not handshake.holds(office.key, self.statement, self.signature):
            raise _not_genuine("number and four items are not those the office signed for this card")
        return office.name

    @property
    def statement(self) -> bytes:
        """What the office signs."""
        return handshake.framed(
            _STATEMENT, self.card_serial.encode(), self.made_on.isoformat().encode(), self.number_file, self.items_file
        )

    def to_file(self) -> bytes:
        """As the card's file holds it."""
        made_on = f"{self.made_on:%Y%m%d}".encode()
        return tlv(_SERIAL, self.card_serial.encode()) + tlv(_MADE_ON, made_on) + tlv(_SIGNATURE, self.signature)

    @classmethod
    def from_files(cls, number_file: bytes, items_file: bytes, proof_file: bytes, certificate: bytes) -> TextProof:
        """The proof out of the four files of the text application. Raises Problem(card.wrong)."""
        try:
            found = one_each(proof_file)
            serial, made_on = found[_SERIAL].decode("ascii"), day(found[_MADE_ON])
            return cls(number_file, items_file, serial, made_on, found[_SIGNATURE], certificate)
        except (ValueError, KeyError) as error:
            raise Problem("card.wrong", "the card's proof cannot be read") from error


def make_text_proof(
    number: str,
    four_items: FourItemsOnCard,
    card_serial: str,
    made_on: date,
    office: EllipticCurvePrivateKey,
    office_certificate: bytes,
) -> TextProof:
    """The proof an office writes beside the texts."""
    bare = TextProof(number_bytes(number), four_items.to_bytes(), card_serial, made_on, b"", office_certificate)
    signature = handshake.sign(office, bare.statement)
    return TextProof(bare.number_file, bare.items_file, card_serial, made_on, signature, office_certificate)


@dataclass(frozen=True)
class CardProof:
    """A card's answer to a challenge: its certificate and its signature."""

    certificate: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def check(self, authority: EllipticCurvePublicKey, challenge: bytes) -> str:
        """The serial of the genuine card that answered this challenge. Raises Problem(card.not_genuine)."""
        card = certified_card(self.certificate, authority)
        if not handshake.holds(card.key, handshake.internal_statement(card.name, challenge), self.signature):
            raise _not_genuine("the card cannot sign as the one its certificate names: it is a copy")
        return card.name


def certified_card(certificate: bytes, authority: EllipticCurvePublicKey) -> Certified:
    """The card a certificate names. Raises Problem(card.not_genuine)."""
    try:
        return card_of(certificate, authority)
    except ValueError as error:
        raise _not_genuine(f"the card's certificate: {error}") from error


def _not_genuine(why: str) -> Problem:
    return Problem(
        "card.not_genuine",
        why,
        expected="what the card-management CA certified",
        advice="Do not rely on this card; report it to the municipality.",
    )
