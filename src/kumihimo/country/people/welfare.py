"""Welfare, families and schooling (福祉・子育て・就学) of synthetic residents.

児童手当法, 生活保護法, 身体障害者福祉法, 知的障害者福祉法, 精神保健福祉法, 子ども・子育て支援法, 予防接種法, 日本学生支援機構法.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from kumihimo.country import topology
from kumihimo.country.people.chance import Chance, Weighted
from kumihimo.country.people.insurance import birthday
from kumihimo.country.people.items import InformationItem, of_year, valid
from kumihimo.country.people.residents import Household, Occupation, Relation, Residence, SyntheticResident
from kumihimo.country.people.tax import taxable_income
from kumihimo.domain.kernel.fiscal import fiscal_year
from kumihimo.domain.kernel.institutions import InstitutionId

_ONE_DAY = timedelta(days=1)
_MONTHLY_UNDER_3, _MONTHLY, _MONTHLY_THIRD = 15_000, 10_000, 30_000
_POOR: Final = 1_150_000
_DISABILITIES: Final = Weighted.of((("physical", 60), ("mental", 26), ("intellectual", 14)))
_GRADES: Final = {"physical": (1, 2, 3, 4, 5, 6), "mental": (1, 2, 3), "intellectual": ("A", "B")}
# Vaccine, dose, and at how many days of age it is due.
_SCHEDULE: Final = (
    ("hepatitis-b", 1, 62),
    ("pneumococcus", 1, 63),
    ("five-in-one", 1, 64),
    ("hepatitis-b", 2, 92),
    ("five-in-one", 2, 94),
    ("bcg", 1, 160),
    ("hepatitis-b", 3, 230),
    ("measles-rubella", 1, 372),
    ("varicella", 1, 375),
    ("japanese-encephalitis", 1, 1110),
    ("measles-rubella", 2, 2000),
)
_STUDENT_AID: Final = Weighted.of(
    ((("grant", 29_200), 25), (("loan-interest-free", 54_000), 35), (("loan-with-interest", 80_000), 40))
)


def last_day(residence: Residence) -> date | None:
    """The last full day of a residence; None while it lasts."""
    return None if residence.until is None else max(residence.until - _ONE_DAY, residence.since)


def resident_record(who: SyntheticResident, household: Household) -> Iterator[InformationItem]:
    """One record for every stay in a municipality, however often the person moved within it."""
    stays: list[Residence] = []
    for one in who.history:
        if stays and stays[-1].municipality == one.municipality:
            stays[-1] = Residence(one.municipality, one.address, stays[-1].since, one.until)
        else:
            stays.append(one)
    for number, stay in enumerate(stays):
        body = {
            "relation": who.relation.label(who.sex),
            "is_head": who.relation is Relation.HEAD,
            "household_size": sum(one.died is None for one in household.members) or 1,
            "moved_in_from": stays[number - 1].municipality if number else None,
            "left_on": None if stay.until is None else stay.until.isoformat(),
            "left_reason": None if stay.until is None else "died" if stay.until == who.died else "moved",
        }
        yield valid(who, stay.municipality, "resident-record", (stay.since, last_day(stay)), body)


def child_allowance(household: Household, today: date) -> Iterator[InformationItem]:
    """For the better earning parent, until the 31 March after a child's 18th birthday (児童手当法第四条).

    Who moved to another municipality this year has not applied there yet: the last item is then the former one's.
    """
    parents = [one for one in household.members if one.relation in (Relation.HEAD, Relation.SPOUSE) and not one.died]
    children = sorted(
        (one for one in household.members if one.relation is Relation.CHILD and not one.died and _is_child(one, today)),
        key=lambda one: one.birth,
    )
    if not (parents and children):
        return
    who = max(parents, key=lambda one: taxable_income(one.income_of(today.year - 1)).total)
    amounts = [
        _MONTHLY_THIRD if order >= 3 else _MONTHLY_UNDER_3 if child.age_on(today) < 3 else _MONTHLY
        for order, child in enumerate(children, start=1)
    ]
    body = {
        "monthly_amount": sum(amounts),
        "children": [
            {"birth": child.birth.isoformat(), "monthly_amount": yen}
            for child, yen in zip(children, amounts, strict=True)
        ],
    }
    for stay in who.history:
        ended = stay.until is not None and stay.until < max(children[0].birth, date(today.year - 2, 1, 1))
        elsewhere_before = stay is not who.history[0] and who.history[-2].municipality != stay.municipality
        new_here = stay is who.history[-1] and elsewhere_before and stay.since.year == today.year
        if not ended and not new_here:
            days = (max(stay.since, children[0].birth), last_day(stay))
            yield valid(who, stay.municipality, "child-allowance", days, body)


def public_assistance(chance: Chance, household: Household, today: date) -> Iterator[InformationItem]:
    """生活保護, by the municipality where it has a welfare office and else by the prefecture; for a few of the poorest."""
    living = [one for one in household.members if one.died is None]
    last = [one.income_of(today.year - 1) for one in living]
    income = sum(one.salary + one.business + one.pension for one in last)
    if not living or income > _POOR * len(living) ** 0.6 or not chance.happens(0.16):
        return
    home = living[0].history[-1]
    holds = "public-assistance" in topology.items_provided(home.municipality)
    provider = home.municipality if holds else InstitutionId("ko-pref")
    since = chance.day_between(max(home.since, today - timedelta(days=2500)), today)
    kinds = ["livelihood", "medical", *(["housing"] if chance.happens(0.85) else [])]
    if any(6 <= one.age_on(today) < 15 for one in living):
        kinds.append("education")
    body = {
        "kinds": kinds,
        "household_size": len(living),
        "household_monthly_amount": 60_000 + 35_000 * len(living) + chance.between(0, 20) * 1000,
    }
    for one in living:
        yield valid(one, provider, "public-assistance", (max(since, one.birth), None), body)


def disability_certificate(chance: Chance, who: SyntheticResident, today: date) -> Iterator[InformationItem]:
    """身体障害者手帳・療育手帳・精神障害者保健福祉手帳, issued by the prefecture."""
    age = who.age_on(today)
    if not chance.happens(0.012 if age < 18 else 0.05 if age < 65 else 0.12):
        return
    kind = chance.pick(_DISABILITIES)
    issued = chance.day_between(max(birthday(who, 1), today - timedelta(days=5500)), today)
    renewed_every = 730 if kind == "mental" else None
    body = {"kind": kind, "grade": str(chance.one_of(_GRADES[kind])), "issued_on": issued.isoformat()}
    until = None
    if renewed_every is not None:
        until = issued + timedelta(days=((today - issued).days // renewed_every + 1) * renewed_every - 1)
    yield valid(who, InstitutionId("ko-pref"), "disability-certificate", (issued, until), body)


def student_aid(chance: Chance, who: SyntheticResident, today: date) -> Iterator[InformationItem]:
    """Grants and loans of students of 18 and older, from April of the year they entered."""
    age = who.age_on(today)
    if who.occupation is not Occupation.STUDENT or not 18 <= age < 27 or not chance.happens(0.5):
        return
    kind, monthly = chance.pick(_STUDENT_AID)
    entered = fiscal_year(today).year - min(chance.between(0, 3), max(age - 18, 0))
    since = date(entered, 4, 1)
    paid = 0 if kind == "grant" else monthly * max((today.year - entered) * 12 + today.month - 3, 0)
    body = {"kind": kind, "monthly_amount": monthly, "outstanding": paid}
    yield valid(who, InstitutionId("student-aid"), "student-aid", (since, date(entered + 4, 3, 31)), body)


def child_care_fees(
    chance: Chance, who: SyntheticResident, household: Household, today: date
) -> Iterator[InformationItem]:
    """Nursery and kindergarten of the current fiscal year: free from 3 years on, before by the parents' income."""
    year = fiscal_year(today)
    home = who.residence_on(today)
    if home is None or not _is_below_school_age(who, year.start):
        return
    age = 0 if who.birth > year.start else who.age_on(year.start)
    if not chance.happens(0.45 if age < 3 else 0.95):
        return
    kindergarten = age >= 3 and chance.happens(0.35)
    income = sum(taxable_income(one.income_of(year.year - 1)).total for one in household.members)
    stage = min(1 + income // 1_000_000, 8)
    body = {
        "facility_kind": "kindergarten" if kindergarten else chance.one_of(("nursery", "nursery", "certified-centre")),
        "certification": 1 if kindergarten else 2 if age >= 3 else 3,
        "fee_stage": stage,
        "monthly_fee": 0 if age >= 3 or stage == 1 else 6_500 * (stage - 1),
    }
    yield of_year(who, home.municipality, "child-care-fees", year.year, body)


def vaccination(chance: Chance, who: SyntheticResident, today: date) -> Iterator[InformationItem]:
    """Doses by the municipality that gave them: the childhood schedule under 10, influenza each autumn from 65."""
    age = who.age_on(today)
    doses: list[tuple[str, int, date]] = []
    if age < 10:
        late = chance.between(0, 60)
        refused = {name for name, dose, _ in _SCHEDULE if dose == 1 and chance.happens(0.03)}
        doses = [
            (name, dose, who.birth + timedelta(days=due + late)) for name, dose, due in _SCHEDULE if name not in refused
        ]
    elif age >= 65:
        doses = [
            ("influenza", 1, date(year, 10, 1) + timedelta(days=chance.between(0, 60)))
            for year in range(today.year - 3, today.year + 1)
            if chance.happens(0.55)
        ]
    by_giver: dict[InstitutionId, list[tuple[str, int, date]]] = {}
    for name, dose, day in doses:
        if day <= today and (home := who.residence_on(day)):
            by_giver.setdefault(home.municipality, []).append((name, dose, day))
    for giver, given in by_giver.items():
        body = {"doses": [{"vaccine": name, "dose": dose, "given_on": day.isoformat()} for name, dose, day in given]}
        yield valid(who, giver, "vaccination", (min(day for _, _, day in given), None), body)


def _is_child(who: SyntheticResident, today: date) -> bool:
    return today <= fiscal_year(birthday(who, 18) - _ONE_DAY).end


def _is_below_school_age(who: SyntheticResident, april: date) -> bool:
    """Children enter school on the 1 April after the day before their sixth birthday."""
    return birthday(who, 6) - _ONE_DAY >= april
