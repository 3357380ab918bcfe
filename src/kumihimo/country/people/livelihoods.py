"""Livelihoods (職業と収入): what people of an age and sex do, and what they earn.

Rounded after the labour force survey (労働力調査) and the statistics of private salaries (民間給与実態統計調査): salaries rise
until about 55, women are often in part-time work, pensions begin at 65.
"""

from __future__ import annotations

from math import exp, log
from typing import Final

from kumihimo.country.people.chance import Chance, Weighted
from kumihimo.country.people.residents import Occupation, YearlyIncome
from kumihimo.domain.kernel.person import Sex

PENSION_AGE: Final = 65
# Three fiscal years of local tax need a fourth calendar year from January to March.
YEARS_KNOWN: Final = 4
_SCHOOL_UNTIL: Final = 15


def _parts(employed: float, self_employed: float, student: float, rest: Occupation) -> Weighted[Occupation]:
    return Weighted.of(
        (
            (Occupation.EMPLOYEE, employed),
            (Occupation.SELF_EMPLOYED, self_employed),
            (Occupation.STUDENT, student),
            (rest, 1 - employed - self_employed - student),
        )
    )


# Up to which age, and the parts of men and of women.
_OCCUPATIONS: Final = (
    (17, _parts(0.01, 0, 0.98, Occupation.NOT_WORKING), _parts(0.01, 0, 0.98, Occupation.NOT_WORKING)),
    (21, _parts(0.41, 0.01, 0.54, Occupation.NOT_WORKING), _parts(0.39, 0.01, 0.56, Occupation.NOT_WORKING)),
    (24, _parts(0.78, 0.02, 0.12, Occupation.NOT_WORKING), _parts(0.79, 0.01, 0.08, Occupation.NOT_WORKING)),
    (39, _parts(0.86, 0.08, 0, Occupation.NOT_WORKING), _parts(0.74, 0.04, 0, Occupation.NOT_WORKING)),
    (59, _parts(0.80, 0.14, 0, Occupation.NOT_WORKING), _parts(0.71, 0.07, 0, Occupation.NOT_WORKING)),
    (64, _parts(0.66, 0.17, 0, Occupation.NOT_WORKING), _parts(0.55, 0.07, 0, Occupation.NOT_WORKING)),
    (69, _parts(0.40, 0.18, 0, Occupation.PENSIONER), _parts(0.31, 0.07, 0, Occupation.PENSIONER)),
    (74, _parts(0.20, 0.15, 0, Occupation.PENSIONER), _parts(0.16, 0.05, 0, Occupation.PENSIONER)),
    (200, _parts(0.04, 0.07, 0, Occupation.PENSIONER), _parts(0.02, 0.02, 0, Occupation.PENSIONER)),
)


def occupation(chance: Chance, age: int, sex: Sex) -> Occupation:
    """What a person of this age in years does."""
    if age < _SCHOOL_UNTIL:
        return Occupation.CHILD
    men, women = next((men, women) for oldest, men, women in _OCCUPATIONS if age <= oldest)
    return chance.pick(men if sex is Sex.MALE else women)


def incomes(chance: Chance, work: Occupation, age: int, sex: Sex, this_year: int) -> tuple[YearlyIncome, ...]:
    """The incomes of the four calendar years before `this_year`, the earliest first, of a person of `age` today."""
    if work is Occupation.CHILD:
        return ()
    pay = int(_pay(chance, work, age, sex))
    pension = int(_pension(chance, sex)) if age >= PENSION_AGE else 0
    years = []
    for ago in range(YEARS_KNOWN, 0, -1):
        paid = 0 if age - ago < _SCHOOL_UNTIL else int(pay * (0.94 + 0.12 * chance.fraction()))
        years.append(
            YearlyIncome(
                this_year - ago,
                salary=paid if work is not Occupation.SELF_EMPLOYED else 0,
                business=paid if work is Occupation.SELF_EMPLOYED else 0,
                pension=pension if age - ago >= PENSION_AGE else 0,
            )
        )
    return tuple(years)


def _pay(chance: Chance, work: Occupation, age: int, sex: Sex) -> float:
    if work is Occupation.STUDENT:
        return _around(chance, 600_000, 0.4) if age >= 18 and chance.happens(0.6) else 0
    if work is Occupation.SELF_EMPLOYED:
        return _around(chance, 3_000_000, 0.7)
    if work is not Occupation.EMPLOYEE:
        return 0
    part_time = (0.42 if sex is Sex.FEMALE else 0.08) + (0.25 if age >= 60 else 0)
    if chance.happens(part_time):
        return _around(chance, 1_250_000, 0.35)
    peak = 5_400_000 if sex is Sex.MALE else 4_100_000
    return _around(chance, peak * (1 - ((min(age, 64) - 53) / 48) ** 2), 0.33)


def _pension(chance: Chance, sex: Sex) -> float:
    """Basic pension, and for most the employees' pension on top, which is larger for men of these generations."""
    basic = chance.normal(720_000, 90_000, 250_000, 830_000)
    employed = chance.happens(0.9 if sex is Sex.MALE else 0.7)
    return basic + (_around(chance, 1_100_000 if sex is Sex.MALE else 380_000, 0.4) if employed else 0)


def _around(chance: Chance, median: float, spread: float) -> float:
    """Log-normal around a median."""
    return exp(chance.normal(log(median), spread, 0, 18.4))
