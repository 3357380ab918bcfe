"""Eras (元号・和暦): which era a day belongs to, and back (元号法; 大正以後 改元の日から).

An era begins on its day: 1989-01-07 is 昭和64年1月7日, 1989-01-08 is 平成元年1月8日. Its first year is written 元年. Until
明治5年12月2日 (1872-12-31) Japan kept a lunisolar calendar (明治5年太政官布告第337号), so era dates here begin with
明治6年1月1日.
"""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Final

from kumihimo.domain.kernel.errors import Problem

GREGORIAN_SINCE: Final = date(1873, 1, 1)


class Era(Enum):
    """The eras since 1868, in order. The value is the name in kanji."""

    MEIJI = "明治"
    TAISHO = "大正"
    SHOWA = "昭和"
    HEISEI = "平成"
    REIWA = "令和"

    @property
    def letter(self) -> str:
        """M, T, S, H or R, as forms abbreviate."""
        return self.name[0]

    @property
    def start(self) -> date:
        """The first day of the era."""
        return _STARTS[self]

    @property
    def first_year(self) -> int:
        """The Gregorian year that is 元年."""
        return self.start.year

    @classmethod
    def on(cls, day: date) -> Era:
        """The era of a day since 1873-01-01. Raises Problem(date.impossible) for a day before."""
        if day < GREGORIAN_SINCE:
            raise Problem(
                "date.impossible",
                f"{day.isoformat()} has no era date in this calendar",
                expected="a day since 1873-01-01 (明治6年1月1日)",
                advice="Until 明治5年12月2日 the calendar was lunisolar.",
            )
        return next(era for era in reversed(cls) if era.start <= day)

    @classmethod
    def named(cls, text: str) -> Era | None:
        """The era of a kanji name or a letter, upper or lower case; None if it is neither."""
        return _NAMES.get(text.upper())


_STARTS: Final = {
    Era.MEIJI: date(1868, 1, 25),
    Era.TAISHO: date(1912, 7, 30),
    Era.SHOWA: date(1926, 12, 25),
    Era.HEISEI: date(1989, 1, 8),
    Era.REIWA: date(2019, 5, 1),
}
_NAMES: Final = {era.value: era for era in Era} | {era.letter: era for era in Era}


def year_label(era: Era, year: int) -> str:
    """The year of an era: 昭和50年, 令和元年."""
    return f"{era.value}{'元' if year == 1 else year}年"


def to_wareki(day: date) -> str:
    """The day in the Japanese calendar, such as 昭和50年1月1日. Raises Problem(date.impossible) before 1873."""
    era = Era.on(day)
    return f"{year_label(era, day.year - era.first_year + 1)}{day.month}月{day.day}日"


def format_both(day: date) -> str:
    """Both calendars, as forms show a day: 昭和50年1月1日 (1975-01-01). Before 1873 the Gregorian day alone."""
    return day.isoformat() if day < GREGORIAN_SINCE else f"{to_wareki(day)} ({day.isoformat()})"
