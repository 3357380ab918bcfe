"""What tests in a real browser share: a JPKI with a responder, a resident's card in the reader, the check page, Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from card_in_slot import InSlot
from cryptography.hazmat.primitives.serialization import Encoding

from card_programs import missing, virtual_reader
from free_ports import free_port
from kumihimo.country.benches.card_browser import card_browser, playwright
from kumihimo.country.benches.login import running_site
from kumihimo.roles.card.check_site import CheckSiteSettings
from kumihimo.roles.card.chip import Card, FolderDisk
from kumihimo.roles.card.host.settings import HostSettings
from kumihimo.roles.card.reader.virtual import VirtualReader
from kumihimo.roles.card.terminal import Algorithm
from residents_card import PINS, residents_card
from small_jpki import SmallJpki

_TRIES, _SEEN_SECONDS = 5, 3.0
NEEDED = ("virtual-reader", "chromium", "Xvfb", "xdotool", "python:playwright", "python:tkinter")


# In a process of its own, since a process reads once where its pcscd is. Whoever is quicker than pcscd looks swaps a card
# unseen, and then the new one is never given power.
AWAIT_CARD = """
import sys, time
from smartcard import scard
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
_, names = scard.SCardListReaders(context, [])
states = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    _, found = scard.SCardGetStatusChange(context, 200, states)
    states = [(name, state) for name, state, _ in found] or states
    if any(state & scard.SCARD_STATE_PRESENT for _, state in states) == (sys.argv[1] == "in"):
        sys.exit(0)
sys.exit(1)
"""


@dataclass
class Town:
    """Everything a resident at home needs, running."""

    folder: Path
    jpki: SmallJpki
    reader: VirtualReader
    card: Card
    settings: CheckSiteSettings
    slot: InSlot | None = None
    before: list[Callable[[InSlot, bytes], None]] = field(default_factory=list)

    @property
    def site(self) -> str:
        return self.settings.origin

    def put_in(self) -> None:
        """The card into the reader; comes back when pcscd has seen it.

        A card put in while vpcd still clears away one that was pulled in the middle of a command may stay unseen: then, as
        people do, out with it and in again.
        """
        for _ in range(_TRIES):
            self.slot = InSlot(self.reader, self.card, before=lambda slot, raw: [see(slot, raw) for see in self.before])
            if self._is_seen("in"):
                return
            self._out()
        raise AssertionError("the card is not seen")

    def pull(self) -> None:
        """The card out of it; comes back when pcscd has seen that."""
        self._out()
        assert self._is_seen("out")

    def _out(self) -> None:
        if self.slot is not None:
            self.slot.__exit__(None, None, None)
            self.slot = None

    def _is_seen(self, where: str) -> bool:
        environment = {**os.environ, **self.reader.environment}
        looking = [sys.executable, "-c", AWAIT_CARD, where, str(_SEEN_SECONDS)]
        return subprocess.run(looking, env=environment, check=False).returncode == 0


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """One town for all tests of the run."""
    if lacking := missing(*NEEDED):
        pytest.skip("NOT RUN for want of " + ", ".join(lacking))
    jpki = SmallJpki(now=datetime.now(UTC))
    with (
        tempfile.TemporaryDirectory(prefix="town-") as name,
        virtual_reader() as reader,
        jpki.responder(),
    ):
        folder = Path(name)
        for kind, ca in jpki.cas.items():
            (folder / f"{kind}.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
        (folder / "card").mkdir(mode=0o700)
        card = residents_card(FolderDisk(folder / "card"), jpki, Algorithm.RSA_2048)
        settings = CheckSiteSettings(
            folder / "site", folder / "authentication.pem", folder / "signature.pem", port=free_port()
        )
        town = Town(folder, jpki, reader, card, settings)
        town.put_in()
        with running_site(settings):
            yield town
        town.pull()


@pytest.fixture(scope="session")
def pins(town: Town) -> Path:
    """The stand-in's file of PINs."""
    path = town.folder / "pins.toml"
    path.write_text("".join(f'{name} = "{PINS[name]}"\n' for name in ("authentication", "signature")))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Playwright; for one file, since its loop goes on running in this thread, where others begin theirs."""
    if lacking := missing("python:playwright"):
        pytest.skip("NOT RUN for want of " + ", ".join(lacking))
    with playwright() as started:
        yield started


@pytest.fixture(scope="module")
def unattended(driver: Any, town: Town, pins: Path) -> Iterator[Any]:
    """A browser whose card program has the stand-in in the person's place."""
    settings = HostSettings(stand_in=pins, log=town.folder / "host.log")
    with card_browser(driver, town.folder / "unattended", settings, town.reader.environment) as browser:
        yield browser


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """A screen nobody looks at; its name for DISPLAY."""
    if lacking := missing("Xvfb"):
        pytest.skip("NOT RUN for want of " + ", ".join(lacking))
    receiving, sending = os.pipe()
    command = ["Xvfb", "-displayfd", str(sending), "-screen", "0", "900x700x24", "-nolisten", "tcp"]
    xvfb = subprocess.Popen(command, pass_fds=(sending,), stderr=subprocess.DEVNULL)
    os.close(sending)
    with os.fdopen(receiving) as told:
        display = f":{told.readline().strip()}"
    try:
        yield display
    finally:
        xvfb.terminate()
        xvfb.wait()


@pytest.fixture(scope="module")
def attended(driver: Any, town: Town, screen: str) -> Iterator[Any]:
    """A browser whose card program asks a person, at the screen."""
    environment = {**town.reader.environment, "DISPLAY": screen}
    with card_browser(driver, town.folder / "attended", HostSettings(), environment) as browser:
        yield browser
