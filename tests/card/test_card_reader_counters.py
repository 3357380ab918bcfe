"""Counters at work over the real PC/SC: a number is verified, ordinance applications are written and read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from card_country import NUMBER, PINS, X_CITY, authority, issued_card, x_city
from card_in_slot import InSlot, pulled_for_good

from card_programs import needs
from kumihimo.domain.kernel import FixedClock, Problem, SystemRandomness
from kumihimo.roles.card import number_verification
from kumihimo.roles.card.chip import FolderDisk
from kumihimo.roles.card.ordinance import (
    AccessLedger,
    Counter,
    IssueBook,
    Issuer,
    IssuerEntry,
    OrdinanceOffice,
    TrustedIssuers,
)
from kumihimo.roles.card.reader import open_card
from kumihimo.roles.card.reader.virtual import VirtualReader

pytestmark = needs("virtual-reader", "python:smartcard", "python:sd_jwt")

PATIENCE = 10.0
CLOCK = FixedClock(datetime(2026, 11, 23, 3, 0, tzinfo=UTC))
CHANCE = SystemRandomness()
SHELTER = {
    "name": "総務花子",
    "household": 3,
    "shelter": "中央小学校",
    "needs": "なし",
    "medicines": "なし",
    "contact": "x",
}


@pytest.fixture
def inserted(pcsc: VirtualReader, tmp_path: Path) -> Iterator[InSlot]:
    with InSlot(pcsc, issued_card(FolderDisk(tmp_path / "card"))) as slot:
        yield slot


def test_a_number_is_verified_over_the_reader(inserted: InSlot) -> None:
    counter = number_verification.Counter(authority().public_key(), "tanaka", CLOCK, CHANCE)
    with open_card(PATIENCE) as card:
        assert counter.verify(card, PINS["text"]).number.digits == NUMBER


def test_a_card_pulled_at_the_counter_verifies_nobody(pcsc: VirtualReader, tmp_path: Path) -> None:
    def pull(slot: InSlot, command: bytes) -> None:
        if command[1] == 0x20:  # VERIFY
            slot.pull()

    counter = number_verification.Counter(authority().public_key(), "tanaka", CLOCK, CHANCE)
    card = issued_card(FolderDisk(tmp_path / "pulled"))
    with InSlot(pcsc, card, before=pull), open_card(PATIENCE) as connection, pulled_for_good(connection.reader):
        with pytest.raises(Problem) as caught:
            counter.verify(connection, PINS["text"])
        assert caught.value.code == "card.gone"


def test_ordinance_applications_are_written_and_read_over_the_reader(inserted: InSlot, tmp_path: Path) -> None:
    issuer, library = Issuer.new(X_CITY), AccessLedger(tmp_path / "library.db")
    entry = IssuerEntry.of(issuer, x_city(), date(2026, 1, 1), date(2030, 12, 31))
    trusted = TrustedIssuers([entry], authority().public_key())
    office = OrdinanceOffice(x_city(), issuer, IssueBook(tmp_path / "issued.db"), CLOCK, CHANCE)
    with open_card(PATIENCE) as card:
        office.add_key(card, "library-card", library, {"reader": "R-0042"})
        office.add_attribute(card, "evacuation-shelter-card", SHELTER)
    counter = Counter(authority().public_key(), trusted, CLOCK, CHANCE, terminal=x_city())
    with open_card(PATIENCE) as card:
        assert counter.look_up(card, "library-card", X_CITY, library) == {"reader": "R-0042"}
        read = counter.read_attribute(card, "evacuation-shelter-card", X_CITY, ("name",))
        assert dict(read.attribute.values) == {"name": "総務花子"}
