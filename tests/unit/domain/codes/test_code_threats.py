"""What those who collude can compute of a person's codes, and what they cannot: docs/security.md, section 3."""

from __future__ import annotations

from link_code_hub import REGISTRY, Hub

from kumihimo.domain.codes import OperatorSecrets, Point, decrypt, person_point
from kumihimo.domain.codes.group import mul, scalar_invert, scalar_mul

X_CITY, Y_CITY, PENSION = "x-city#1", "y-city#1", "pension#1"
PEOPLE = range(40)


def moved(code: Point, source: str, target: str, *operators: OperatorSecrets) -> Point:
    """A code of `source` as far towards `target` as the factors of these operators take it."""
    for one in operators:
        code = mul(scalar_mul(one.reshuffle_factor(target), scalar_invert(one.reshuffle_factor(source))), code)
    return code


def test_an_operator_with_two_institutions_lacks_the_factors_of_the_other_operator(hub: Hub) -> None:
    theirs = {hub.code(number, Y_CITY) for number in PEOPLE}
    for operator in (hub.secrets1, hub.secrets2):
        joined = {moved(hub.code(number, X_CITY), X_CITY, Y_CITY, operator) for number in PEOPLE}
        assert not joined & theirs


def test_two_institutions_without_an_operator_find_no_code_in_common(hub: Hub) -> None:
    assert not {hub.code(number, X_CITY) for number in PEOPLE} & {hub.code(number, Y_CITY) for number in PEOPLE}


def test_both_operators_together_follow_a_pseudonym_everywhere_and_name_nobody(hub: Hub) -> None:
    """The limit that is stated: their collusion is not stopped by arithmetic; who it is, they do not learn."""
    code = hub.code(7, X_CITY)
    assert moved(code, X_CITY, Y_CITY, hub.secrets1, hub.secrets2) == hub.code(7, Y_CITY)
    assert decrypt(hub.encrypt(code, X_CITY), hub.key(X_CITY)) == code
    base = moved(code, X_CITY, REGISTRY, hub.secrets1, hub.secrets2)
    guessed = {person_point(b"\x00" * 32, f"{number:011d}", 0) for number in PEOPLE}  # without the registry's secret
    everywhere = {moved(one, REGISTRY, REGISTRY, hub.secrets1, hub.secrets2) for one in guessed}
    assert base not in guessed | everywhere


def test_the_registry_s_own_points_are_nobody_s_codes(hub: Hub) -> None:
    points = {hub.person(number) for number in PEOPLE}
    for label in (X_CITY, Y_CITY, PENSION):
        assert not points & {hub.code(number, label) for number in PEOPLE}
