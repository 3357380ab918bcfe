"""Digits as people type them (全角・半角の数字): one reading for every number of the country.

Forms arrive with full-width digits, ideographic spaces and a dozen characters that look like a hyphen. All numbers are read
through here, so that the same typing is accepted everywhere, and so that no refusal repeats the number it refuses.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from kumihimo.domain.kernel.errors import Problem

# Hyphen-minus and what keyboards, spreadsheets and scanners put in its place: Unicode dashes, the minus sign, box-drawing
# lines, and the prolonged sound mark (長音), full and half width, which Japanese input methods give for the hyphen key.
UNMISTAKABLE_DASHES: Final = (
    "-\u00ad\u02d7\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\u2501\ufe58\ufe63\uff0d"
)
PROLONGED_SOUND_MARKS: Final = "\u30fc\uff70"
DASHES: Final = UNMISTAKABLE_DASHES + PROLONGED_SOUND_MARKS
# Spaces that str.isspace() does not know, as copied from web pages and PDF files.
INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"

_NARROW: Final = str.maketrans("０１２３４５６７８９", "0123456789", DASHES + INVISIBLE)
_DIGITS: Final = frozenset("0123456789")


def compact(text: str) -> str:
    """The text with full-width digits narrowed and spaces and dashes removed; anything else stays as it is."""
    return "".join(text.translate(_NARROW).split())


def read_digits(text: str, length: int, code: str, where: str | None = None) -> str:
    """Exactly `length` ASCII digits out of a typed text.

    Raises Problem(`code`) that names the first character that is not a digit, or the count of digits, and never the text.
    """
    if len(text) == length and text.isascii() and text.isdecimal():
        return text
    plain = compact(text)
    expected = f"{length} digits, with or without spaces and hyphens"
    for position, character in enumerate(plain, start=1):
        if character not in _DIGITS:
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            raise Problem(code, f"character {position} is not a digit but {name}", where, expected)
    if len(plain) != length:
        raise Problem(code, f"{len(plain)} digits" if plain else "nothing was entered", where, expected)
    return plain


def quoted(text: str, limit: int = 24) -> str:
    """A refused text as a refusal may repeat it: cut at `limit` characters, its digits hidden when they are many.

    People type a number into the wrong field; nine digits or more could be one of a person. A date has eight.
    """
    digits = sum(character.isdigit() for character in text)
    shown = "".join("*" if character.isdigit() else character for character in text) if digits >= 9 else text
    return repr(shown if len(shown) <= limit else f"{shown[:limit]}…")


def masked(digits: str, group: int = 4, shown: int = 4) -> str:
    """The last `shown` digits behind asterisks, in groups of `group` counted from the right: `****-****-0257`."""
    hidden = "*" * max(len(digits) - shown, 0) + digits[-shown:]
    first = len(hidden) % group
    groups = [hidden[:first]] if first else []
    groups += [hidden[start : start + group] for start in range(first, len(hidden), group)]
    return "-".join(groups)
