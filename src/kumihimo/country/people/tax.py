"""Local tax (個人住民税) of synthetic residents: 地方税法第二十四条, 第三十四条, 第三十五条, 第二百九十四条, 第三百十四条の二.

The tax of a fiscal year is levied on the income of the calendar year before, by the municipality where the person lived on
1 January. Simplified: no deduction but those for employment and pension income, social insurance, spouse, dependants and
everybody; no tax credit but the flat adjustment (調整控除).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from kumihimo.country.people.items import InformationItem, of_year
from kumihimo.country.people.residents import Household, Relation, SyntheticResident, YearlyIncome
from kumihimo.domain.kernel.fiscal import fiscal_year

_YEARS: Final = 3
_YOUNGEST, _DEDUCTION_FROM, _STUDENTS = 15, 16, range(19, 23)
# Up to which gross salary: rate and constant of the deduction (給与所得控除), for incomes of 2020 to 2024.
_SALARY_STEPS: Final = (
    (1_625_000, 0.0, 550_000),
    (1_800_000, 0.4, -100_000),
    (3_600_000, 0.3, 80_000),
    (6_600_000, 0.2, 440_000),
    (8_500_000, 0.1, 1_100_000),
)
_HIGHEST_SALARY_DEDUCTION, _LEAST_SALARY_DEDUCTION_SINCE_2025 = 1_950_000, 650_000
# The same for pensions (公的年金等控除) of people of 65 and older.
_PENSION_STEPS: Final = (
    (3_300_000, 0.0, 1_100_000),
    (4_100_000, 0.25, 275_000),
    (7_700_000, 0.15, 685_000),
)
_HIGHEST_PENSION_DEDUCTION = 1_455_000
_EVERYBODY, _SPOUSE, _DEPENDANT, _STUDENT_DEPENDANT, _PARENT = 430_000, 330_000, 330_000, 450_000, 450_000
_RATE_MUNICIPALITY, _RATE_PREFECTURE, _ADJUSTMENT = 6, 4, 2_500
_PER_CAPITA: Final = 5_000


@dataclass(frozen=True, slots=True)
class Income:
    """所得: what is left of the year's earnings after the deductions of its kind, in yen."""

    salary: int
    business: int
    pension: int

    @property
    def total(self) -> int:
        """合計所得金額."""
        return self.salary + self.business + self.pension


def taxable_income(earned: YearlyIncome) -> Income:
    """The income (所得) of a calendar year's earnings; pensions are taken as those of people of 65 or older."""
    return Income(
        max(earned.salary - salary_deduction(earned.salary, earned.year), 0),
        earned.business,
        max(earned.pension - _deduction(earned.pension, _PENSION_STEPS, _HIGHEST_PENSION_DEDUCTION), 0),
    )


def salary_deduction(gross: int, year: int) -> int:
    """給与所得控除 in yen on a gross salary of a calendar year (所得税法第二十八条第三項)."""
    deduction = _deduction(gross, _SALARY_STEPS, _HIGHEST_SALARY_DEDUCTION)
    return max(deduction, _LEAST_SALARY_DEDUCTION_SINCE_2025) if year >= 2025 else deduction


def local_tax(household: Household, today: date) -> Iterator[InformationItem]:
    """The local-tax items of the last three fiscal years, for everybody of 15 and older on 1 January."""
    this = fiscal_year(today).year
    for year in range(this - _YEARS + 1, this + 1):
        levied = date(year, 1, 1)
        present = [one for one in household.members if one.residence_on(levied)]
        incomes = {one.number: taxable_income(one.income_of(year - 1)) for one in present}
        supporter = max(present, key=lambda one: incomes[one.number].total, default=None)
        for one in present:
            residence = one.residence_on(levied)
            if residence is not None and one.age_on(levied) >= _YOUNGEST:
                kept = _supported(present, incomes, one, year) if one is supporter else []
                body = _assessment(one, incomes[one.number], kept, levied)
                yield of_year(one, residence.municipality, "local-tax", year, body)


def _assessment(
    one: SyntheticResident, income: Income, kept: list[SyntheticResident], levied: date
) -> Mapping[str, object]:
    earned = one.income_of(levied.year - 1)
    insurance = int((earned.salary * 0.15 + earned.business * 0.14 + earned.pension * 0.07) // 1000) * 1000
    deductions = _EVERYBODY + insurance + sum(_deduction_for(other, levied) for other in kept)
    base = max(income.total - deductions, 0) // 1000 * 1000
    free = income.total <= 350_000 * (1 + len(kept)) + 100_000 + (210_000 if kept else 0)
    levy = 0 if free else max(base * (_RATE_MUNICIPALITY + _RATE_PREFECTURE) // 100 - _ADJUSTMENT, 0) // 100 * 100
    per_capita = 0 if free else _PER_CAPITA
    return {
        "assessed_on": levied.isoformat(),
        "salary_gross": earned.salary,
        "salary_income": income.salary,
        "business_income": income.business,
        "pension_gross": earned.pension,
        "pension_income": income.pension,
        "total_income": income.total,
        "deductions": deductions,
        "taxable_income": base,
        "income_levy": levy,
        "per_capita_levy": per_capita,
        "tax_total": levy + per_capita,
        "spouse_supported": any(_is_couple(one, other) for other in kept),
        "dependants": sum(not _is_couple(one, other) for other in kept),
        "dependants_under_16": sum(other.age_on(levied) < _DEDUCTION_FROM for other in kept),
    }


def _supported(
    present: list[SyntheticResident], incomes: Mapping[int, Income], supporter: SyntheticResident, year: int
) -> list[SyntheticResident]:
    """The relatives whose income is low enough for the household's best earner to deduct (同一生計配偶者・扶養親族)."""
    limit = 580_000 if year - 1 >= 2025 else 480_000
    return [one for one in present if one is not supporter and incomes[one.number].total <= limit]


def _deduction_for(relative: SyntheticResident, levied: date) -> int:
    age = relative.age_on(levied)
    if relative.relation is Relation.PARENT:
        return _PARENT if age >= 70 else _DEPENDANT
    if relative.relation is Relation.CHILD:
        return 0 if age < _DEDUCTION_FROM else _STUDENT_DEPENDANT if age in _STUDENTS else _DEPENDANT
    return _SPOUSE


def _is_couple(one: SyntheticResident, other: SyntheticResident) -> bool:
    return {one.relation, other.relation} == {Relation.HEAD, Relation.SPOUSE}


def _deduction(gross: int, steps: tuple[tuple[int, float, int], ...], highest: int) -> int:
    return next((int(gross * rate) + constant for up_to, rate, constant in steps if gross <= up_to), highest)
