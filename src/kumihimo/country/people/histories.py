"""Address histories and deaths (住所の履歴・死亡): where households lived and moved, and who died last year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import zip_longest
from math import exp
from typing import Final

from kumihimo.country.people import towns
from kumihimo.country.people.chance import Chance, Weighted
from kumihimo.country.people.residents import Residence
from kumihimo.domain.kernel.institutions import InstitutionId

_YEAR = timedelta(days=365)
_MOVES: Final = Weighted.of(((0, 70), (1, 22), (2, 8)))
_WITHIN_ONE_MUNICIPALITY = 0.45
_NATIVES = 0.35
# Relative sizes of the first, second, ... municipality.
_SIZES: Final = (50, 40, 10)


def moves(
    chance: Chance, municipalities: Sequence[InstitutionId], head_birth: date, today: date
) -> tuple[Residence, ...]:
    """The addresses of a household, in order of time; the first lasts from arrival, which for natives is the head's birth."""
    flats = 0.75 if (today - head_birth) < 35 * _YEAR else 0.3
    days = sorted(chance.day_between(max(today - 10 * _YEAR, head_birth), today) for _ in range(chance.pick(_MOVES)))
    grown_up = min(head_birth + 18 * _YEAR, today)
    first = days[0] if days else today
    arrived = head_birth if chance.happens(_NATIVES) else min(chance.day_between(grown_up, today), first)
    starts = sorted({arrived, *days})
    seat = chance.pick(_sizes(tuple(municipalities)))
    lived: list[Residence] = []
    for start, until in zip_longest(starts, starts[1:]):
        if lived and len(municipalities) > 1 and not chance.happens(_WITHIN_ONE_MUNICIPALITY):
            seat = chance.one_of([one for one in municipalities if one != seat])
        lived.append(Residence(seat, towns.address(chance, seat, flats), start, until))
    return tuple(lived)


def lived_by(birth: date, household: tuple[Residence, ...], native: date, died: date | None) -> tuple[Residence, ...]:
    """The part of a household's history that a member lived: from birth, to death.

    `native` is the head's birth: when the household's history begins with it, everybody lived there from the own birth.
    """
    history = [one for one in household if one.until is None or one.until > birth]
    if history[0].since < birth or (history[0] is household[0] and household[0].since == native):
        history[0] = replace(history[0], since=birth)
    if died is not None:
        history = [one for one in history if one.since <= died]
        history[-1] = replace(history[-1], until=died)
    return tuple(history)


def death(chance: Chance, age: int, since: date, today: date) -> date | None:
    """The day of a death in the last year, if one happened: yearly mortality by Gompertz's law, 4.7 % at 80."""
    if not chance.happens(min(0.00003 * exp(0.092 * age), 0.4)):
        return None
    return chance.day_between(max(today - _YEAR, since + timedelta(days=1)), today)


@cache
def _sizes(municipalities: tuple[InstitutionId, ...]) -> Weighted[InstitutionId]:
    sizes = _SIZES if len(municipalities) == len(_SIZES) else (1,) * len(municipalities)
    return Weighted.of(zip(municipalities, sizes, strict=True))
