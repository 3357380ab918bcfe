"""The virtual reader: real pcscd and vpcd, side by side, gone with whoever started them, however that ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from card_programs import needs, virtual_reader
from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.reader.virtual import PORT, READER_NAME, Slots, VirtualReader

pytestmark = needs("virtual-reader", "opensc")

SEND_ATR, ATR = b"\x04", bytes.fromhex("3BE000FF8131FE4514")
KEEPING = """
import sys
from pathlib import Path
from kumihimo.roles.card.reader.virtual import VirtualReader

reader = VirtualReader(Path(sys.argv[1]))
print(reader.slots.keeper, Path(sys.argv[1], "pcscd.pid").read_text().splitlines()[0], flush=True)
sys.stdin.read()
"""
TOUCHING = f"import socket; socket.create_connection(('127.0.0.1', {PORT})); print('in', flush=True); input()"


@pytest.fixture
def reader() -> Iterator[VirtualReader]:
    with virtual_reader() as kept:
        yield kept


@contextmanager
def present(card: socket.socket) -> Iterator[None]:
    """A card that says that it is there, and nothing else."""

    def answer() -> None:
        with suppress(OSError):
            while one := asked(card):
                if one == SEND_ATR:
                    card.sendall(len(ATR).to_bytes(2, "big") + ATR)

    answering = threading.Thread(target=answer)
    answering.start()
    yield
    card.shutdown(socket.SHUT_RDWR)
    answering.join()
    card.close()


def asked(card: socket.socket) -> bytes:
    """What vpcd asks of the card next."""
    length = int.from_bytes(card.recv(2, socket.MSG_WAITALL), "big")
    return card.recv(length, socket.MSG_WAITALL)


def listed(reader: VirtualReader) -> list[str]:
    """What OpenSC says of the readers, a line each."""
    told = subprocess.run(
        ["opensc-tool", "--list-readers"],
        env={**os.environ, **reader.environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line for line in told.stdout.splitlines() if READER_NAME in line]


def test_opensc_sees_the_two_slots_of_its_own_reader_and_no_other(reader: VirtualReader) -> None:
    with virtual_reader() as other:
        assert [line.split()[:2] for line in listed(reader)] == [["0", "No"], ["1", "No"]]
        with present(other.connect()):
            assert [line.split()[:2] for line in listed(other)][1] == ["1", "No"]
        assert [line.split()[:2] for line in listed(reader)] == [["0", "No"], ["1", "No"]]


def test_a_card_s_program_reaches_the_reader_and_nobody_outside_does(reader: VirtualReader) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", TOUCHING], check=True, capture_output=True)
    card = reader.run_card([sys.executable, "-c", TOUCHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert card.stdout is not None
    assert card.stdout.readline() == "in\n"
    card.communicate("\n", timeout=10)


def test_a_reader_that_another_process_keeps_can_be_found_by_its_folder(reader: VirtualReader) -> None:
    slots = Slots.of(reader.folder)
    assert slots == reader.slots
    with slots.connect(1) as card:
        assert asked(card) == SEND_ATR
    with pytest.raises(Problem) as caught:
        VirtualReader(reader.folder)
    assert caught.value.code == "card.busy"


def test_a_closed_reader_leaves_no_process_and_no_socket() -> None:
    with virtual_reader() as reader:
        pcscd = os.pidfd_open(int((reader.folder / "pcscd.pid").read_text().splitlines()[0]))
        card = reader.connect()
        reader.close()
        assert ended(pcscd)
        assert not {one.name for one in reader.folder.iterdir()} & {"pcscd.comm", "pcscd.pid", "keeper.pid"}
        with suppress(ConnectionResetError):
            while card.recv(100):  # what was said before the end
                pass
        with pytest.raises(Problem) as caught:
            Slots.of(reader.folder)
        assert caught.value.code == "card.no_reader"
        reader.close()


@pytest.mark.parametrize("victim", ["starter", "keeper", "pcscd"])
def test_nothing_is_left_when_one_of_them_is_killed(victim: str, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    starter = subprocess.Popen(
        [sys.executable, "-c", KEEPING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    keeper, pcscd = map(int, starter.stdout.readline().split())
    watched = {"keeper": os.pidfd_open(keeper), "pcscd": os.pidfd_open(pcscd)}
    os.kill({"starter": starter.pid, "keeper": keeper, "pcscd": pcscd}[victim], signal.SIGKILL)
    assert [name for name, pid in watched.items() if not ended(pid)] == []
    starter.communicate("", timeout=10)


def ended(process: int) -> bool:
    """Whether a process ends within ten seconds."""
    try:
        watching = select.poll()  # `select` knows no descriptor above 1,024, and a long test run has more
        watching.register(process, select.POLLIN)
        return bool(watching.poll(10_000))
    finally:
        os.close(process)
