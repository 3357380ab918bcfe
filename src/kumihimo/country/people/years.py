"""The years behind an item (年ごとの記録): premiums and pensions year by year, co-payments, health checks, adults' vaccinations.

What a resident sees in pictures. Drawn after everything else and from a stream of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from kumihimo.country.people.chance import Chance
from kumihimo.country.people.insurance import birthday
from kumihimo.country.people.items import InformationItem, of_year, valid
from kumihimo.country.people.livelihoods import PENSION_AGE
from kumihimo.country.people.residents import Household, SyntheticResident
from kumihimo.domain.kernel.fiscal import fiscal_year
from kumihimo.domain.kernel.institutions import InstitutionId

_YEARS: Final = 10
_CHECKED_FROM, _CHECKS = 40, 5
_EMPLOYEES_SHARE: Final = 0.0915  # of the salary, paid by the insured
_BUSY_MONTHS, _MILD = 0.3, 30
_DOSES: Final = (date(2021, 8, 1), date(2021, 8, 22), date(2022, 3, 1))


def with_years(
    chance: Chance, household: Household, items: Iterable[InformationItem], today: date
) -> Iterator[InformationItem]:
    """The items with their years, and the health checks of who is insured."""
    people = {one.number: one for one in household.members}
    for item in items:
        who = people[item.resident]
        if item.item == "pension":
            yield replace(item, body={**item.body, "history": _pension(who, item.body, today)})
        elif item.item == "medical-insurance":
            yield replace(item, body={**item.body, **_medical(chance, who, item, today)})
            yield from _health_checks(chance, who, item.provider, today)
        else:
            yield item
    for who in household.members:
        if who.died is None and 20 <= who.age_on(today) < PENSION_AGE:
            yield from _vaccinated(chance, who)


def _pension(who: SyntheticResident, body: Mapping[str, Any], today: date) -> list[dict[str, int]]:
    this = fiscal_year(today).year
    begins = PENSION_AGE if body["status"] == "receiving" else 20
    first = max(fiscal_year(birthday(who, begins)).year, this - _YEARS)
    months_each = 12 if body["status"] == "insured" else 0
    yearly = body["basic_annual"] + body["employees_annual"]
    history = []
    for year in range(first, this):
        months = 0 if body["exempted"] else months_each
        if body["category"] == 2:
            premium = int(_salary(who, year) * _EMPLOYEES_SHARE) // 100 * 100
        else:
            premium = months * body["monthly_premium"]
        history.append({"fiscal_year": year, "months_paid": months, "premium_paid": premium, "received": yearly})
    return history


def _salary(who: SyntheticResident, year: int) -> int:
    """What somebody earned, or where that is not known, somewhat less for every year that it lies further back."""
    known = {one.year: one.salary for one in who.incomes}
    if not known:
        return 0
    near = min(known, key=lambda one: abs(one - year))
    return known.get(year) or int(known[near] * 0.985 ** max(near - year, 0))


def _medical(chance: Chance, who: SyntheticResident, item: InformationItem, today: date) -> dict[str, object]:
    this = fiscal_year(today).year
    since = fiscal_year(item.valid_from or today).year
    annual = int(str(item.body["annual_premium"]))
    years = range(max(since, this - _YEARS), this)
    history = [{"fiscal_year": one, "premium_paid": int(annual * 0.98 ** (this - one)) // 100 * 100} for one in years]
    share = int(str(item.body["copayment_percent"]))
    busy = _BUSY_MONTHS + max(who.age_on(today) - 40, 0) / 100
    paid = [
        {"month": f"{today.year}-{month:02}", "paid": chance.between(5, 60) * share * _MILD // 10 * 10}
        for month in range(1, today.month + 1)
        if chance.happens(busy)
    ]
    return {"history": history, "copayments": paid}


def _health_checks(
    chance: Chance, who: SyntheticResident, provider: InstitutionId, today: date
) -> Iterator[InformationItem]:
    """特定健康診査, each year from 40; not everybody goes every year."""
    if who.age_on(today) < _CHECKED_FROM:
        return
    tall = chance.between(1_480, 1_820)
    weight = tall * tall * chance.between(20, 27) // 1_000
    systolic, ldl, sugar = chance.between(105, 145), chance.between(85, 155), chance.between(50, 60)
    this = fiscal_year(today)
    for year in range(this.year - _CHECKS, this.year):
        day = date(year, 6, 1) + timedelta(days=chance.between(0, 150))
        if who.age_on(day) < _CHECKED_FROM or not chance.happens(0.8):
            continue
        weight += chance.between(-1_200, 1_500)
        systolic += chance.between(-5, 6)
        body = {
            "checked_on": day.isoformat(),
            "height_mm": tall,
            "weight_g": weight // 100 * 100,
            "waist_mm": 500 + weight // 200,
            "systolic": systolic,
            "diastolic": systolic * 5 // 8,
            "ldl": ldl + chance.between(-10, 10),
            "hba1c_tenths": sugar + chance.between(-1, 2),
        }
        yield of_year(who, provider, "health-check", year, body)


def _vaccinated(chance: Chance, who: SyntheticResident) -> Iterator[InformationItem]:
    """Doses of an adult, by the municipality they lived in then."""
    late = chance.between(0, 40)
    given: dict[InstitutionId, list[dict[str, object]]] = {}
    for number, due in enumerate(_DOSES, start=1):
        day = due + timedelta(days=late)
        home = who.residence_on(day)
        if home is not None and who.age_on(day) >= 16:
            dose = {"vaccine": "covid-19", "dose": number, "given_on": day.isoformat()}
            given.setdefault(home.municipality, []).append(dose)
    for giver, doses in given.items():
        since = date.fromisoformat(str(doses[0]["given_on"]))
        yield valid(who, giver, "vaccination", (since, None), {"doses": doses})
