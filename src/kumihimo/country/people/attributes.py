"""What institutions know about synthetic residents (副本のもと): one function, and here the keys of every item's body.

Amounts are whole yen, days ISO text, `a | b` the values a text may have, `?` marks what may be null. Items carry a fiscal
year (local-tax, child-care-fees) or days of validity (all others).

local-tax              municipality of 1 January: assessed_on, salary_gross, salary_income, business_income, pension_gross,
                       pension_income, total_income (合計所得金額), deductions, taxable_income (課税標準額), income_levy (所得割),
                       per_capita_levy (均等割), tax_total, spouse_supported: bool, dependants: int, dependants_under_16: int
resident-record        municipality: relation (世帯主 | 夫 | 妻 | 子 | 父 | 母), is_head: bool, household_size: int,
                       moved_in_from?: institution id, left_on?, left_reason?: moved | died
medical-insurance      insurer: scheme: national | employees | late-elderly, membership: insured | dependant,
                       copayment_percent: int, annual_premium, high_cost_benefit_last_year,
                       history: list of {fiscal_year, premium_paid}, copayments: list of {month, paid}
nursing-insurance      municipality: premium_stage: int, annual_premium, care_level?: support-1 | support-2 | care-1 … care-5,
                       certified_from?, certified_to?, benefit_last_year
health-check           insurer: checked_on, height_mm, weight_g, waist_mm, systolic, diastolic, ldl, hba1c_tenths: int
pension                pension service: status: insured | receiving, category?: 1 | 2 | 3, months_paid: int, monthly_premium,
                       exempted: bool, basic_annual, employees_annual,
                       history: list of {fiscal_year, months_paid, premium_paid, received}
child-allowance        municipality: monthly_amount, children: list of {birth, monthly_amount}
public-assistance      city, for Z町 the prefecture: kinds: list of livelihood | medical | housing | education,
                       household_size: int, household_monthly_amount
disability-certificate prefecture: kind: physical | mental | intellectual, grade: 1 … 6 | A | B (text), issued_on
employment-insurance   employment office: status: insured | receiving, daily_allowance, days_granted: int
student-aid            student aid: kind: grant | loan-interest-free | loan-with-interest, monthly_amount, outstanding
child-care-fees        municipality: facility_kind: nursery | certified-centre | kindergarten, certification: 1 | 2 | 3,
                       fee_stage: int, monthly_fee
vaccination            municipality that gave them: doses: list of {vaccine, dose: int, given_on}
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from kumihimo.country.people import insurance, welfare
from kumihimo.country.people.chance import Chance
from kumihimo.country.people.items import InformationItem
from kumihimo.country.people.residents import Household
from kumihimo.country.people.tax import local_tax
from kumihimo.country.people.years import with_years
from kumihimo.domain.kernel.randomness import SeededRandomness


def information_about(household: Household, seed: int | str, *, today: date) -> Iterator[InformationItem]:
    """Every item that any institution holds about the members of a household. The same arguments give the same items.

    About the dead there are only the resident record and the local tax of the years they lived.
    """
    # A stream of its own: what was drawn before there were histories stays as it was.
    chance = Chance(SeededRandomness(f"{seed}/years/{household.number}"))
    yield from with_years(chance, household, _information_about(household, seed, today), today)


def _information_about(household: Household, seed: int | str, today: date) -> Iterator[InformationItem]:
    chance = Chance(SeededRandomness(f"{seed}/information/{household.number}"))
    yield from local_tax(household, today)
    yield from welfare.child_allowance(household, today)
    # What would contradict 総務花子's story, such as poverty or illness, is not drawn for the household of number 0.
    if household.number:
        yield from welfare.public_assistance(chance, household, today)
    yield from insurance.medical(chance, household, today)
    for who in household.members:
        yield from welfare.resident_record(who, household)
        if who.died is not None:
            continue
        yield from insurance.nursing(chance, who, today)
        yield from insurance.pension(chance, who, household, today)
        yield from insurance.employment(chance, who, today)
        yield from welfare.student_aid(chance, who, today)
        yield from welfare.child_care_fees(chance, who, household, today)
        yield from welfare.vaccination(chance, who, today)
        if household.number:
            yield from welfare.disability_certificate(chance, who, today)
