"""A card as a process of its own (カードのプロセス): put into a virtual reader, it answers until it is taken out.

It speaks the protocol of vpcd, the virtual reader behind the real `pcscd`: two bytes of length (big endian), then a command;
one byte alone is 0 power off, 1 power on, 2 reset, 4 "your answer to reset". SIGTERM takes the card out. Being killed between
or during any two commands leaves it as the last of them, or as if that one had not been sent.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.card import Card, require_card
from kumihimo.roles.card.chip.disk import FolderDisk

VPCD_PORT: Final = 35_963
INSERTED: Final = "inserted"
"""The line on standard output once the card is in the reader."""
_POWER_OFF, _POWER_ON, _RESET, _ATR = 0, 1, 2, 4
_LENGTH_BYTES: Final = 2
_MOST_AT_ONCE: Final = 1 << 17


def run(folder: Path, port: int = VPCD_PORT, host: str = "127.0.0.1") -> None:
    """Put the card in `folder` into the virtual reader at `host:port`; returns when the reader hangs up or on SIGTERM.

    Prints `inserted` once it is in. Raises Problem(card.absent|card.busy|store.damaged|key.permissions|card.no_reader).
    """
    if not folder.is_dir():
        raise Problem("card.absent", "there is no such folder", where=str(folder), expected="a folder with a card")
    with closing(FolderDisk(folder)) as disk:
        require_card(disk)
        print(f"SOFTWARE CARD, a stand-in: its private keys are files in {folder}", file=sys.stderr, flush=True)
        with _slot(host, port) as slot:
            before = signal.signal(signal.SIGTERM, _taken_out)
            try:
                print(INSERTED, flush=True)
                serve(Card(disk), slot)
            except _TakenOut:
                pass
            finally:
                signal.signal(signal.SIGTERM, before)


def _slot(host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port))
    except OSError as error:
        raise Problem(
            "card.no_reader",
            f"no virtual reader at {host}:{port}: {error.strerror}",
            expected="pcscd with vpcd",
            advice="Start the virtual reader first.",
        ) from error


def serve(card: Card, slot: socket.socket) -> None:
    """Answer what comes in through `slot`, until the other end hangs up. Raises Problem(store.damaged) at power on."""
    slot.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    heard = b""
    while True:
        # Set anew each time, since the kernel clears it: without it each command waits 40 ms for its acknowledgement.
        slot.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        try:
            piece = slot.recv(_MOST_AT_ONCE)
        except ConnectionResetError:
            return
        if not piece:
            return
        heard += piece
        while (end := _end_of_first(heard)) is not None:
            answer = _answer(card, heard[_LENGTH_BYTES:end])
            heard = heard[end:]
            if answer is not None:
                try:
                    slot.sendall(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)
                except (BrokenPipeError, ConnectionResetError):
                    return


def _end_of_first(heard: bytes) -> int | None:
    """Where the first whole message ends."""
    if len(heard) < _LENGTH_BYTES:
        return None
    end = _LENGTH_BYTES + int.from_bytes(heard[:_LENGTH_BYTES], "big")
    return end if len(heard) >= end else None


def _answer(card: Card, message: bytes) -> bytes | None:
    if len(message) != 1:
        return card.transmit(message)
    if message[0] == _ATR:
        return card.atr
    if message[0] == _POWER_OFF:
        card.power_off()
    elif message[0] == _POWER_ON:
        card.power_on()
    elif message[0] == _RESET:
        card.reset()
    return None


class _TakenOut(BaseException):
    """SIGTERM. Not an Exception, so that no room of the card takes it for a fault of a command."""


def _taken_out(_number: int, _frame: FrameType | None) -> None:
    raise _TakenOut
