"""Numbers drawn or read in bulk are those drawn or read one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel import IndividualNumber, Problem, ResidentCode, SeededRandomness
from kumihimo.domain.kernel.check_digits import remainder_11
from kumihimo.domain.kernel.numbers_in_bulk import (
    draw_individual_numbers,
    draw_resident_codes,
    resident_code_values,
    with_check_digits,
)
from kumihimo.domain.kernel.randomness import uniform_many


@given(st.text("0123456789", max_size=24))
def test_the_sum_of_modulus_11_is_that_of_its_formula(body: str) -> None:
    weights = [n + 1 if n <= 6 else n - 5 for n in range(1, 13)] * 2
    assert remainder_11(body) == sum(int(p) * q for p, q in zip(reversed(body), weights, strict=False)) % 11


@given(st.integers(1, 10**12), st.integers(0, 50), st.integers())
def test_integers_drawn_in_bulk_are_as_many_as_asked_for_and_below_the_bound(n: int, count: int, seed: int) -> None:
    drawn = uniform_many(SeededRandomness(seed), n, count)
    assert len(drawn) == count
    assert all(0 <= one < n for one in drawn)


def test_integers_drawn_in_bulk_reach_every_value_about_equally_often() -> None:
    drawn = uniform_many(SeededRandomness(1), 5, 10_000)
    assert all(1_800 < drawn.count(value) < 2_200 for value in range(5))


def test_numbers_drawn_in_bulk_are_well_formed_and_differ() -> None:
    numbers = IndividualNumber.random_many(SeededRandomness(2), 1_000)
    assert len({one.digits for one in numbers}) == 1_000
    assert [IndividualNumber.parse(one.digits) for one in numbers] == numbers
    codes = ResidentCode.random_many(SeededRandomness(2), 1_000)
    assert ResidentCode.parse_all([one.digits for one in codes], "codes") == codes


def test_of_many_codes_the_first_wrong_one_is_named_by_its_place() -> None:
    good = ResidentCode.random(SeededRandomness(3)).digits
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
    with pytest.raises(Problem) as caught:
        ResidentCode.parse_all([good, wrong, "x"], "codes")
    assert (caught.value.code, caught.value.where) == ("resident_code.check_digit", "codes[1]")


@given(st.lists(st.integers(1, 10**11 - 1)))
def test_check_digits_looked_up_six_digits_at_a_time_are_those_of_the_type(bodies: list[int]) -> None:
    right = [int(IndividualNumber.from_body(f"{body:011d}").digits) for body in bodies]
    assert with_check_digits(bodies) == right


@given(st.integers())
def test_plain_integers_are_drawn_as_the_types_draw(seed: int) -> None:
    numbers = IndividualNumber.random_many(SeededRandomness(seed), 20)
    assert draw_individual_numbers(SeededRandomness(seed), 20) == [int(one.digits) for one in numbers]
    codes = ResidentCode.random_many(SeededRandomness(seed), 20)
    assert draw_resident_codes(SeededRandomness(seed), 20) == [one.digits for one in codes]


@given(st.lists(st.integers(1, 10**10 - 1), min_size=1), st.integers(0, 9))
def test_many_codes_are_right_when_each_one_is(bodies: list[int], digit: int) -> None:
    codes = [ResidentCode.from_body(f"{body:010d}").digits for body in bodies]
    assert resident_code_values(codes) == [int(code) for code in codes]
    changed = codes[0][:-1] + str(digit)
    found = resident_code_values([*codes, changed])
    assert found == ([int(code) for code in [*codes, changed]] if changed == codes[0] else None)


@pytest.mark.parametrize("wrong", ["", "0" * 11, "1234567890", "１２３４５６７８９０１", "1234 567890", "²2345678901"])
def test_what_is_not_plainly_a_code_is_left_to_be_read_one_by_one(wrong: str) -> None:
    good = ResidentCode.random(SeededRandomness(3)).digits
    assert resident_code_values([good, wrong]) is None
    assert resident_code_values([]) is None
