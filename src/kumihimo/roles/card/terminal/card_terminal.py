"""The resident's and the counter's side of the card (利用者・窓口端末): one method for each thing a card does.

Each method selects the application it needs first, so that several terminals may share a card. A PIN stays verified as long
as its application stays selected: verify, then read or sign in the same application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip import layout, reading, signing
from kumihimo.roles.card.chip.apdu import SHORT, Command
from kumihimo.roles.card.chip.layout import (
    AIDS,
    ORDINANCE_CONTENT,
    ORDINANCE_PIN,
    ORDINANCE_PIN_FILE,
    Access,
    Key,
    Pin,
    PinRule,
    municipality_of,
)
from kumihimo.roles.card.chip.pins import NEW_ONLY, SELECTED
from kumihimo.roles.card.chip.status import Status
from kumihimo.roles.card.chip.tlv import objects, one_each
from kumihimo.roles.card.terminal.proofs import CardProof, TextProof
from kumihimo.roles.card.terminal.texts import FourItemsOnCard, VisualEntries, number_text
from kumihimo.roles.card.terminal.wire import Transmit, ask, order, problem

_TRIES: Final = 0x63C0


@dataclass(frozen=True)
class OrdinanceEntry:
    """An ordinance application as the card lists it."""

    aid: bytes
    access: Access

    @property
    def municipality(self) -> str:
        """Six-digit code of the municipality it belongs to."""
        return municipality_of(self.aid) or ""


class CardTerminal:
    """Talks to the card behind `transmit`. Every method raises a Problem `card.…` for what the card refuses."""

    def __init__(self, transmit: Transmit) -> None:
        self._transmit = transmit

    def authentication_certificate(self) -> bytes:
        """利用者証明用電子証明書 in DER."""
        return self._read_at(layout.AUTHENTICATION_CERTIFICATE)

    def signature_certificate(self, pin: str) -> bytes:
        """署名用電子証明書 in DER; it holds the four items, so it takes the signature PIN. Raises as `verify`."""
        self.verify(Pin.SIGNATURE, pin)
        return self._read_at(layout.SIGNATURE_CERTIFICATE)

    def ca_certificates(self) -> tuple[bytes, bytes]:
        """The certificates of the CAs for authentication and for signature, in DER."""
        return self._read_at(layout.AUTHENTICATION_CA), self._read_at(layout.SIGNATURE_CA)

    def tries_left(self, which: Pin) -> int:
        """How many tries are left; 0 for a locked PIN and one that was never set."""
        self._select_pin(which)
        status = ask(self._transmit, Command(0x00, 0x20, 0x00, SELECTED)).status
        if status & 0xFFF0 != _TRIES:
            raise problem(status, which.name)
        return status & 0x0F

    def verify(self, which: Pin, pin: str) -> None:
        """Verify a PIN. Raises Problem(card.pin_format|card.pin_wrong|card.pin_blocked|card.state)."""
        _require_form(which.rule, pin, which.name)
        self._select_pin(which)
        self._order(Command(0x00, 0x20, 0x00, SELECTED, pin.encode()), which.name)

    def change_pin(self, which: Pin, old: str, new: str) -> None:
        """Change a PIN. The old one counts as a try. Raises as `verify`."""
        _require_form(which.rule, new, f"new {which.name}")
        self.verify(which, old)
        self._order(Command(0x00, 0x24, NEW_ONLY, SELECTED, new.encode()), which.name)

    def sign(self, key: Key, digest_info: bytes) -> bytes:
        """A signature, after `verify(key.pin, …)`.

        RSA-2048: over a DigestInfo, PKCS #1 v1.5, 256 bytes. P-384: over a digest of 48 bytes, r and s, 96 bytes.
        """
        self._select(AIDS[layout.JPKI], "JPKI")
        self._select_file(key.value, key.name)
        command = Command(0x80, 0x2A, 0x00, signing.SIGN, digest_info, SHORT)
        return self._order(command, key.name)

    def number(self) -> str:
        """The Individual Number, after `verify(Pin.TEXT, …)`. Never log it."""
        return number_text(self._read_at(layout.NUMBER))

    def four_items(self) -> FourItemsOnCard:
        """The four items, after `verify(Pin.TEXT, …)`."""
        return FourItemsOnCard.from_bytes(self._read_at(layout.FOUR_ITEMS))

    def text_proof(self) -> TextProof:
        """The issuing office's proof of number and four items, after `verify(Pin.TEXT, …)`."""
        places = (layout.NUMBER, layout.FOUR_ITEMS, layout.PROOF, layout.PROOF_CERTIFICATE)
        return TextProof.from_files(*(self._read_at(place) for place in places))

    def visual_entries(self) -> VisualEntries:
        """What is printed on the front, after `verify` of Pin.VISUAL_A or Pin.VISUAL_B."""
        return VisualEntries.from_bytes(self._read_at(layout.VISUAL_ENTRIES))

    def visual_number(self) -> str:
        """The number printed on the back, after `verify(Pin.VISUAL_A, …)`."""
        return number_text(self._read_at(layout.VISUAL_NUMBER))

    def resident_code(self) -> str:
        """The resident code, after `verify(Pin.REGISTER, …)`."""
        return self._read_at(layout.RESIDENT_CODE).decode("ascii")

    def card_serial(self) -> str:
        """The card's serial."""
        self._select(AIDS[layout.COMMON], "common application")
        command = Command(0x00, 0xB2, 0x01, layout.SERIAL_SFI << 3 | 0x04, expected=SHORT)
        return self._order(command, "serial").decode("ascii")

    def is_blank(self) -> bool:
        """Whether nobody has personalised the card yet."""
        return self._get_data(reading.LIFE, 1) == b"\0"

    def internal_authenticate(self, challenge: bytes) -> CardProof:
        """The card's proof that it is no copy; `challenge` are 16 to 64 fresh random bytes. Leaves no application."""
        command = Command(0x00, 0x88, 0x00, 0x00, challenge, SHORT)
        try:
            found = one_each(self._order(command, "INTERNAL AUTHENTICATE"))
            return CardProof(found[signing.CERTIFICATE_TAG], found[signing.SIGNATURE_TAG])
        except (ValueError, KeyError) as error:
            raise Problem("card.wrong", "the card's proof of itself cannot be read") from error

    def ordinance_applications(self) -> list[OrdinanceEntry]:
        """The ordinance applications on the card, by AID."""
        try:
            entries = [one_each(body) for _, body in objects(self._get_data(reading.ORDINANCES, SHORT))]
            return [OrdinanceEntry(one[reading.AID_TAG], Access(one[reading.ACCESS_TAG][0])) for one in entries]
        except (ValueError, KeyError, IndexError) as error:
            raise Problem("card.wrong", "the card's list of ordinance applications cannot be read") from error

    def read_ordinance(self, aid: bytes, pin: str | None = None) -> bytes:
        """The content of an ordinance application, with its own PIN where it asks for one. Raises as `verify`."""
        self._select(aid, aid.hex())
        if pin is not None:
            _require_form(ORDINANCE_PIN, pin, aid.hex())
            self._select_file(ORDINANCE_PIN_FILE, aid.hex())
            self._order(Command(0x00, 0x20, 0x00, SELECTED, pin.encode()), aid.hex())
        return self._read(ORDINANCE_CONTENT, aid.hex())

    def ordinance_tries_left(self, aid: bytes) -> int:
        """How many tries the PIN of an ordinance application has left."""
        self._select(aid, aid.hex())
        self._select_file(ORDINANCE_PIN_FILE, aid.hex())
        status = ask(self._transmit, Command(0x00, 0x20, 0x00, SELECTED)).status
        if status & 0xFFF0 != _TRIES:
            raise problem(status, aid.hex())
        return status & 0x0F

    def free_space(self) -> int:
        """Bytes left for ordinance applications, each of which takes `ORDINANCE_OVERHEAD` besides its content."""
        return int.from_bytes(self._get_data(reading.FREE_SPACE, 8)[:4], "big")

    def _order(self, command: Command, where: str) -> bytes:
        return order(self._transmit, command, where)

    def _get_data(self, what: int, expected: int) -> bytes:
        return self._order(Command(0x00, 0xCA, what >> 8, what & 0xFF, expected=expected), "GET DATA")

    def _select(self, aid: bytes, where: str) -> None:
        self._order(Command(0x00, 0xA4, reading.BY_AID, reading.NO_ANSWER, aid), where)

    def _select_file(self, file: int, where: str) -> None:
        command = Command(0x00, 0xA4, reading.BY_FILE, reading.NO_ANSWER, file.to_bytes(2, "big"))
        self._order(command, where)

    def _select_pin(self, which: Pin) -> None:
        self._select(AIDS[which.application], which.application)
        self._select_file(which.file, which.name)

    def _read_at(self, place: str) -> bytes:
        application, _, file = place.partition("/")
        self._select(AIDS[application], application)
        return self._read(int(file, 16), place)

    def _read(self, file: int, where: str) -> bytes:
        """A whole file, in short pieces, which every reader can pass on."""
        self._select_file(file, where)
        content = b""
        while True:
            offset = len(content)
            answer = ask(self._transmit, Command(0x00, 0xB0, offset >> 8, offset & 0xFF, expected=SHORT))
            if offset and answer.status == Status.WRONG_OFFSET:
                return content
            if answer.status != Status.OK:
                raise problem(answer.status, where)
            content += answer.data
            if len(answer.data) < SHORT:
                return content


def _require_form(rule: PinRule, pin: str, where: str) -> None:
    if not rule.allows(pin):
        raise Problem("card.pin_format", "not a PIN of this kind; no try was taken", where, expected=rule.words)
