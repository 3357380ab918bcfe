"""The card as a process: vpcd's protocol, a folder of its own, an end at SIGTERM, and killed at any moment."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from card_country import CardCountry

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Algorithm, FolderDisk, Pin
from kumihimo.roles.card.chip.process import INSERTED, run
from kumihimo.roles.card.terminal import CardTerminal
from kumihimo.roles.card.terminal.specimen import PINS, Applicant

WRONG_TEXT_PIN = bytes.fromhex("00200080") + b"\x040000"
ATR = bytes.fromhex("3BE000FF8131FE4514")


class Slot:
    """vpcd's end of one slot."""

    def __init__(self, card: socket.socket) -> None:
        self._card = card
        card.settimeout(20)

    def tell(self, control: int) -> None:
        self._card.sendall(b"\x00\x01" + bytes((control,)))

    def send(self, raw: bytes) -> None:
        self._card.sendall(len(raw).to_bytes(2, "big") + raw)

    def transmit(self, raw: bytes) -> bytes:
        self.send(raw)
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def answers(self) -> list[bytes]:
        """What was still answered before the end."""
        heard: list[bytes] = []
        with suppress(ConnectionError):
            while True:
                heard.append(self._exactly(int.from_bytes(self._exactly(2), "big")))
        return heard

    def _exactly(self, count: int) -> bytes:
        heard = b""
        while len(heard) < count:
            piece = self._card.recv(count - len(heard))
            if not piece:
                raise ConnectionResetError
            heard += piece
        return heard


@pytest.fixture
def folder(country: CardCountry, tmp_path: Path) -> Path:
    """A card on a real disk."""
    card = tmp_path / "card"
    disk = FolderDisk(card)
    country.authority.issued(disk, country.x_city, Applicant(Algorithm.P_384))
    disk.close()
    return card


@contextmanager
def inserted(folder: Path) -> Iterator[tuple[Slot, subprocess.Popen[str]]]:
    """The card's process, in a slot that has given it power."""
    with socket.create_server(("127.0.0.1", 0)) as vpcd:
        program = (sys.executable, "-m", "kumihimo.roles.card.chip", folder, "--port", str(vpcd.getsockname()[1]))
        with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                card, _ = vpcd.accept()
                with card:
                    slot = Slot(card)
                    slot.tell(1)
                    yield slot, process
            finally:
                process.kill()


def test_it_speaks_as_vpcd_expects_and_says_that_it_is_no_chip(folder: Path) -> None:
    with inserted(folder) as (slot, process):
        assert slot.transmit(b"\x04") == ATR
        terminal = CardTerminal(slot.transmit)
        terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
        assert terminal.number()
        slot.tell(2)
        with pytest.raises(Problem, match="not allow"):
            terminal.number()
        slot.tell(0)
        assert slot.transmit(bytes.fromhex("00A4040C")) == bytes.fromhex("6581")
        slot.tell(1)
        assert terminal.tries_left(Pin.TEXT) == 3
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, f"{INSERTED}\n")
        assert "SOFTWARE CARD" in err


def test_it_ends_when_the_reader_does(folder: Path) -> None:
    with inserted(folder) as (slot, process):
        slot._card.close()
        assert process.wait(20) == 0


def test_killed_at_any_moment_it_begins_where_it_was(folder: Path) -> None:
    """Guesses are sent in a row and the process is killed among them: each that was answered has cost its try."""
    left = 3
    for sent in (1, 2, 3):
        with inserted(folder) as (slot, process):
            terminal = CardTerminal(slot.transmit)
            assert terminal.tries_left(Pin.TEXT) <= left
            left = terminal.tries_left(Pin.TEXT)
            for _ in range(sent):
                slot.send(WRONG_TEXT_PIN)
            process.kill()
            left -= sum(answer[0] == 0x63 for answer in slot.answers())
    with inserted(folder) as (slot, _process):
        assert CardTerminal(slot.transmit).tries_left(Pin.TEXT) <= max(left, 0)


def test_its_folder_is_its_owners_alone_and_says_what_it_is(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir())
    assert "SOFTWARE CARD" in (folder / "SOFTWARE-CARD.txt").read_text()


def test_a_key_that_others_could_have_read_is_no_key_any_more(folder: Path) -> None:
    next(folder.glob("secret-*")).chmod(0o644)
    with pytest.raises(Problem, match=r"key\.permissions"):
        run(folder, 1)


def test_a_card_is_in_one_reader_at_a_time(folder: Path) -> None:
    disk = FolderDisk(folder)
    with pytest.raises(Problem, match=r"card\.busy"):
        run(folder, 1)
    disk.close()


def test_without_a_card_or_a_reader_it_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for where, code in ((tmp_path / "none", "absent"), (tmp_path / "empty", "absent"), (folder, "no_reader")):
        with pytest.raises(Problem, match=rf"card\.{code}"):
            run(where, 1)
    assert not (tmp_path / "none").exists()


def test_a_state_that_was_altered_is_not_used(folder: Path) -> None:
    for name in ("state", next(file.name for file in folder.glob("content-*"))):
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(good[:-1] + bytes((good[-1] ^ 1,)))
        with pytest.raises(Problem, match=r"store\.damaged"):
            run(folder, 1)
        (folder / name).write_bytes(good)
