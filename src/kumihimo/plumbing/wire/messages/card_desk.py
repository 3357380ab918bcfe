"""Messages between a municipal desk and its own ledger about IC cards (ICカードの交付): asked at a window, passed on.

The desk knows people by addressee number, the certification authority by resident code; the ledger has the registry tell it
which belongs to which. What is to be written on the card comes back to the desk, which has the card before it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from kumihimo.plumbing.wire.envelope import Message, Reply
from kumihimo.plumbing.wire.messages.cards import (
    CardEvent,
    CardSerial,
    CertificatesIssued,
    IdentityCheck,
    KeyToCertify,
    Occasion,
)
from kumihimo.plumbing.wire.messages.residents import FourItemsPart


class ApplyForCard(Message):
    """Municipal desk → own ledger: this addressee, identified at the window, applies for certificates of these keys."""

    KIND: ClassVar[str] = "apply-for-card.v1"
    addressee_number: str
    occasion: Occasion
    card_serial: CardSerial
    identity: IdentityCheck
    keys: Annotated[tuple[KeyToCertify, ...], Field(min_length=1, max_length=2)]


class CardGranted(Reply):
    """What is to be written on the card: the certificates, and what its text applications hold."""

    KIND: ClassVar[str] = "card-granted.v1"
    issued: CertificatesIssued
    individual_number: str
    resident_code: str
    four_items: FourItemsPart


class CertifyOfficeKey(Message):
    """Municipal desk → own ledger: have this key of the office certified towards cards."""

    KIND: ClassVar[str] = "certify-office-key.v1"
    public_key: str
    proof: str


class CertifyCardKey(Message):
    """Municipal desk → own ledger: have the key of a new, blank card certified."""

    KIND: ClassVar[str] = "certify-card-key.v1"
    card_serial: CardSerial
    public_key: str
    proof: str


class TellOfCard(Message):
    """Municipal desk → own ledger: a card was lost, found, given back or stolen."""

    KIND: ClassVar[str] = "tell-of-card.v1"
    event: CardEvent
    card_serial: CardSerial
    reported_by: str
    identity: IdentityCheck | None = None


class ShowCards(Message):
    """Municipal desk → own ledger: the cards of an addressee, or one card by its serial."""

    KIND: ClassVar[str] = "show-cards.v1"
    addressee_number: str | None = None
    card_serial: CardSerial | None = None
