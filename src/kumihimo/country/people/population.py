"""The population (架空の人口): households and residents drawn one after the other from a seed, in bounded memory.

Every household is drawn from its own stream of randomness, named by its number, so the first thousand people are the same
in a country of a thousand and in one of a million. The first household is that of 総務花子.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import count

from kumihimo.country import topology
from kumihimo.country.people import histories, livelihoods, names
from kumihimo.country.people import households as composition
from kumihimo.country.people.chance import Chance
from kumihimo.country.people.hanako import hanako_household
from kumihimo.country.people.residents import Household, Relation, SyntheticResident
from kumihimo.domain.kernel.ages import age_on
from kumihimo.domain.kernel.institutions import InstitutionId
from kumihimo.domain.kernel.names import PersonName
from kumihimo.domain.kernel.person import FourItems, Sex
from kumihimo.domain.kernel.randomness import SeededRandomness

_FOREIGN = 0.027
_SPOUSES_KEEP_NAMES = frozenset({"CN", "KR", "VN"})


def residents(
    n: int, seed: int | str, *, today: date, municipalities: Sequence[InstitutionId] | None = None
) -> Iterator[SyntheticResident]:
    """Exactly `n` residents, 総務花子 first, household by household. The same arguments give the same people."""
    return (member for one in households(n, seed, today=today, municipalities=municipalities) for member in one.members)


def households(
    n: int, seed: int | str, *, today: date, municipalities: Sequence[InstitutionId] | None = None
) -> Iterator[Household]:
    """Households with exactly `n` members together; the last one lacks its youngest when they would be too many."""
    source = SeededRandomness(seed)
    places = tuple(municipalities or topology.municipalities())
    left = n
    for number in count():
        if left <= 0:
            return
        if number == 0:
            household = hanako_household(today)
        else:
            chance = Chance(source.stream(f"household/{number}"))
            household = _household(chance, number, n - left, today, places)
        if len(household.members) > left:
            household = replace(household, members=household.members[:left])
        left -= len(household.members)
        yield household


def _household(
    chance: Chance, number: int, first: int, today: date, municipalities: tuple[InstitutionId, ...]
) -> Household:
    places = composition.places(chance, today)
    head = places[0].birth
    nationality = names.nationality(chance) if chance.happens(_FOREIGN) else "JP"
    family = _family(chance, nationality)
    lived = histories.moves(chance, municipalities, head, today)
    members: list[SyntheticResident] = []
    given: set[str] = set()
    for place in places:
        own = place.own_family or (nationality in _SPOUSES_KEEP_NAMES and place.relation is Relation.SPOUSE)
        name = _name(chance, nationality, _family(chance, nationality) if own else family, place, given)
        # A head who lives with others does not die here: who is head then is for the register to decide.
        mortal = place.relation is not Relation.HEAD or len(places) == 1
        age = age_on(place.birth, today)
        died = histories.death(chance, age, max(lived[-1].since, place.birth), today) if mortal else None
        history = histories.lived_by(place.birth, lived, head, died)
        work = livelihoods.occupation(chance, age, place.sex)
        members.append(
            SyntheticResident(
                number=first + len(members),
                household=number,
                relation=place.relation,
                four_items=FourItems(name, history[-1].address, place.birth, place.sex),
                nationality=nationality,
                history=history,
                occupation=work,
                incomes=livelihoods.incomes(chance, work, age, place.sex, today.year),
                died=died,
            )
        )
    return Household(number, tuple(members))


def _family(chance: Chance, nationality: str) -> names.Written:
    return names.family_name(chance) if nationality == "JP" else names.foreign_name(chance, nationality, Sex.MALE)[0]


def _name(
    chance: Chance, nationality: str, family: names.Written, place: composition.Place, given: set[str]
) -> PersonName:
    """A name nobody else in the household bears, as far as a few draws can find one."""
    for _ in range(8):
        if nationality == "JP":
            written, kana = names.given_name(chance, place.sex, place.birth.year)
        else:
            written, kana = names.foreign_name(chance, nationality, place.sex)[1]
        if written not in given:
            break
    given.add(written)
    return PersonName(family[0], written, family[1], kana)
