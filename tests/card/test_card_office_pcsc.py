"""An office at work through the real PC/SC: everything sealed, in extended commands as long as they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from card_country import P_384, X_CITY, Card, blank_card, specimen_authority, x_city
from card_in_slot import InSlot, pulled_for_good

from card_programs import needs
from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Access, FolderDisk, Key, Pin, ordinance_aid
from kumihimo.roles.card.chip.layout import AIDS, COMMON
from kumihimo.roles.card.reader.pcsc import open_card
from kumihimo.roles.card.reader.virtual import VirtualReader
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession, OrdinanceSpec
from kumihimo.roles.card.terminal.specimen import ITEMS, NUMBER, PINS, WRITTEN_ON

pytestmark = needs("virtual-reader", "python:smartcard")

PATIENCE = 10.0
PORTRAIT = bytes(range(256)) * 100


def test_a_card_is_issued_used_locked_and_unlocked(pcsc: VirtualReader, tmp_path: Path) -> None:
    disk = FolderDisk(tmp_path / "card")
    with InSlot(pcsc, blank_card(disk)):
        with open_card(PATIENCE, application=AIDS[COMMON]) as connection:
            session = OfficeSession(connection, x_city())
            session.personalise(replace(specimen_authority().contents(session, P_384), portrait=PORTRAIT))
            library = ordinance_aid(X_CITY, 1)
            session.create_ordinance(OrdinanceSpec(library, Access.TERMINAL), b"x" * 30_000)
            assert session.read_ordinance(library) == b"x" * 30_000
        with open_card(PATIENCE) as connection:
            terminal = CardTerminal(connection)
            terminal.verify(Pin.VISUAL_B, PINS[Pin.VISUAL_B])
            assert terminal.visual_entries().portrait == PORTRAIT
            for left in (2, 1, 0):
                with pytest.raises(Problem, match=f"{left} tr"):
                    terminal.verify(Pin.AUTHENTICATION, "0000")
            OfficeSession(connection, x_city()).unlock(Pin.AUTHENTICATION, "7777")
            terminal.verify(Pin.AUTHENTICATION, "7777")
            assert terminal.sign(Key.AUTHENTICATION, bytes(48))
        with open_card(PATIENCE) as connection, pytest.raises(Problem, match="not allow"):
            CardTerminal(connection).sign(Key.AUTHENTICATION, bytes(48))  # reset in between
    disk.close()


def test_a_card_pulled_while_the_office_writes_is_as_before_or_as_asked(pcsc: VirtualReader, tmp_path: Path) -> None:
    disk = FolderDisk(tmp_path / "card")
    card = specimen_authority().issued(disk, x_city(), P_384)
    sealed = 0

    def pull(slot: InSlot, command: bytes) -> None:
        nonlocal sealed
        sealed += command[0] == 0x0C
        if sealed == 2:
            slot.pull()

    with InSlot(pcsc, card, before=pull), open_card(PATIENCE) as connection, pulled_for_good(connection.reader):
        session = OfficeSession(connection, x_city())
        assert session.free_space()
        with pytest.raises(Problem, match=r"card\.gone"):
            session.update_text(NUMBER, replace(ITEMS, address="甲県X市北2丁目"), WRITTEN_ON)
    again = Card(disk)
    again.power_on()
    terminal = CardTerminal(again.transmit)
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    proof = terminal.text_proof()
    assert proof.four_items == terminal.four_items()
    assert proof.check(specimen_authority().public_key) == X_CITY
    disk.close()
