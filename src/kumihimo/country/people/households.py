"""Composition of households (世帯の構成): who lives together, and how old they are.

Shares of the kinds of households follow the population census of 2020 (国勢調査: 38 % alone, 20 % couples, 25 % couples with
children, 9 % one parent with children), ages those of a country where 29 % are 65 or older. Children are born to mothers
of 19 to 45.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum, auto
from typing import Final

from kumihimo.country.people.chance import Chance, Weighted
from kumihimo.country.people.residents import Relation
from kumihimo.domain.kernel.person import Sex

YOUNGEST_MOTHER, OLDEST_MOTHER, OLDEST = 19, 45, 104
_TWINS = 0.01
_DAYS_A_YEAR = 365.2425


class _Kind(Enum):
    ALONE = auto()
    COUPLE = auto()
    FAMILY = auto()
    ONE_PARENT = auto()
    THREE_GENERATIONS = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a household that a person will fill. `own_family` is set for whom the household's name does not bind."""

    relation: Relation
    sex: Sex
    birth: date
    own_family: bool = False


def _bands(*bands: tuple[int, int, float]) -> Weighted[tuple[int, int]]:
    return Weighted.of(((youngest, oldest), weight) for youngest, oldest, weight in bands)


_KINDS: Final = Weighted.of(
    (
        (_Kind.ALONE, 38),
        (_Kind.COUPLE, 21.5),
        (_Kind.FAMILY, 25.5),
        (_Kind.ONE_PARENT, 9),
        (_Kind.THREE_GENERATIONS, 6),
    )
)
_ALONE: Final = _bands((18, 24, 10), (25, 34, 15), (35, 49, 16), (50, 64, 19), (65, 74, 15), (75, 84, 16), (85, 99, 9))
_HUSBANDS: Final = _bands((24, 34, 8), (35, 49, 9), (50, 64, 22), (65, 74, 28), (75, 84, 26), (85, 97, 7))
_MOTHERS: Final = _bands((22, 29, 5), (30, 39, 22), (40, 49, 31), (50, 59, 24), (60, 69, 10), (70, 84, 8))
_CHILDREN: Final = Weighted.of(((1, 46), (2, 41), (3, 13)))


def places(chance: Chance, today: date) -> list[Place]:
    """The places of one household, the head's first."""
    kind = chance.pick(_KINDS)
    if kind is _Kind.ALONE:
        return [_alone(chance, today)]
    if kind is _Kind.COUPLE:
        age = _age(chance, _HUSBANDS)
        return _couple(chance, today, age, max(age - chance.normal(2, 3.5, -8, 14), 19))
    mother = _age(chance, _MOTHERS)
    if kind is _Kind.ONE_PARENT:
        sex = Sex.FEMALE if chance.happens(0.86) else Sex.MALE
        return [Place(Relation.HEAD, sex, _born(today, mother)), *_children(chance, today, mother)]
    couple = _couple(chance, today, max(mother + chance.normal(1.8, 3.8, -8, 16), 19), mother)
    family = [*couple, *_children(chance, today, mother)]
    if kind is _Kind.THREE_GENERATIONS:
        family.extend(_grandparents(chance, today, couple[0].birth))
    return family


def _alone(chance: Chance, today: date) -> Place:
    age = _age(chance, _ALONE)
    women = 0.43 if age < 50 else 0.5 if age < 70 else 0.74
    return Place(Relation.HEAD, Sex.FEMALE if chance.happens(women) else Sex.MALE, _born(today, age))


def _couple(chance: Chance, today: date, his_age: float, her_age: float) -> list[Place]:
    he, she = (Sex.MALE, _born(today, his_age)), (Sex.FEMALE, _born(today, her_age))
    head, spouse = (he, she) if chance.happens(0.93) else (she, he)
    # Couples who are not married by law keep their names (未届の妻・夫).
    return [Place(Relation.HEAD, *head), Place(Relation.SPOUSE, *spouse, own_family=chance.happens(0.02))]


def _children(chance: Chance, today: date, mother: float) -> Iterable[Place]:
    """One to four children of a mother who is `mother` years old, the eldest first; grown-up ones have mostly left."""
    at_birth = chance.normal(30, 4.6, YOUNGEST_MOTHER, min(mother, OLDEST_MOTHER - 1))
    births: list[date] = []
    for _ in range(chance.pick(_CHILDREN)):
        age = mother - at_birth
        if age >= 0 and at_birth < OLDEST_MOTHER and (age < 19 or chance.happens(max(0.62 - 0.035 * (age - 19), 0.12))):
            births.extend([_born(today, age)] * (2 if chance.happens(_TWINS) else 1))
        at_birth += chance.normal(2.8, 1.2, 1.2, 8)
    if not births:
        births.append(_born(today, mother - min(mother, chance.normal(29, 4.6, YOUNGEST_MOTHER, OLDEST_MOTHER - 1))))
    return [Place(Relation.CHILD, Sex.MALE if chance.happens(0.513) else Sex.FEMALE, birth) for birth in births]


def _grandparents(chance: Chance, today: date, head: date) -> Iterable[Place]:
    mother = (today - head).days / _DAYS_A_YEAR + chance.normal(27, 4, YOUNGEST_MOTHER, 42)
    father = mother + chance.normal(2.5, 3.5, -6, 14)
    of_the_spouse = chance.happens(0.15)
    if mother < OLDEST and chance.happens(0.92):
        yield Place(Relation.PARENT, Sex.FEMALE, _born(today, mother), of_the_spouse)
    if father < OLDEST and chance.happens(0.55 if father < 80 else 0.3):
        yield Place(Relation.PARENT, Sex.MALE, _born(today, father), of_the_spouse)


def _age(chance: Chance, bands: Weighted[tuple[int, int]]) -> float:
    youngest, oldest = chance.pick(bands)
    return youngest + chance.fraction() * (oldest + 1 - youngest)


def _born(today: date, age: float) -> date:
    return today - timedelta(days=int(age * _DAYS_A_YEAR))
