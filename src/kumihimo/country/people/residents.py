"""Residents of the synthetic country (架空の住民と世帯): who lives where with whom since when, and from what.

Everything here is made up. Printing a resident prints the four items masked, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from kumihimo.domain.kernel.addresses import Address
from kumihimo.domain.kernel.ages import age_on
from kumihimo.domain.kernel.institutions import InstitutionId
from kumihimo.domain.kernel.person import FourItems, Sex


class Relation(Enum):
    """世帯主との続柄; the value is its general name, `label` the one that is registered."""

    HEAD = "世帯主"
    SPOUSE = "配偶者"
    CHILD = "子"
    PARENT = "親"

    def label(self, sex: Sex) -> str:
        """As the resident record writes it: 世帯主, 夫, 妻, 子, 父 or 母."""
        if self is Relation.SPOUSE:
            return "夫" if sex is Sex.MALE else "妻"
        if self is Relation.PARENT:
            return "父" if sex is Sex.MALE else "母"
        return str(self.value)


class Occupation(Enum):
    """What somebody lives from, or does all day."""

    EMPLOYEE = "employee"
    SELF_EMPLOYED = "self-employed"
    STUDENT = "student"
    PENSIONER = "pensioner"
    CHILD = "child"
    NOT_WORKING = "not-working"


@dataclass(frozen=True, slots=True)
class Residence:
    """One entry of an address history: from `since` until the day before `until`; None while it lasts."""

    municipality: InstitutionId
    address: Address
    since: date
    until: date | None

    def __contains__(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class YearlyIncome:
    """What came in in a calendar year, in yen before any deduction; business income is after expenses."""

    year: int
    salary: int
    business: int
    pension: int


@dataclass(frozen=True, slots=True)
class SyntheticResident:
    """One person. `number` and `household` count from 0 in the order of drawing and have no meaning inside the country.

    `four_items` are today's, or those at death. `history` is in order of time, without gaps, and ends with the present
    address or with death. `incomes` are those of the last four calendar years.
    """

    number: int
    household: int
    relation: Relation
    four_items: FourItems
    nationality: str
    history: tuple[Residence, ...]
    occupation: Occupation
    incomes: tuple[YearlyIncome, ...]
    died: date | None = None

    @property
    def municipality(self) -> InstitutionId:
        """Where the person lives now, or lived last."""
        return self.history[-1].municipality

    @property
    def birth(self) -> date:
        return self.four_items.birth

    @property
    def sex(self) -> Sex:
        return self.four_items.sex

    def age_on(self, day: date) -> int:
        """Full years on a day. Raises Problem(date.impossible) for a day before birth."""
        return age_on(self.birth, day)

    def residence_on(self, day: date) -> Residence | None:
        """Where the person lived on a day; None before arriving in the country's municipalities and after death."""
        return next((residence for residence in self.history if day in residence), None)

    def income_of(self, year: int) -> YearlyIncome:
        """The income of a calendar year; nothing where nothing is known."""
        return next((income for income in self.incomes if income.year == year), YearlyIncome(year, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Household:
    """People living together; the head comes first in `members`."""

    number: int
    members: tuple[SyntheticResident, ...]
