"""The stage of the log-in bench (ログイン計測の舞台): a resident's new card, of a country that is up, in a reader of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kumihimo.country.benches.login import LoginStage
from kumihimo.country.card_office import CardOffice
from kumihimo.country.card_pins import CardPins
from kumihimo.country.check_page import check_page
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako_household
from kumihimo.country.supervisor import pids
from kumihimo.domain.jpki import Document
from kumihimo.domain.kernel import SystemClock, SystemRandomness
from kumihimo.plumbing.wire.messages.cards import IdentityCheck
from kumihimo.roles.card.chip.process import INSERTED
from kumihimo.roles.card.reader.virtual import PORT, VirtualReader

_OFFICE = "x-city"
_STAFF = "計測"


@contextmanager
def set_up(country: Country) -> Iterator[LoginStage]:
    """Issue a card to 総務太郎, which ends the one he had, and put it into a reader.

    Raises Problem(country.not_running, card.unavailable).
    """
    pids(country)  # refuses a country that is down, before anything is asked of it
    office, pins = CardOffice.of(country, _OFFICE), CardPins.drawn(SystemRandomness())
    taro = hanako_household(country.founded).members[1]
    about = office.find(taro.four_items).addressee_number
    # What was shown is not checked by anybody here: he is synthetic, and the record says that it was for measuring.
    seen = IdentityCheck(documents=(Document.CARD_WITH_PIN,), checked_by=_STAFF, checked_at=SystemClock().now())
    card = office.issue(about, seen, pins)
    with tempfile.TemporaryDirectory(prefix="login-") as folder, VirtualReader(Path(folder, "r")) as reader:
        file = Path(folder, "pins.toml")
        with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as written:
            written.write(f'authentication = "{pins.authentication}"\nsignature = "{pins.signature}"\n')
        program = (sys.executable, "-m", "kumihimo.roles.card.chip", card.folder, "--port", str(PORT))
        with reader.run_card(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None  # noqa: S101 - a pipe
                if process.stdout.readline().strip() != INSERTED:
                    raise RuntimeError("the card did not get into the reader")
                yield LoginStage(reader.environment, file, check_page(country, _free_port()))
            finally:
                process.terminate()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
