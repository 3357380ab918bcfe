"""Names (氏名・振り仮名): the family and given name of a person with their reading (住基法第七条第一号、戸籍法第十三条).

The writing is kept as registered; only spaces at the ends go. The reading is kept in full-width katakana. Somebody
without a family name has a given name only. Prints masked: `総＊ 花＊`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Self

import jaconv

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.fields import record, text_field
from kumihimo.domain.kernel.text import comparable, one_line

_KATAKANA: Final = re.compile(
    r"[\u30a1-\u30fa\u30fc-\u30fe\u31f0-\u31ff・]*(?: [\u30a1-\u30fa\u30fc-\u30fe\u31f0-\u31ff・]+)*"
)
_FIELDS: Final = ("family", "given", "family_kana", "given_kana")


def katakana(text: str, where: str | None = None) -> str:
    """A reading in full-width katakana out of hiragana, half- or full-width katakana. Raises Problem(name.reading)."""
    # Composed again after conversion: a hiragana may carry its voiced mark (濁点) as a separate character.
    plain = " ".join(unicodedata.normalize("NFKC", jaconv.hira2kata(unicodedata.normalize("NFKC", text))).split())
    if not _KATAKANA.fullmatch(plain):
        odd = next(character for character in plain if not _KATAKANA.fullmatch(character) and character != " ")
        raise Problem(
            "name.reading",
            f"a character that is not kana: {unicodedata.name(odd, f'U+{ord(odd):04X}')}",
            where,
            "hiragana or katakana such as ソウム",
            "Write the prolonged sound as ー and leave out other signs.",
        )
    return plain


@dataclass(frozen=True, slots=True, repr=False)
class PersonName:
    """A name in writing and in reading. The reading may be wholly unknown (empty), not unknown in part.

    Raises Problem(name.empty) or Problem(name.reading), naming the field.
    """

    family: str
    given: str
    family_kana: str = ""
    given_kana: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "family", one_line(self.family, "family"))
        object.__setattr__(self, "given", one_line(self.given, "given"))
        object.__setattr__(self, "family_kana", katakana(self.family_kana, "family_kana"))
        object.__setattr__(self, "given_kana", katakana(self.given_kana, "given_kana"))
        if not comparable(self.given):
            raise Problem(
                "name.empty", "no given name", "given", advice="Put a name that has no family name into the given name."
            )
        if self.family_kana or self.given_kana:
            for part, reading, where in (
                (self.family, self.family_kana, "family_kana"),
                (self.given, self.given_kana, "given_kana"),
            ):
                if bool(part) != bool(reading):
                    found = "a reading without its name" if reading else "a name without its reading"
                    raise Problem("name.reading", found, where, "a reading for each part of the name, or none at all")

    @classmethod
    def from_full(cls, written: str, reading: str = "") -> Self:
        """A name as one field, family name first, parted by the first space: ("総務　花子", "ソウム ハナコ").

        A name without a space is a given name. Raises Problem(name.empty|name.reading).
        """
        family, given = _parted(written)
        family_kana, given_kana = _parted(katakana(reading, "reading"))
        return cls(family, given, family_kana, given_kana)

    @property
    def display(self) -> str:
        """The writing with an ideographic space: 総務　花子."""
        return "　".join(filter(None, (self.family, self.given)))

    @property
    def reading(self) -> str:
        """The reading with an ideographic space: ソウム　ハナコ; empty where unknown."""
        return "　".join(filter(None, (self.family_kana, self.given_kana)))

    def key(self) -> str:
        """The writing for exact look-up: width, spaces, case and glyph variants do not count; old and new shapes do."""
        return comparable(self.family + self.given)

    def reading_key(self) -> str:
        """The reading for exact look-up, without spaces and middle dots."""
        return (self.family_kana + self.given_kana).replace("・", "").replace(" ", "")

    def to_dict(self) -> dict[str, object]:
        """JSON-able fields, as `from_dict` reads them."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """Raises Problem(value.invalid|name.empty|name.reading) with the field in `where`."""
        fields = record(data, _FIELDS)
        return cls(
            text_field(fields, "family", default=""),
            text_field(fields, "given"),
            text_field(fields, "family_kana", default=""),
            text_field(fields, "given_kana", default=""),
        )

    def __str__(self) -> str:
        return " ".join(f"{part[0]}＊" for part in (self.family, self.given) if part)

    def __repr__(self) -> str:
        return f"PersonName({self})"


def _parted(full: str) -> tuple[str, str]:
    head, _, tail = " ".join(full.split()).partition(" ")
    return (head, tail) if tail else ("", head)
