"""Rotation: whoever rotates how often, under whichever seeds of the operators, institutions find the same person."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_code_hub import Hub

from kumihimo.domain.codes import (
    CONSTANT_INSTITUTION,
    OperatorSecrets,
    Point,
    SeedGenerations,
    Translator,
    assemble_key,
    check_moved,
    combine,
    decrypt,
    encrypt,
    person_point,
    prove_points,
    public_key,
    random_scalar,
    verify_points,
)
from kumihimo.domain.codes.group import Scalar, mul
from kumihimo.domain.kernel.errors import Problem

X, Y = "x-city", "y-city"
people = st.lists(st.integers(0, 10**11 - 1), min_size=1, max_size=4, unique=True)


class Operator:
    """One operator with generations of seeds; a domain is derived from the newest one there is when it is opened."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 1
        self.of: dict[str, int] = {}
        self.gone: set[int] = set()
        kept = OperatorSecrets(*self.seeds(1)).reshuffle_factor(f"{CONSTANT_INSTITUTION}#1")
        self.factors = SeedGenerations(self.generation_of, self.secrets_of, lambda: kept)

    def seeds(self, generation: int) -> tuple[bytes, bytes]:
        drawn = hashlib.sha512(f"{self.name} {generation}".encode()).digest()
        return drawn[:32], drawn[32:]

    def generation_of(self, label: str) -> int:
        return self.of.setdefault(label, self.generation)

    def secrets_of(self, generation: int) -> OperatorSecrets:
        if generation in self.gone:
            raise Problem("key.missing", f"generation {generation}")
        return OperatorSecrets(*self.seeds(generation))


class Country:
    """Two institutions with codes of some persons, a registry, and both operators."""

    def __init__(self, persons: list[int]) -> None:
        self.operators = [Operator("1"), Operator("2")]
        one, two = (operator.factors for operator in self.operators)
        self.translators = Translator(one, 1, two.published), Translator(two, 2, one.published)
        self.epoch = {X: 1, Y: 1, CONSTANT_INSTITUTION: 1}
        for institution in self.epoch:
            self.key(self.label(institution))  # opened under the first seeds
        self.persons = persons
        self.codes = {one: [self.issued(person, one) for person in persons] for one in (X, Y)}

    def label(self, institution: str) -> str:
        return f"{institution}#{self.epoch[institution]}"

    def key(self, label: str) -> bytes:
        return assemble_key(*(operator.factors.key_share(label) for operator in self.operators))

    def carried(self, code: bytes, source: str, target: str) -> Point:
        ciphertexts = [encrypt(code, public_key(self.key(source)), random_scalar())]
        for translator in self.translators:
            ciphertexts = translator.hop(ciphertexts, source, target)
        return decrypt(ciphertexts[0], self.key(target))

    def issued(self, person: int, institution: str) -> Point:
        point = person_point(b"r" * 32, f"{person:011d}", 0)
        return self.carried(point, self.label(CONSTANT_INSTITUTION), self.label(institution))

    def rotate(self, institution: str) -> None:
        before = self.label(institution)
        self.epoch[institution] += 1
        if institution in self.codes:
            after = self.label(institution)
            self.codes[institution] = [self.carried(code, before, after) for code in self.codes[institution]]


EVENTS = st.lists(st.sampled_from([X, Y, CONSTANT_INSTITUTION, "seeds of 1", "seeds of 2"]), max_size=7)


@given(persons=people, events=EVENTS)
@settings(max_examples=40, deadline=None)
def test_whatever_was_rotated_each_institution_finds_the_same_person(persons: list[int], events: list[str]) -> None:
    country = Country(persons)
    earlier = {code for codes in country.codes.values() for code in codes}
    for event in events:
        if event.startswith("seeds"):
            country.operators[int(event[-1]) - 1].generation += 1
        else:
            country.rotate(event)
        for asker, other in ((X, Y), (Y, X)):
            for place, code in enumerate(country.codes[asker]):
                found = country.carried(code, country.label(asker), country.label(other))
                assert country.codes[other].index(found) == place
        for place, person in enumerate(persons):
            assert country.issued(person, Y) == country.codes[Y][place], "who comes later gets the code of today"
    rotated = {one for one in (X, Y) if one in events}
    assert not earlier & {code for one in rotated for code in country.codes[one]}


@given(persons=people)
@settings(max_examples=15, deadline=None)
def test_a_stolen_table_of_codes_matches_nothing_after_a_rotation(persons: list[int]) -> None:
    country = Country(persons)
    stolen = list(country.codes[Y])
    country.rotate(Y)
    here, there = country.label(Y), country.label(X)
    for code in stolen:
        assert code not in country.codes[Y]
        assert country.carried(code, here, there) not in country.codes[X]


@given(persons=people)
@settings(max_examples=10, deadline=None)
def test_old_seeds_are_worth_nothing_once_everybody_was_rotated(persons: list[int]) -> None:
    country = Country(persons)
    for operator in country.operators:
        operator.generation = 2
    for institution in (X, Y, CONSTANT_INSTITUTION):
        country.rotate(institution)
    for operator in country.operators:
        operator.gone = {1}
    x, y = country.label(X), country.label(Y)
    assert [country.carried(code, x, y) for code in country.codes[X]] == country.codes[Y]
    assert [country.issued(person, X) for person in persons] == country.codes[X]
    thief = [OperatorSecrets(*operator.seeds(1)) for operator in country.operators]
    for label in (x, y):
        assert assemble_key(*(one.key_share(label) for one in thief)) != country.key(label)


@pytest.mark.parametrize("generation", [1, 2])
def test_published_points_of_every_generation_can_be_proven(generation: int) -> None:
    operator = Operator("1")
    operator.generation = generation
    label = "y-city#9"
    verify_points(operator.factors.published(label), label, prove_points(operator.factors, label))


codes_of = st.lists(st.integers(0, 10**11 - 1), min_size=2, max_size=6, unique=True)
factors = st.integers(2, 2**200)


def scalar(number: int) -> Scalar:
    return Scalar(number.to_bytes(32, "little"))


@given(persons=codes_of, factor=factors)
@settings(max_examples=20, deadline=None)
def test_codes_moved_by_one_factor_fit_their_combination(hub: Hub, persons: list[int], factor: int) -> None:
    codes = [hub.person(person) for person in persons]
    hidden = combine(codes)
    check_moved(hidden, [mul(scalar(factor), code) for code in codes], mul(scalar(factor), hidden.point))


@given(persons=codes_of, factor=factors, data=st.data())
@settings(max_examples=30, deadline=None)
def test_one_code_moved_otherwise_is_found(hub: Hub, persons: list[int], factor: int, data: st.DataObject) -> None:
    codes = [hub.person(person) for person in persons]
    hidden = combine(codes)
    moved = [mul(scalar(factor), code) for code in codes]
    place = data.draw(st.integers(0, len(codes) - 1))
    wrong = data.draw(st.sampled_from(["another's", "another factor", "exchanged"]))
    if wrong == "another's":
        moved[place] = moved[place - 1]
    elif wrong == "another factor":
        moved[place] = mul(scalar(factor + 1), codes[place])
    else:
        moved[place], moved[place - 1] = moved[place - 1], moved[place]
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        check_moved(hidden, moved, mul(scalar(factor), hidden.point))


def test_nothing_cannot_be_combined() -> None:
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        combine([])
