"""The holder (署名利用者) as the signature certificate names them: subjectAltName otherNames with the four items.

card.md: 1.2.392.200149.8.5.5.1 name, .2 substitutes in the name, .3 sex, .4 birth as era digit (1 Meiji … 5 Reiwa) and
Gregorian YYYYMMDD, .5 address, .6 substitutes in the address, each a UTF8String. A character that JIS X 0213 lacks is written
as a substitute (代替文字), and a digit for every character says whether it is one: 0 as registered, 1 substitute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from asn1crypto import core
from cryptography import x509

from kumihimo.domain.jpki.names import HOLDER_ARC
from kumihimo.domain.kernel.eras import Era
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.person import FourItems, Sex
from kumihimo.domain.kernel.text import comparable

_WRITABLE: Final = "euc_jis_2004"  # JIS X 0213 as Python knows it
_NOTHING_FITS: Final = "〓"
_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_ERAS: Final = tuple(Era)


@dataclass(frozen=True, slots=True, repr=False)
class Holder:
    """The four items in the writing of a certificate. Prints nothing of them."""

    name: str
    name_substitutes: str
    sex: Sex
    birth: date
    address: str
    address_substitutes: str

    @classmethod
    def of(cls, items: FourItems) -> Self:
        """Raises Problem(date.impossible) for a birth before 1873."""
        name, in_name = with_substitutes(items.name.display)
        address, in_address = with_substitutes(items.address.display)
        Era.on(items.birth)
        return cls(name, in_name, items.sex, items.birth, address, in_address)

    def other_names(self) -> tuple[x509.OtherName, ...]:
        """The otherNames of subjectAltName, 1 to 6."""
        era = _ERAS.index(Era.on(self.birth)) + 1
        values = (
            self.name,
            self.name_substitutes,
            str(self.sex.value),
            f"{era}{self.birth:%Y%m%d}",
            self.address,
            self.address_substitutes,
        )
        return tuple(
            x509.OtherName(x509.ObjectIdentifier(f"{HOLDER_ARC}.{n}"), core.UTF8String(value).dump())
            for n, value in enumerate(values, 1)
        )

    @classmethod
    def read(cls, certificate: x509.Certificate) -> Self:
        """The holder named in a signature certificate. Raises Problem(jpki.untrusted) where it names none."""
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            found = {one.type_id.dotted_string: one.value for one in names.get_values_for_type(x509.OtherName)}
            values = [core.UTF8String.load(found[f"{HOLDER_ARC}.{n}"], strict=True).native for n in range(1, 7)]
            name, in_name, sex, birth, address, in_address = values
            day = date.fromisoformat(f"{birth[1:5]}-{birth[5:7]}-{birth[7:]}")
            return cls(name, in_name, Sex(int(sex)), day, address, in_address)
        except (x509.ExtensionNotFound, KeyError, ValueError, TypeError):
            raise Problem(
                "jpki.untrusted", "the certificate names no holder", where="subjectAltName",
                expected=f"otherNames {HOLDER_ARC}.1 to .6",
            ) from None  # fmt: skip

    def __repr__(self) -> str:
        return "Holder(…)"


def with_substitutes(text: str) -> tuple[str, str]:
    """A text in characters of JIS X 0213, and for each of them 1 where it stands for another one, else 0.

    A variation selector goes, and marks the character before it. What has a usual shape is written in that one, the rest as 〓.
    """
    written: list[str] = []
    marks: list[str] = []
    for character in text:
        if any(ord(character) in selectors for selectors in _SELECTORS):
            if marks:
                marks[-1] = "1"
        elif _is_writable(character):
            written.append(character)
            marks.append("0")
        else:
            usual = comparable(character)
            written.append(usual if len(usual) == 1 and _is_writable(usual) else _NOTHING_FITS)
            marks.append("1")
    return "".join(written), "".join(marks)


def _is_writable(character: str) -> bool:
    try:
        character.encode(_WRITABLE)
    except UnicodeEncodeError:
        return False
    return True
