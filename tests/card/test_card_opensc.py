"""The card in the hands of programs that are not ours: OpenSC through the real pcscd and vpcd, signatures checked by openssl."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from card_programs import needs, virtual_reader
from kumihimo.roles.card.chip import FolderDisk, Pin
from kumihimo.roles.card.reader.virtual import PORT
from kumihimo.roles.card.terminal.specimen import PINS, SpecimenAuthority

pytestmark = needs("virtual-reader", "opensc", "opensc-pkcs11", "openssl")


class Desk:
    """A reader with a card, and programs that use it."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self.folder = folder

    def run(self, *program: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in program],
            env={**os.environ, "LC_ALL": "C", **self._environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def succeed(self, *program: str | Path) -> str:
        done = self.run(*program)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A card fresh from the office, in a virtual reader that has seen it."""
    with tempfile.TemporaryDirectory(prefix="card-") as name, virtual_reader() as reader:
        folder = Path(name)
        disk = FolderDisk(folder / "card")
        SpecimenAuthority().issued(disk)
        disk.close()
        program = (sys.executable, "-m", "kumihimo.roles.card.chip", folder / "card", "--port", str(PORT))
        with reader.run_card(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as card:
            made = Desk(dict(reader.environment), folder)
            made.succeed("opensc-tool", "--wait", "--atr")
            yield made
            card.terminate()


def test_opensc_knows_the_card_lists_it_and_signs_with_both_keys(desk: Desk) -> None:
    assert desk.succeed("opensc-tool", "-n").strip() == "jpki"
    assert desk.succeed("opensc-tool", "-a").strip() == "3b:e0:00:ff:81:31:fe:45:14"
    listed = desk.succeed("pkcs15-tool", "-D")
    for name in (
        "User Authentication PIN",
        "Digital Signature PIN",
        "User Authentication Key",
        "Digital Signature Key",
    ):
        assert f"[{name}]" in listed
    assert "JPKI (User Authentication PIN)" in desk.succeed("pkcs11-tool", "-L")
    assert "User Authentication Certificate" in desk.succeed("pkcs11-tool", "-O")
    (desk.folder / "form").write_text("転入届")
    for slot, number, pin in (("0", "01", Pin.AUTHENTICATION), ("1", "02", Pin.SIGNATURE)):
        login = ("pkcs11-tool", "--slot-index", slot, "--login", "--pin", PINS[pin], "--id", number)
        desk.succeed(*login, "--sign", "-m", "SHA256-RSA-PKCS", "-i", "form", "-o", "signature")
        desk.succeed(*login, "--read-object", "--type", "cert", "-o", "certificate")
        public = desk.succeed("openssl", "x509", "-inform", "DER", "-in", "certificate", "-noout", "-pubkey")
        (desk.folder / "public").write_text(public)
        verified = desk.succeed("openssl", "dgst", "-sha256", "-verify", "public", "-signature", "signature", "form")
        assert verified.strip() == "Verified OK"


def test_opensc_is_told_of_wrong_pins_and_of_the_locked_one(desk: Desk) -> None:
    login = ("pkcs11-tool", "--login", "-O", "--pin")
    for left in (2, 1, 0):
        assert "CKR_PIN_INCORRECT" in desk.run(*login, "9999").stderr
        assert f"Tries left     : {left}" in desk.succeed("pkcs15-tool", "-D")
    assert "CKR_PIN_LOCKED" in desk.run(*login, "9999").stderr
    assert "CKR_PIN_LOCKED" in desk.run(*login, PINS[Pin.AUTHENTICATION]).stderr
    assert "Digital Signature Key" in desk.succeed(
        "pkcs11-tool", "--slot-index", "1", "--login", "--pin", PINS[Pin.SIGNATURE], "-O"
    )


def test_opensc_cannot_read_the_signature_certificate_without_the_pin(desk: Desk) -> None:
    assert "Digital Signature Certificate CA" in desk.succeed("pkcs11-tool", "-O")
    assert "cert: Digital Signature Certificate\n" not in desk.succeed("pkcs11-tool", "--slot-index", "1", "-O")
    refused = desk.run(
        "opensc-tool", "-s", "00A4040C0AD392F000260100000001", "-s", "00A4020C020001", "-s", "00B0000000"
    )
    assert "SW1=0x69, SW2=0x82" in refused.stdout


def test_an_exchange_takes_less_than_a_millisecond() -> None:
    """In a process of its own, since PC/SC reads once in a process where its reader is."""
    measured = subprocess.run(
        [
            sys.executable,
            "-c",
            "from kumihimo.roles.card.terminal.round_trips import measure_through_pcsc as m; print(m(200).apdu)",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert float(measured.stdout) < 0.001, measured.stderr
