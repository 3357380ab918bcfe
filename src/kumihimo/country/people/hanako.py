"""総務花子 (Soumu Hanako): the resident everybody meets first.

Female, born 1975-01-01, moved from Y市 to X市 this year with husband and daughter, about to apply for a child benefit. Her
local tax of this year was therefore levied by Y市, where she lived on 1 January.
"""

from __future__ import annotations

from datetime import date, timedelta

from kumihimo.country import topology
from kumihimo.country.people.residents import (
    Household,
    Occupation,
    Relation,
    Residence,
    SyntheticResident,
    YearlyIncome,
)
from kumihimo.domain.kernel.addresses import Address
from kumihimo.domain.kernel.institutions import InstitutionId
from kumihimo.domain.kernel.names import PersonName
from kumihimo.domain.kernel.person import FourItems, Sex

_MARRIED = date(2004, 6, 12)


def hanako(today: date) -> SyntheticResident:
    """総務花子 as she is on a day."""
    return hanako_household(today).members[0]


def hanako_household(today: date) -> Household:
    """総務花子, 太郎 and their daughter さくら, who is eight or nine years old."""
    moved = _moving_day(today)
    before = Residence(
        InstitutionId("y-city"), _address("y-city", "湊町3丁目5番8号", "メゾン湊町 203"), _MARRIED, moved
    )
    now = Residence(InstitutionId("x-city"), _address("x-city", "中央1丁目2番3号", ""), moved, None)
    daughter = date(today.year - 9, 9, 14)
    years = tuple(today.year - ago for ago in (4, 3, 2, 1))
    people = (
        (
            "花子",
            "ハナコ",
            Sex.FEMALE,
            date(1975, 1, 1),
            Relation.HEAD,
            Occupation.EMPLOYEE,
            (4_090_000, 4_180_000, 4_230_000, 4_305_000),
        ),
        (
            "太郎",
            "タロウ",
            Sex.MALE,
            date(1973, 7, 20),
            Relation.SPOUSE,
            Occupation.SELF_EMPLOYED,
            (2_240_000, 2_310_000, 1_980_000, 2_150_000),
        ),
        ("さくら", "サクラ", Sex.FEMALE, daughter, Relation.CHILD, Occupation.CHILD, ()),
    )
    members = tuple(
        SyntheticResident(
            number=number,
            household=0,
            relation=relation,
            four_items=FourItems(PersonName("総務", given, "ソウム", kana), now.address, birth, sex),
            nationality="JP",
            history=(Residence(before.municipality, before.address, max(before.since, birth), moved), now),
            occupation=work,
            incomes=tuple(_income(year, work, yen) for year, yen in zip(years[: len(paid)], paid, strict=True)),
        )
        for number, (given, kana, sex, birth, relation, work, paid) in enumerate(people)
    )
    return Household(0, members)


def _moving_day(today: date) -> date:
    """20 March; earlier in the year halfway since New Year, so that 1 January was still spent in Y市 (but on that day itself)."""
    new_year = date(today.year, 1, 1)
    return min(date(today.year, 3, 20), new_year + timedelta(days=(today - new_year).days + 1) // 2)


def _income(year: int, work: Occupation, yen: int) -> YearlyIncome:
    return YearlyIncome(year, yen, 0, 0) if work is Occupation.EMPLOYEE else YearlyIncome(year, 0, yen, 0)


def _address(municipality: str, lines: str, building: str) -> Address:
    prefecture, seat = topology.institution("ko-pref"), topology.institution(municipality)
    return Address(prefecture.name_ja, seat.name_ja, lines, building, topology.local_government_code(municipality))
