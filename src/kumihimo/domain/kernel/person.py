"""The basic four items (基本4情報: 氏名・住所・生年月日・性別、住民基本台帳法第三十条の六).

They are what the resident registry knows a person by and what everybody else may ask it to confirm.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final, Self

from kumihimo.domain.kernel.addresses import Address
from kumihimo.domain.kernel.calendar import parse_date
from kumihimo.domain.kernel.digits import quoted
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.fields import located, record, text_field
from kumihimo.domain.kernel.names import PersonName

FourItemsKey = tuple[str, str, str, str]
"""Name key, address key, ISO date of birth, code of sex ("1" or "2"), all normalised."""

_FIELDS: Final = ("name", "address", "birth", "sex")


class Sex(Enum):
    """性別 as the resident register writes it; the value is its code."""

    MALE = 1
    FEMALE = 2

    @property
    def label(self) -> str:
        """男 or 女."""
        return "男" if self is Sex.MALE else "女"

    @classmethod
    def parse(cls, text: str, where: str | None = None) -> Self:
        """The sex as forms and files write it: 1, 男, 男性, M, male, ... Raises Problem(sex.unknown)."""
        found = _SPELLINGS.get(unicodedata.normalize("NFKC", text).strip().casefold())
        if found is None:
            raise Problem("sex.unknown", quoted(text), where, "男 (1, M, male) or 女 (2, F, female)")
        return cls(found)


_SPELLINGS: Final = dict.fromkeys(
    ("1", "男", "男性", "男子", "おとこ", "オトコ", "m", "male", "man"), 1
) | dict.fromkeys(("2", "女", "女性", "女子", "おんな", "オンナ", "f", "female", "woman"), 2)


@dataclass(frozen=True, slots=True, repr=False)
class FourItems:
    """基本4情報 of one person on one day. Prints masked."""

    name: PersonName
    address: Address
    birth: date
    sex: Sex

    def key(self) -> FourItemsKey:
        """For exact look-up after normalisation; equal keys mean the same four items, not surely the same person."""
        return (self.name.key(), self.address.key(), self.birth.isoformat(), str(self.sex.value))

    def to_dict(self) -> dict[str, object]:
        """JSON-able fields, as `from_dict` reads them: birth in ISO form, sex as "male" or "female"."""
        return {
            "name": self.name.to_dict(),
            "address": self.address.to_dict(),
            "birth": self.birth.isoformat(),
            "sex": self.sex.name.lower(),
        }

    @classmethod
    def from_dict(cls, data: object, where: str | None = None) -> Self:
        """Raises a Problem whose `where` names the field, such as `birth` or `name.given_kana`, behind the given `where`."""
        with located(where):
            fields = record(data, _FIELDS)
            with located("name"):
                name = PersonName.from_dict(
                    record(fields.get("name"), ("family", "given", "family_kana", "given_kana"))
                )
            with located("address"):
                address = Address.from_dict(fields.get("address"))
            birth = parse_date(text_field(fields, "birth"), "birth")
            return cls(name, address, birth, Sex.parse(text_field(fields, "sex"), "sex"))

    def __str__(self) -> str:
        return f"{self.name}, {self.address}, {self.birth.year}-**-**, {self.sex.label}"

    def __repr__(self) -> str:
        return f"FourItems({self})"
