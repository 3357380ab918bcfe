"""Addresses (住所) and the codes of local governments (全国地方公共団体コード、総務省 統計基準 JIS X 0401/0402).

An address is kept as registered, in its four parts. `key()` is for exact look-up: 一丁目2番3号, １－２－３ and 1丁目2番地の3
come out the same. Recognising places by a gazetteer belongs to name matching. Prints down to the municipality only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NewType, Self

from kumihimo.domain.kernel.check_digits import local_government_digit
from kumihimo.domain.kernel.digits import DASHES, UNMISTAKABLE_DASHES, read_digits
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.fields import record, text_field
from kumihimo.domain.kernel.text import comparable, one_line, until_stable

LocalGovernmentCode = NewType("LocalGovernmentCode", str)

_FIELDS: Final = ("prefecture", "municipality", "lines", "building", "code")
_KANJI_ORDINAL: Final = re.compile(r"([一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])(?=丁目)")
# Not the 番 of a place name (一番町) nor the 号 of a room or a road (3号室).
_PART: Final = re.compile(r"(?<=[0-9])(?:丁目|番地|番(?![町丁])|号(?![室棟館線]))の?|(?<=[0-9])の(?=[0-9])")
_DASH: Final = re.compile(f"[{re.escape(UNMISTAKABLE_DASHES)}]")
_DASH_BETWEEN_DIGITS: Final = re.compile(f"(?<=[0-9])[{re.escape(DASHES)}](?=[0-9])")
_IDLE_HYPHENS: Final = re.compile(r"-+(?![0-9])|(?<![0-9])-+|-+(?=-)")


def local_government_code(text: str, where: str | None = None) -> LocalGovernmentCode:
    """A code of six digits, the last one a check digit, as typed. Raises Problem(value.invalid)."""
    digits = read_digits(text, 6, "value.invalid", where)
    if (right := local_government_digit(digits[:-1])) != digits[-1]:
        raise Problem("value.invalid", f"code {digits} ends in {digits[-1]}", where, f"{right} as the check digit")
    return LocalGovernmentCode(digits)


def completed_local_government_code(five: str) -> LocalGovernmentCode:
    """The code with these first five digits: 01100 gives 011002. Raises Problem(value.invalid)."""
    body = read_digits(five, 5, "value.invalid")
    return LocalGovernmentCode(body + local_government_digit(body))


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """An address: 都道府県, 市区町村, 町字・番地 (`lines`), 方書 (`building`), and the municipality's code where known.

    Raises Problem(address.empty) for a missing part, Problem(value.invalid) for a wrong code, naming the field.
    """

    prefecture: str
    municipality: str
    lines: str
    building: str = ""
    code: str | None = None

    def __post_init__(self) -> None:
        for part in ("prefecture", "municipality", "lines", "building"):
            object.__setattr__(self, part, one_line(getattr(self, part), part))
        for part, example in (("prefecture", "甲県"), ("municipality", "X市"), ("lines", "中央1丁目2番3号")):
            if not comparable(getattr(self, part)):
                raise Problem("address.empty", f"no {part}", part, f"something like {example}")
        if self.code is not None:
            object.__setattr__(self, "code", local_government_code(self.code, "code"))

    @property
    def display(self) -> str:
        """One line: 甲県X市中央1丁目2番3号　コーポ組紐101."""
        return "　".join(filter(None, (self.prefecture + self.municipality + self.lines, self.building)))

    def key(self) -> str:
        """The address for exact look-up; width, spaces and the way numbers are parted do not count. The code is left out."""
        return address_key("-".join(filter(None, (self.prefecture + self.municipality + self.lines, self.building))))

    def to_dict(self) -> dict[str, object]:
        """JSON-able fields, as `from_dict` reads them."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """Raises Problem(value.invalid|address.empty) with the field in `where`."""
        fields = record(data, _FIELDS)
        return cls(
            text_field(fields, "prefecture"),
            text_field(fields, "municipality"),
            text_field(fields, "lines"),
            text_field(fields, "building", default=""),
            None if fields.get("code") is None else text_field(fields, "code"),
        )

    def __str__(self) -> str:
        return f"{self.prefecture}{self.municipality}＊"

    def __repr__(self) -> str:
        return f"Address({self})"


def address_key(text: str) -> str:
    """An address written on one line, for exact look-up. Applying it twice changes nothing."""
    return until_stable(_hyphenated, text)


def _hyphenated(text: str) -> str:
    plain = _KANJI_ORDINAL.sub(lambda found: str(_ordinal(found[0])), comparable(text))
    plain = _PART.sub("-", plain)
    plain = _DASH_BETWEEN_DIGITS.sub("-", _DASH.sub("-", plain))
    return _IDLE_HYPHENS.sub("", plain)


def _ordinal(kanji: str) -> int:
    """1 to 99 in kanji with 十."""
    tens, ten, units = kanji.rpartition("十")
    value = "〇一二三四五六七八九".index
    return (value(tens) if tens else 1) * 10 * bool(ten) + (value(units) if units else 0)
