"""What an exchange with the card costs (往復時間): SELECT, READ BINARY, and VERIFY with its durable writes.

Measured from the terminal's side, over whatever passes the commands on: through the real PC/SC for figures worth quoting.
The card must be a specimen's or another whose PIN for texts is known, since it is verified again and again.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from kumihimo.roles.card.chip.apdu import SHORT, Command
from kumihimo.roles.card.chip.disk import FolderDisk
from kumihimo.roles.card.chip.layout import AIDS, AUTHENTICATION_CERTIFICATE, JPKI, Pin
from kumihimo.roles.card.chip.pins import SELECTED
from kumihimo.roles.card.chip.reading import BY_AID, BY_FILE, NO_ANSWER
from kumihimo.roles.card.reader.pcsc import open_card
from kumihimo.roles.card.reader.virtual import PORT, VirtualReader
from kumihimo.roles.card.terminal.specimen import PINS, SpecimenAuthority
from kumihimo.roles.card.terminal.wire import Transmit, order

_WARM_UP: Final = 20
_PATIENCE: Final = 10.0  # seconds until a card that was put in is seen


@dataclass(frozen=True)
class RoundTrips:
    """Medians in seconds, over as many rounds as were asked for."""

    select: float
    """SELECT of an application."""
    read: float
    """READ BINARY of 256 bytes of a certificate."""
    verify: float
    """VERIFY with the right PIN, which makes two states durable."""

    @property
    def apdu(self) -> float:
        """The slower of those that write nothing."""
        return max(self.select, self.read)


def measure_round_trips(transmit: Transmit, text_pin: str, rounds: int = 500) -> RoundTrips:
    """Measure on the card behind `transmit`. Raises what a terminal raises where the card is not as expected."""
    select_jpki = Command(0x00, 0xA4, BY_AID, NO_ANSWER, AIDS[JPKI])
    select = _median(lambda: order(transmit, select_jpki, "SELECT"), rounds)
    certificate = bytes.fromhex(AUTHENTICATION_CERTIFICATE.partition("/")[2])
    order(transmit, Command(0x00, 0xA4, BY_FILE, NO_ANSWER, certificate), "SELECT")
    piece = Command(0x00, 0xB0, 0x00, 0x00, expected=SHORT)
    read = _median(lambda: order(transmit, piece, "READ BINARY"), rounds)
    order(transmit, Command(0x00, 0xA4, BY_AID, NO_ANSWER, AIDS[Pin.TEXT.application]), "SELECT")
    order(transmit, Command(0x00, 0xA4, BY_FILE, NO_ANSWER, Pin.TEXT.file.to_bytes(2, "big")), "SELECT")
    right = Command(0x00, 0x20, 0x00, SELECTED, text_pin.encode())
    verify = _median(lambda: order(transmit, right, "VERIFY"), max(rounds // 10, 1), warm_up=1)
    return RoundTrips(select, read, verify)


def measure_through_pcsc(rounds: int = 500) -> RoundTrips:
    """Measure on a specimen card in a process of its own, behind a virtual reader: the real pcscd and vpcd.

    It points this process's PC/SC at that reader, which works once in the life of a process and before its first use of
    PC/SC. Raises Problem(card.unavailable) naming what is missing.
    """
    with TemporaryDirectory(prefix="card-") as folder, VirtualReader(Path(folder, "reader")) as reader:
        card = Path(folder, "card")
        disk = FolderDisk(card)
        SpecimenAuthority().issued(disk)
        disk.close()
        os.environ.update(reader.environment)
        program = (sys.executable, "-m", "kumihimo.roles.card.chip", card, "--port", str(PORT))
        with reader.run_card(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                with open_card(patience=_PATIENCE) as connection:
                    return measure_round_trips(connection, PINS[Pin.TEXT], rounds)
            finally:
                process.terminate()


def _median(work: Callable[[], object], rounds: int, warm_up: int = _WARM_UP) -> float:
    """The median time of `work`, in seconds."""
    for _ in range(warm_up):
        work()
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
