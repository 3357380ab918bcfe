"""What tests of the card share: one card-management CA, two cities' offices, and cards they have issued.

Keys are P-384 where it does not matter: the card makes them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from power_disk import PowerDisk

from kumihimo.roles.card.chip import CAPACITY, Algorithm, Card, Disk, Pin
from kumihimo.roles.card.terminal import OfficeKey, OfficeSession, Personalisation, specimen
from kumihimo.roles.card.terminal.specimen import ITEMS, NUMBER, Applicant, SpecimenAuthority

__all__ = ["ITEMS", "NUMBER", "Applicant", "Card"]

X_CITY, Y_CITY = "011002", "131016"
P_384 = Applicant(Algorithm.P_384)
PINS = {pin.name.lower(): value for pin, value in specimen.PINS.items() if pin not in (Pin.VISUAL_A, Pin.VISUAL_B)}


@cache
def specimen_authority() -> SpecimenAuthority:
    """The card-management CA of this test process."""
    return SpecimenAuthority()


def authority() -> ec.EllipticCurvePrivateKey:
    """Its key."""
    return specimen_authority().key


@cache
def x_city() -> OfficeKey:
    """X city's office."""
    return specimen_authority().office(X_CITY)


@cache
def y_city() -> OfficeKey:
    """Y city's office."""
    return specimen_authority().office(Y_CITY)


def blank_card(disk: Disk, capacity: int = CAPACITY) -> Card:
    """A card as the factory delivers it, with power."""
    return specimen_authority().blank(disk, capacity)


def contents(session: OfficeSession, who: Applicant = P_384) -> Personalisation:
    """Keys made on the card and everything to be written."""
    return specimen_authority().contents(session, who)


def issued_card(disk: Disk, who: Applicant = P_384, capacity: int = CAPACITY) -> Card:
    """A card X city has issued, with power."""
    return specimen_authority().issued(disk, x_city(), who, capacity)


@dataclass(frozen=True)
class CardCountry:
    """The CA, two cities it certifies, the disk of a card that X city has issued, and that of a blank one."""

    authority: SpecimenAuthority
    x_city: OfficeKey
    y_city: OfficeKey
    issued: PowerDisk
    blank: PowerDisk
