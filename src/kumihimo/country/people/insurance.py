"""Social insurance (社会保険) of synthetic residents: medical, nursing and employment insurance, and pensions.

健康保険法, 国民健康保険法, 高齢者の医療の確保に関する法律, 介護保険法, 国民年金法, 厚生年金保険法, 雇用保険法.
Amounts are rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from kumihimo.country.people.chance import Chance, Weighted
from kumihimo.country.people.items import InformationItem, valid
from kumihimo.country.people.livelihoods import PENSION_AGE
from kumihimo.country.people.residents import Household, Occupation, Relation, SyntheticResident
from kumihimo.country.people.tax import taxable_income
from kumihimo.domain.kernel.institutions import InstitutionId

_LATE_ELDERLY_FROM: Final = 75
_INSURED_SALARY, _DEPENDANT_INCOME = 1_060_000, 1_300_000
_MONTHLY_PREMIUM: Final = 17_510
_CARE_LEVELS: Final = Weighted.of(
    (
        ("support-1", 14),
        ("support-2", 14),
        ("care-1", 21),
        ("care-2", 17),
        ("care-3", 13),
        ("care-4", 12),
        ("care-5", 9),
    )
)
# 介護保険料の所得段階: up to which total income, stage and yearly premium.
_CARE_STAGES: Final = (
    (0, 1, 21_300),
    (800_000, 4, 64_800),
    (1_200_000, 6, 90_000),
    (2_100_000, 7, 97_200),
    (3_200_000, 8, 112_300),
    (4_200_000, 9, 127_400),
)
_HIGHEST_CARE_STAGE: Final = (10, 142_600)


def birthday(who: SyntheticResident, age: int) -> date:
    """The day on which somebody becomes `age`; 1 March for those born on 29 February where there is none."""
    try:
        return who.birth.replace(year=who.birth.year + age)
    except ValueError:
        return date(who.birth.year + age, 3, 1)


def medical(chance: Chance, household: Household, today: date) -> Iterator[InformationItem]:
    """The one scheme each living member belongs to: late-elderly from 75, employees' with their family, else national."""
    living = [one for one in household.members if one.died is None]
    joined = {
        one.number: chance.day_between(max(birthday(one, 18), today - timedelta(days=3650)), today)
        for one in living
        if _is_insured_employee(one, today)
    }
    for who in living:
        earned = who.income_of(today.year - 1)
        insured, total = who.number in joined, taxable_income(earned).total
        earns_little = earned.salary + earned.business + earned.pension < _DEPENDANT_INCOME
        if who.age_on(today) >= _LATE_ELDERLY_FROM:
            provider, scheme = InstitutionId("late-elderly-union"), "late-elderly"
            since, premium = birthday(who, _LATE_ELDERLY_FROM), 45_000 + total // 10
        elif insured or (joined and earns_little):
            provider, scheme = InstitutionId("health-insurer"), "employees"
            since = joined[who.number] if insured else max(min(joined.values()), who.birth)
            premium = earned.salary // 20 if insured else 0
        else:
            provider, scheme = who.municipality, "national"
            since, premium = who.history[-1].since, 36_000 + total // 10
        body = {
            "scheme": scheme,
            "membership": "dependant" if scheme == "employees" and not insured else "insured",
            "copayment_percent": _copayment(who.age_on(today), total),
            "annual_premium": premium,
            "high_cost_benefit_last_year": _high_cost_benefit(chance, who.age_on(today)),
        }
        yield valid(who, provider, "medical-insurance", (since, None), body)


def _high_cost_benefit(chance: Chance, age: int) -> int:
    return chance.between(1, 40) * 10_000 if chance.happens(0.02 + age / 1000) else 0


def nursing(chance: Chance, who: SyntheticResident, today: date) -> Iterator[InformationItem]:
    """Nursing insurance (介護保険) from 65: the premium by income, and for some a certified level of care."""
    if (age := who.age_on(today)) < PENSION_AGE:
        return
    home, total = who.history[-1], taxable_income(who.income_of(today.year - 1)).total
    stage, premium = next(((stage, yen) for most, stage, yen in _CARE_STAGES if total <= most), _HIGHEST_CARE_STAGE)
    cared_for = chance.happens(min(0.015 * 2 ** ((age - 65) / 4.3), 0.75))
    certified = chance.day_between(today - timedelta(days=360), today)
    body = {
        "premium_stage": stage,
        "annual_premium": premium,
        "care_level": chance.pick(_CARE_LEVELS) if cared_for else None,
        "certified_from": certified.isoformat() if cared_for else None,
        "certified_to": (certified + timedelta(days=364)).isoformat() if cared_for else None,
        "benefit_last_year": chance.between(10, 300) * 10_000 if cared_for else 0,
    }
    yield valid(who, home.municipality, "nursing-insurance", (max(birthday(who, PENSION_AGE), home.since), None), body)


def pension(chance: Chance, who: SyntheticResident, household: Household, today: date) -> Iterator[InformationItem]:
    """Pension from 65; before, from 20, the category one is insured in (国民年金法第七条)."""
    age, provider = who.age_on(today), InstitutionId("pension-service")
    if age >= PENSION_AGE:
        yearly = who.income_of(today.year - 1).pension
        basic = min(yearly, 720_000)
        body = {
            "status": "receiving",
            "category": None,
            "months_paid": chance.between(300, 480),
            "monthly_premium": 0,
            "exempted": False,
            "basic_annual": basic,
            "employees_annual": yearly - basic,
        }
        yield valid(who, provider, "pension", (birthday(who, PENSION_AGE), None), body)
    elif age >= 20 and (age < 60 or _is_insured_employee(who, today)):
        category = 2 if _is_insured_employee(who, today) else 3 if _is_employees_spouse(who, household, today) else 1
        exempted = category == 1 and chance.happens(0.35)
        body = {
            "status": "insured",
            "category": category,
            "months_paid": int((age - 20) * 12 * (0.75 + 0.25 * chance.fraction())),
            "monthly_premium": _MONTHLY_PREMIUM if category == 1 and not exempted else 0,
            "exempted": exempted,
            "basic_annual": 0,
            "employees_annual": 0,
        }
        yield valid(who, provider, "pension", (birthday(who, 20), None), body)


def employment(chance: Chance, who: SyntheticResident, today: date) -> Iterator[InformationItem]:
    """Employment insurance (雇用保険): employees are insured, some of those without work receive the basic allowance."""
    age = who.age_on(today)
    if not 18 <= age < PENSION_AGE:
        return
    if _is_insured_employee(who, today):
        since = chance.day_between(max(birthday(who, 18), today - timedelta(days=7300)), today)
        body = {"status": "insured", "daily_allowance": 0, "days_granted": 0}
        yield valid(who, InstitutionId("employment-office"), "employment-insurance", (since, None), body)
    elif who.occupation is Occupation.NOT_WORKING and chance.happens(0.09):
        since, days = today - timedelta(days=chance.between(1, 80)), chance.one_of((90, 120, 150, 180))
        body = {"status": "receiving", "daily_allowance": chance.between(40, 80) * 100, "days_granted": days}
        until = since + timedelta(days=days - 1)
        yield valid(who, InstitutionId("employment-office"), "employment-insurance", (since, until), body)


def _is_insured_employee(who: SyntheticResident, today: date) -> bool:
    """Whether somebody earned enough as an employee last year to be insured through the employer."""
    return (
        who.occupation is Occupation.EMPLOYEE
        and who.died is None
        and who.age_on(today) < _LATE_ELDERLY_FROM
        and who.income_of(today.year - 1).salary >= _INSURED_SALARY
    )


def _is_employees_spouse(who: SyntheticResident, household: Household, today: date) -> bool:
    couple = {Relation.HEAD, Relation.SPOUSE}
    earned = who.income_of(today.year - 1)
    return earned.salary + earned.business < _DEPENDANT_INCOME and any(
        {who.relation, one.relation} == couple and _is_insured_employee(one, today) for one in household.members
    )


def _copayment(age: int, total_income: int) -> int:
    """Per cent of a hospital bill (一部負担金の割合)."""
    if age >= _LATE_ELDERLY_FROM:
        return 30 if total_income > 3_000_000 else 20 if total_income > 1_100_000 else 10
    return 20 if age < 6 or age >= 70 else 30
