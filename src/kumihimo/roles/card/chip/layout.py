"""What is on the card (カードの構成): applications, files, PINs and keys, with who may read what.

公的個人認証法 (JPKI), 番号法第二条第七項 (券面・券面事項入力補助), 住民基本台帳法第三十条の四十四 (住基). Application ids, file
ids and PIN references are those that software for the Individual Number card uses, such as OpenSC's jpki driver.
A place on the card is written `application/file id`, such as `jpki/000A`; an ordinance application goes by its AID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

ATR: Final = bytes.fromhex("3BE000FF8131FE4514")

JPKI: Final = "jpki"
TEXT: Final = "text"
VISUAL: Final = "visual"
REGISTER: Final = "register"
COMMON: Final = "common"
AIDS: Final[dict[str, bytes]] = {
    JPKI: bytes.fromhex("D392F000260100000001"),
    TEXT: bytes.fromhex("D3921000310001010408"),
    VISUAL: bytes.fromhex("D3921000310001010402"),
    REGISTER: bytes.fromhex("D3921000310001010401"),
    COMMON: bytes.fromhex("D3921000310001010100"),
}
NAMES: Final[dict[bytes, str]] = {aid: name for name, aid in AIDS.items()}


@dataclass(frozen=True)
class PinRule:
    """What a PIN may look like and how many wrong ones in a row lock it."""

    pattern: re.Pattern[str]
    tries: int
    words: str

    def allows(self, pin: str) -> bool:
        """Whether `pin` has the right form."""
        return self.pattern.fullmatch(pin) is not None


_FOUR_DIGITS: Final = PinRule(re.compile("[0-9]{4}"), 3, "4 digits")
ORDINANCE_PIN: Final = PinRule(re.compile("[0-9]{4,8}"), 3, "4 to 8 digits")


class Pin(Enum):
    """暗証番号・照合番号: the PINs of the card; the value is its place."""

    AUTHENTICATION = "jpki/0018"
    """利用者証明用."""
    SIGNATURE = "jpki/001B"
    """署名用."""
    TEXT = "text/0011"
    """券面事項入力補助用."""
    REGISTER = "register/001C"
    """住民基本台帳用."""
    VISUAL_A = "visual/0013"
    """照合番号A: the Individual Number as printed on the card."""
    VISUAL_B = "visual/0012"
    """照合番号B: birth (YYMMDD), year the card ends (YYYY) and security code (4), as printed on the card."""

    @property
    def rule(self) -> PinRule:
        """Form and tries."""
        return PIN_RULES[self]

    @property
    def application(self) -> str:
        """The application the PIN belongs to."""
        return self.value.partition("/")[0]

    @property
    def file(self) -> int:
        """The file id under which it is selected."""
        return int(self.value.partition("/")[2], 16)


PIN_RULES: Final[dict[Pin, PinRule]] = {
    Pin.AUTHENTICATION: _FOUR_DIGITS,
    Pin.SIGNATURE: PinRule(re.compile("[A-Z0-9]{6,16}"), 5, "6 to 16 of A-Z and 0-9"),
    Pin.TEXT: _FOUR_DIGITS,
    Pin.REGISTER: _FOUR_DIGITS,
    Pin.VISUAL_A: PinRule(re.compile("[0-9]{12}"), 10, "the 12 digits of the number"),
    Pin.VISUAL_B: PinRule(re.compile("[0-9]{14}"), 10, "14 digits: birth, year of expiry, security code"),
}
UNCHANGEABLE: Final = frozenset({Pin.VISUAL_A, Pin.VISUAL_B})
"""They are printed on the card, so the resident cannot choose them."""


class Key(Enum):
    """The resident's keys; the value is the file id."""

    AUTHENTICATION = 0x0017
    """利用者証明用."""
    SIGNATURE = 0x001A
    """署名用."""

    @property
    def pin(self) -> Pin:
        """The PIN that allows a signature."""
        return Pin.AUTHENTICATION if self is Key.AUTHENTICATION else Pin.SIGNATURE

    @property
    def certificate(self) -> str:
        """The place of its certificate."""
        return AUTHENTICATION_CERTIFICATE if self is Key.AUTHENTICATION else SIGNATURE_CERTIFICATE


TOKEN: Final = "jpki/0006"  # noqa: S105 (a file of the card)
AUTHENTICATION_CERTIFICATE: Final = "jpki/000A"
AUTHENTICATION_CA: Final = "jpki/000B"
SIGNATURE_CERTIFICATE: Final = "jpki/0001"
SIGNATURE_CA: Final = "jpki/0002"
NUMBER: Final = "text/0001"
FOUR_ITEMS: Final = "text/0002"
PROOF: Final = "text/0003"
PROOF_CERTIFICATE: Final = "text/0004"
TEXT_BASIC: Final = "text/0005"
VISUAL_NUMBER: Final = "visual/0001"
VISUAL_ENTRIES: Final = "visual/0002"
VISUAL_BASIC: Final = "visual/0003"
RESIDENT_CODE: Final = "register/0001"
CARD_CERTIFICATE: Final = "common/0011"

READERS: Final[dict[str, frozenset[Pin]]] = {
    TOKEN: frozenset(),
    AUTHENTICATION_CERTIFICATE: frozenset(),
    AUTHENTICATION_CA: frozenset(),
    SIGNATURE_CERTIFICATE: frozenset({Pin.SIGNATURE}),
    SIGNATURE_CA: frozenset(),
    NUMBER: frozenset({Pin.TEXT}),
    FOUR_ITEMS: frozenset({Pin.TEXT}),
    PROOF: frozenset({Pin.TEXT}),
    PROOF_CERTIFICATE: frozenset({Pin.TEXT}),
    TEXT_BASIC: frozenset(),
    VISUAL_NUMBER: frozenset({Pin.VISUAL_A}),
    VISUAL_ENTRIES: frozenset({Pin.VISUAL_A, Pin.VISUAL_B}),
    VISUAL_BASIC: frozenset(),
    RESIDENT_CODE: frozenset({Pin.REGISTER}),
    CARD_CERTIFICATE: frozenset(),
}
"""Place of a file → any one of these PINs opens it; none are needed where the set is empty."""
SERIAL_SFI: Final = 1
"""Common application, record 1 of this short file id: the card's serial."""

# Ordinance applications (条例で定める事務, 番号法第十八条第一号): one content and, where asked for, one PIN each.
ORDINANCE_CONTENT: Final = 0x0001
ORDINANCE_PIN_FILE: Final = 0x0010
_ORDINANCE_RID: Final = bytes.fromhex("D3921000310002")


class Access(Enum):
    """How an ordinance application is read; the value is its byte on the card."""

    FREE = 1
    """Method 1: an access key anybody may read, worth nothing without the database it opens."""
    PIN = 2
    """Method 2: the attribute itself, after a PIN of its own."""
    TERMINAL = 3
    """Method 2: the attribute itself, only to an office of the issuing municipality that has proved to be one."""


def ordinance_aid(municipality: str, number: int) -> bytes:
    """The AID of a municipality's ordinance application: 7 bytes of ours, its six-digit code, a number 0 to 9999 (BCD).

    The provider id in front is a stand-in for a registered one. Raises ValueError for anything else.
    """
    if not re.fullmatch("[0-9]{6}", municipality) or not 0 <= number <= 9999:
        raise ValueError(f"municipality {municipality!r}, number {number}")
    return _ORDINANCE_RID + bytes.fromhex(f"{municipality}{number:04d}")


def municipality_of(aid: bytes) -> str | None:
    """The code of the municipality an ordinance AID belongs to, None where it is no such AID."""
    digits = aid[len(_ORDINANCE_RID) :].hex()
    if not aid.startswith(_ORDINANCE_RID) or not re.fullmatch("[0-9]{10}", digits):
        return None
    return digits[:6]


def place(application: str, file: int) -> str:
    """`application/file id`."""
    return f"{application}/{file:04X}"
