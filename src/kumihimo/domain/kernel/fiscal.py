"""Fiscal years (年度): from 1 April to 31 March (財政法第十一条、地方自治法第二百八条)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from kumihimo.domain.kernel.digits import quoted
from kumihimo.domain.kernel.eras import Era, year_label
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.fields import located

_LABEL: Final = re.compile(
    r"(?:(?P<era>明治|大正|昭和|平成|令和|[MTSHRmtshr])(?P<year>元|[0-9]{1,2})|(?P<western>[0-9]{4}))(?:年度|年)?"
)
_FIRST: Final = 1873
# By agreement of the ministries of 1 April 2019 the whole of that year is 令和元年度, though it began in 平成31年.
_NAMED_BY_LATER_ERA: Final = frozenset({2019})


@dataclass(frozen=True, order=True, slots=True)
class FiscalYear:
    """The fiscal year that begins on 1 April of `year`, 1873 or later. Raises Problem(date.impossible)."""

    year: int

    def __post_init__(self) -> None:
        if not _FIRST <= self.year < 9999:
            raise Problem("date.impossible", f"fiscal year {self.year}", expected=f"{_FIRST} to 9998")

    @property
    def start(self) -> date:
        """1 April."""
        return date(self.year, 4, 1)

    @property
    def end(self) -> date:
        """31 March of the next year, the last day."""
        return date(self.year + 1, 3, 31)

    @property
    def label(self) -> str:
        """As documents write it: 令和7年度, 令和元年度."""
        era = Era.on(self.end if self.year in _NAMED_BY_LATER_ERA else self.start)
        return f"{year_label(era, self.year - era.first_year + 1)}度"

    def __str__(self) -> str:
        return self.label

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    @classmethod
    def parse(cls, text: str, where: str | None = None) -> Self:
        """A fiscal year as written: 令和7年度, R7, 2025年度, 2025; 平成31年度 and 令和元年度 are the same one.

        Raises Problem(date.format), or Problem(date.impossible) when the era has no day in that year.
        """
        with located(where):
            found = _LABEL.fullmatch("".join(unicodedata.normalize("NFKC", text).split()))
            if found is None:
                raise Problem("date.format", quoted(text), expected="a fiscal year such as 令和7年度 or 2025")
            era = Era.named(found["era"]) if found["era"] else None
            if era is None:
                return cls(int(found["western"]))
            in_era = 1 if found["year"] == "元" else int(found["year"])
            if in_era == 0:
                raise Problem("date.impossible", quoted(text), expected="a year from 1 (元年)")
            fiscal = cls(era.first_year + in_era - 1)
            if era not in (Era.on(fiscal.start), Era.on(fiscal.end)):
                raise Problem("date.impossible", f"{quoted(text)} lies outside {era.value}", expected=fiscal.label)
            return fiscal


def fiscal_year(day: date) -> FiscalYear:
    """The fiscal year (年度) a day falls in."""
    return FiscalYear(day.year if day.month >= 4 else day.year - 1)
