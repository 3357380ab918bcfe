"""What the card says of its holder (券面事項): the texts of the text, visual and register applications, as bytes and as values.

Nothing here prints a name, an address, a day of birth or a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Self

from kumihimo.domain.kernel import FourItems, Sex
from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.tlv import one_each, only, tlv

_NUMBER: Final = 0x10
_ITEMS: Final = 0xFF20
_NAME: Final = 0xDF22
_ADDRESS: Final = 0xDF23
_BIRTH: Final = 0xDF24
_SEX: Final = 0xDF25
_ENTRIES: Final = 0xFF40
_EXPIRES: Final = 0xDF41
_PORTRAIT: Final = 0xDF42


@dataclass(frozen=True, repr=False)
class FourItemsOnCard:
    """基本4情報 as written on the card: name and address in one line each. Prints nothing of it."""

    name: str
    address: str
    birth: date
    sex: Sex

    @classmethod
    def of(cls, items: FourItems) -> Self:
        """The four items of the resident registry as the card writes them."""
        return cls(items.name.display, items.address.display, items.birth, items.sex)

    def to_bytes(self) -> bytes:
        """FF20: DF22 name, DF23 address (UTF-8), DF24 birth (YYYYMMDD), DF25 sex (1, 2)."""
        return tlv(
            _ITEMS,
            tlv(_NAME, self.name.encode())
            + tlv(_ADDRESS, self.address.encode())
            + tlv(_BIRTH, f"{self.birth:%Y%m%d}".encode())
            + tlv(_SEX, str(self.sex.value).encode()),
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises Problem(card.wrong) for other bytes."""
        try:
            found = one_each(only(raw, _ITEMS))
            return cls(
                found[_NAME].decode(),
                found[_ADDRESS].decode(),
                day(found[_BIRTH]),
                Sex(int(found[_SEX])),
            )
        except (ValueError, KeyError) as error:
            raise _unreadable("four items") from error

    def __repr__(self) -> str:
        return "FourItemsOnCard()"


@dataclass(frozen=True, repr=False)
class VisualEntries:
    """券面: what is printed on the front, with the portrait (any image format; may be empty). Prints nothing of it."""

    four_items: FourItemsOnCard
    expires: date
    portrait: bytes = b""

    def to_bytes(self) -> bytes:
        """FF40: the four items, DF41 last day of the card, DF42 portrait."""
        return tlv(
            _ENTRIES,
            self.four_items.to_bytes()
            + tlv(_EXPIRES, f"{self.expires:%Y%m%d}".encode())
            + tlv(_PORTRAIT, self.portrait),
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises Problem(card.wrong) for other bytes."""
        try:
            found = one_each(only(raw, _ENTRIES))
            items = FourItemsOnCard.from_bytes(tlv(_ITEMS, found[_ITEMS]))
            return cls(items, day(found[_EXPIRES]), found[_PORTRAIT])
        except (ValueError, KeyError) as error:
            raise _unreadable("entries") from error

    def __repr__(self) -> str:
        return "VisualEntries()"


@dataclass(frozen=True)
class Personalisation:
    """What an office writes on a blank card. PINs: see `Pin`; `signature_certificate` and its PIN are left out under 15.

    Certificates are DER. `security_code` are the four digits printed on the card; `written_on` is the legal day.
    """

    authentication_certificate: bytes = field(repr=False)
    authentication_ca: bytes = field(repr=False)
    signature_ca: bytes = field(repr=False)
    number: str = field(repr=False)
    resident_code: str = field(repr=False)
    four_items: FourItemsOnCard
    expires: date
    written_on: date
    authentication_pin: str = field(repr=False)
    text_pin: str = field(repr=False)
    register_pin: str = field(repr=False)
    security_code: str = field(repr=False)
    signature_certificate: bytes | None = field(default=None, repr=False)
    signature_pin: str | None = field(default=None, repr=False)
    portrait: bytes = field(default=b"", repr=False)


def number_bytes(number: str) -> bytes:
    """The number as its file holds it: tag 10, 12 digits."""
    return tlv(_NUMBER, number.encode())


def number_text(raw: bytes) -> str:
    """The number out of its file. Raises Problem(card.wrong)."""
    try:
        return only(raw, _NUMBER).decode("ascii")
    except ValueError as error:
        raise _unreadable("number") from error


def visual_pin_b(birth: date, expires: date, security_code: str) -> str:
    """照合番号B: birth as YYMMDD, year of expiry, security code: 14 digits."""
    return f"{birth:%y%m%d}{expires:%Y}{security_code}"


def day(raw: bytes) -> date:
    """YYYYMMDD. Raises ValueError."""
    return datetime.strptime(raw.decode("ascii"), "%Y%m%d").date()  # noqa: DTZ007 (a legal day has no zone)


def _unreadable(what: str) -> Problem:
    return Problem("card.wrong", f"the card's {what} cannot be read", advice="Is this an Individual Number card?")
