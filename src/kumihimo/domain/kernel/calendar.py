"""Dates as people write them (和暦・西暦の日付): one reading for every way a form or a file writes a day.

Accepted: 1975-01-01, 1975/1/1, 1975.1.1, 19750101, 1975年1月1日, 昭和50年1月1日, 昭和五十年一月一日, 昭和元年12月25日, S50.1.1,
S50-01-01, S500101, ㍼50.1.1; full or half width, with spaces. A day outside the era it is written in is refused, and the
refusal says what the day would be.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final

from kumihimo.domain.kernel.digits import DASHES, INVISIBLE, quoted
from kumihimo.domain.kernel.eras import GREGORIAN_SINCE, Era, to_wareki
from kumihimo.domain.kernel.errors import Problem

_KANJI_DIGITS: Final = {kanji: value for value, kanji in enumerate("〇一二三四五六七八九")} | {"零": 0, "元": 1}
_KANJI_UNITS: Final = {"十": 10, "百": 100, "千": 1000}

_ERA: Final = r"(?P<era>明治|大正|昭和|平成|令和|[MTSHRmtshr])"
_ONE_TO_NINE: Final = "[一二三四五六七八九]"
_WITH_UNITS: Final = rf"(?:{_ONE_TO_NINE}?百)?(?:{_ONE_TO_NINE}?十)?{_ONE_TO_NINE}?"
_SMALL: Final = rf"[0-9]{{1,2}}|(?=[一二三四五六七八九十]){_WITH_UNITS}|[〇零一二三四五六七八九]{{1,2}}"
_WESTERN_YEAR: Final = rf"[0-9]{{4}}|[〇零一二三四五六七八九]{{4}}|{_ONE_TO_NINE}?千{_WITH_UNITS}"
_MONTH_AND_DAY: Final = rf"年(?P<month>{_SMALL})月(?P<day>{_SMALL})日"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        r"(?P<year>[0-9]{4})(?P<sep>[-/.])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})",
        r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})",
        rf"{_ERA}(?P<year>元|[0-9]{{1,2}})(?P<sep>[-/.])(?P<month>[0-9]{{1,2}})(?P=sep)(?P<day>[0-9]{{1,2}})",
        rf"{_ERA}(?P<year>[0-9]{{2}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})",
        rf"{_ERA}(?P<year>元|{_SMALL}){_MONTH_AND_DAY}",
        rf"(?:西暦)?(?P<year>{_WESTERN_YEAR}){_MONTH_AND_DAY}",
    )
)
_TYPED_DASHES: Final = str.maketrans(dict.fromkeys(DASHES, "-") | dict.fromkeys(INVISIBLE))


def parse_date(text: str, where: str | None = None) -> date:
    """The day a text names, in either calendar.

    Raises Problem(date.format) when the text is not a date, Problem(date.impossible) when there is no such day.
    """
    plain = "".join(unicodedata.normalize("NFKC", text).translate(_TYPED_DASHES).split())
    for form in _FORMS:
        if found := form.fullmatch(plain):
            written = found.groupdict()
            year, month, day = (_number(written[part]) for part in ("year", "month", "day"))
            era = Era.named(written["era"]) if "era" in written else None
            return _in_era(era, year, month, day, where) if era else _existing(year, month, day, text, where)
    raise Problem(
        "date.format",
        quoted(text) if text.strip() else "nothing was entered",
        where,
        "a date such as 1975-01-01, 昭和50年1月1日 or S50.1.1",
    )


def _in_era(era: Era, year: int, month: int, day: int, where: str | None) -> date:
    written = f"{era.value}{year}年{month}月{day}日"
    if year == 0:
        raise Problem("date.impossible", written, where, "a year from 1 (元年)", "An era begins with its first year.")
    found = _existing(era.first_year + year - 1, month, day, written, where)
    if found < GREGORIAN_SINCE:
        raise Problem(
            "date.impossible",
            f"{written} is a day of the lunisolar calendar",
            where,
            "a day since 明治6年1月1日",
            "Convert the day and enter the Gregorian date.",
        )
    if Era.on(found) is not era:
        side = "before it began" if found < era.start else "after it ended"
        raise Problem(
            "date.impossible",
            f"{written} names a day of {era.value} {side}",
            where,
            f"{to_wareki(found)} ({found.isoformat()})",
            "Check the era and the year, and enter the day again.",
        )
    return found


def _existing(year: int, month: int, day: int, written: str, where: str | None) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise Problem(
            "date.impossible",
            f"{quoted(written)} does not exist",
            where,
            _nearest(year, month),
        ) from None


def _nearest(year: int, month: int) -> str:
    """What would have been a day, said as narrowly as the input allows."""
    if not 1 <= year <= 9999:
        return "a year from 1 to 9999"
    if not 1 <= month <= 12:
        return "a month from 1 to 12"
    following = date(year + month // 12, month % 12 + 1, 1) if (year, month) < (9999, 12) else date.max
    last = 31 if following == date.max else (following - date(year, month, 1)).days
    return f"a day from 1 to {last} in {year}-{month:02d}"


def _number(text: str) -> int:
    """A number in ASCII digits, in kanji by place (一九七五) or in kanji with units (五十)."""
    if text.isdigit() and text.isascii():
        return int(text)
    if not any(character in _KANJI_UNITS for character in text):
        return int("".join(str(_KANJI_DIGITS[character]) for character in text))
    total, pending = 0, 0
    for character in text:
        if character in _KANJI_UNITS:
            total, pending = total + (pending or 1) * _KANJI_UNITS[character], 0
        else:
            pending = _KANJI_DIGITS[character]
    return total + pending
