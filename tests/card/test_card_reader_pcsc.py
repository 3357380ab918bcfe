"""Cards in readers, over the real PC/SC: one program at a time, nothing left verified, and a reason for every refusal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha384
from pathlib import Path

import pytest
from card_country import PINS, Card, blank_card, issued_card
from card_in_slot import InSlot, pulled_for_good, until_present, without_card

from card_programs import needs
from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import FolderDisk
from kumihimo.roles.card.reader import open_card, readers
from kumihimo.roles.card.reader.virtual import READER_NAME, VirtualReader
from kumihimo.roles.card.terminal import CardTerminal, Key, Pin

pytestmark = needs("virtual-reader", "python:smartcard")

PATIENCE = 10.0  # seconds, far more than pcscd takes to see a card
FIRST = f"{READER_NAME} 00 00"
AND_DIES = """
import os
from kumihimo.roles.card.reader import open_card
from kumihimo.roles.card.terminal import CardTerminal, Pin
card = open_card(10.0)
CardTerminal(card).verify(Pin.AUTHENTICATION, "1234")
print("verified", flush=True)
input()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return issued_card(FolderDisk(tmp_path / "card"))


@pytest.fixture
def inserted(pcsc: VirtualReader, card: Card) -> Iterator[InSlot]:
    with InSlot(pcsc, card) as slot:
        yield slot


def refused(patience: float = 0.0, reader: str | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        open_card(patience, reader)
    return caught.value


def python(program: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_readers_are_listed_by_name(pcsc: VirtualReader) -> None:
    assert readers() == (FIRST, f"{READER_NAME} 00 01")


def test_a_card_signs_over_pc_sc(inserted: InSlot) -> None:
    with open_card(PATIENCE) as connection:
        terminal = CardTerminal(connection)
        terminal.verify(Pin.AUTHENTICATION, PINS["authentication"])
        assert len(terminal.sign(Key.AUTHENTICATION, sha384(b"x").digest())) == 96
        assert connection.reader == FIRST


def test_without_a_card_one_is_asked_for(pcsc: VirtualReader) -> None:
    for name in readers():
        without_card(name)
    problem = refused()
    assert (problem.code, "Put the card in" in str(problem)) == ("card.none", True)


def test_a_card_is_waited_for(pcsc: VirtualReader, card: Card) -> None:
    for name in readers():
        without_card(name)
    opened: list[str] = []

    def wait() -> None:
        with open_card(PATIENCE) as connection:
            opened.append(connection.reader)

    waiting = threading.Thread(target=wait)
    waiting.start()
    with InSlot(pcsc, card, slot=1):
        waiting.join()
    assert opened == [f"{READER_NAME} 00 01"]


def test_a_reader_that_is_not_there_is_said_to_be_missing(pcsc: VirtualReader) -> None:
    problem = refused(reader="Another reader 00 00")
    assert (problem.code, problem.where) == ("card.no_reader", "Another reader 00 00")


def test_a_card_that_is_in_use_is_not_shared_and_is_had_when_the_other_lets_go(inserted: InSlot) -> None:
    other = open_card(PATIENCE)
    problem = refused(reader=FIRST)
    assert (problem.code, "another program" in problem.detail) == ("card.busy", True)
    opened: list[str] = []

    def wait() -> None:
        with open_card(PATIENCE) as connection:
            opened.append(connection.reader)

    waiting = threading.Thread(target=wait)
    waiting.start()
    other.close()
    waiting.join()
    assert opened == [FIRST]


def test_nothing_stays_verified_for_the_next_program(inserted: InSlot) -> None:
    with open_card(PATIENCE) as connection:
        CardTerminal(connection).signature_certificate(PINS["signature"])
        connection(bytes.fromhex("00A4040C0AD392F000260100000001"))
    with open_card(PATIENCE) as connection:
        assert connection(bytes.fromhex("00A4020C020001")) == b"\x90\x00"
        assert connection(bytes.fromhex("00B0000000")) == b"\x69\x82"


def test_nothing_stays_verified_either_when_a_program_is_killed(pcsc: VirtualReader, inserted: InSlot) -> None:
    program = python(AND_DIES, pcsc.environment)
    assert program.stdout is not None
    assert program.stdout.readline() == "verified\n"
    program.communicate("\n", timeout=10)
    with open_card(PATIENCE) as connection:
        with pytest.raises(Problem) as caught:
            CardTerminal(connection).sign(Key.AUTHENTICATION, sha384(b"x").digest())
        assert caught.value.code == "card.not_allowed"


def test_a_card_without_jpki_is_the_wrong_card(pcsc: VirtualReader, tmp_path: Path) -> None:
    with InSlot(pcsc, blank_card(FolderDisk(tmp_path / "blank")), slot=1):
        until_present(f"{READER_NAME} 00 01")
        problem = refused(reader=f"{READER_NAME} 00 01")
        assert (problem.code, problem.advice) == ("card.wrong", "Put in the Individual Number card.")


def test_a_card_pulled_while_it_signs_is_gone_and_stays_gone(pcsc: VirtualReader, card: Card) -> None:
    def pull(slot: InSlot, command: bytes) -> None:
        if command[:2] == b"\x80\x2a":
            slot.pull()

    with InSlot(pcsc, card, before=pull), open_card(PATIENCE, FIRST) as connection, pulled_for_good(FIRST):
        terminal = CardTerminal(connection)
        terminal.verify(Pin.AUTHENTICATION, PINS["authentication"])
        for _ in range(2):
            with pytest.raises(Problem) as caught:
                terminal.sign(Key.AUTHENTICATION, sha384(b"x").digest())
            assert caught.value.code == "card.gone"
            assert "pulled out" in caught.value.detail
            assert "Put the card in again" in (caught.value.advice or "")


@pytest.mark.parametrize(
    ("environment", "program", "said"),
    [
        ({"PCSCLITE_CSOCK_NAME": "/nowhere/pcscd.comm"}, "", "not running"),
        ({}, "import sys; sys.modules['smartcard.scard'] = None", "pyscard"),
    ],
)
def test_what_is_missing_on_a_machine_is_named(environment: dict[str, str], program: str, said: str) -> None:
    script = f"""
{program}
from kumihimo.roles.card.reader import open_card
from kumihimo.domain.kernel import Problem
try:
    open_card()
except Problem as problem:
    print(problem)
"""
    told, _ = python(script, environment).communicate(timeout=20)
    assert "[card.unavailable]" in told
    assert said in told
    assert "Run: " in told
