"""Cards in memory."""

from __future__ import annotations

import pytest
from card_country import CardCountry, blank_card, issued_card, specimen_authority
from card_country import x_city as office_of_x_city
from card_country import y_city as office_of_y_city
from power_disk import PowerDisk

from kumihimo.roles.card.chip import Card
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession


@pytest.fixture(scope="session")
def country() -> CardCountry:
    issued, blank = PowerDisk(), PowerDisk()
    issued_card(issued)
    blank_card(blank)
    return CardCountry(specimen_authority(), office_of_x_city(), office_of_y_city(), issued, blank)


@pytest.fixture
def card(country: CardCountry) -> Card:
    """A card X city has issued, with power; each test has its own."""
    made = Card(country.issued.fresh())
    made.power_on()
    return made


@pytest.fixture
def terminal(card: Card) -> CardTerminal:
    """A terminal in which the card is."""
    return CardTerminal(card.transmit)


@pytest.fixture
def x_city(card: Card, country: CardCountry) -> OfficeSession:
    """X city's session with the card."""
    return OfficeSession(card.transmit, country.x_city)
