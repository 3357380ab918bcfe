"""Numbers of persons and corporations: what is accepted, what is caught, and what is never printed."""

import copy
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.jp import cn, in_

from kumihimo.domain.kernel.check_digits import modulus_9, modulus_11
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.numbers import AddresseeNumber, CorporateNumber, IndividualNumber, ResidentCode
from kumihimo.domain.kernel.randomness import SeededRandomness

VALID = ["621498320257", "983205673214", "123456789018"]
VALID_CORPORATE = ["5835678256246", "7000012050002", "8700110005901"]

bodies_11 = st.integers(1, 10**11 - 1).map("{:011d}".format)
bodies_12 = st.integers(0, 10**12 - 1).map("{:012d}".format)
individual_numbers = bodies_11.map(IndividualNumber.from_body)
personal_numbers = (
    individual_numbers
    | st.integers(1, 10**10 - 1).map("{:010d}".format).map(ResidentCode.from_body)
    | st.integers(1, 10**14 - 1).map(AddresseeNumber.from_serial)
)


@pytest.mark.parametrize("digits", VALID)
def test_published_individual_numbers_are_accepted(digits: str) -> None:
    assert IndividualNumber.parse(digits).digits == digits


@pytest.mark.parametrize(
    "typed", ["6214 9832 0257", "６２１４－９８３２－０２５７", "6214ー9832ー0257", " 6214—9832—0257\n"]
)
def test_an_individual_number_is_read_as_people_type_it(typed: str) -> None:
    assert IndividualNumber.parse(typed) == IndividualNumber("621498320257")


def test_a_wrong_check_digit_is_refused_with_the_right_one_and_without_the_number() -> None:
    with pytest.raises(Problem) as refused:
        IndividualNumber.parse("6214-9832-0258", where="row 3")
    problem = refused.value
    assert problem.code == "number.check_digit"
    assert problem.where == "row 3"
    assert problem.expected == "7 as the last digit"
    assert "****-****-0258" in str(problem)
    assert "9832" not in str(problem)


@pytest.mark.parametrize("typed", ["0" * 12, "62149832025", "6214983202577", "62149832025X", "", "個人番号"])
def test_what_is_not_an_individual_number_is_refused(typed: str) -> None:
    with pytest.raises(Problem) as refused:
        IndividualNumber.parse(typed)
    assert refused.value.code == "number.format"


@pytest.mark.parametrize("kind", [ResidentCode, AddresseeNumber])
def test_zeros_alone_are_no_number_of_a_person(kind: type[ResidentCode] | type[AddresseeNumber]) -> None:
    with pytest.raises(Problem, match="nothing but zeros"):
        kind.parse("0" * kind.LENGTH)


@pytest.mark.parametrize("typed", ["6214-9832-0257", "６２１４９８３２０２５７", "621498320258"])
def test_a_number_cannot_be_made_from_unparsed_or_wrong_digits(typed: str) -> None:
    with pytest.raises(Problem):
        IndividualNumber(typed)


@given(bodies_11)
def test_individual_numbers_agree_with_python_stdnum(body: str) -> None:
    assert modulus_11(body) == in_.calc_check_digit(body)
    assert in_.is_valid(IndividualNumber.from_body(body).digits)


@given(bodies_12)
def test_corporate_numbers_agree_with_python_stdnum(body: str) -> None:
    assert modulus_9(body) == cn.calc_check_digit(body)
    assert cn.is_valid(CorporateNumber.from_body(body).digits)


@given(personal_numbers)
def test_parsing_the_digits_gives_the_number_back(
    number: IndividualNumber | ResidentCode | AddresseeNumber,
) -> None:
    assert type(number).parse(number.digits) == number
    assert hash(type(number).parse(number.digits)) == hash(number)


@given(personal_numbers)
def test_a_number_of_a_person_prints_masked_wherever_it_is_printed(
    number: IndividualNumber | ResidentCode | AddresseeNumber,
) -> None:
    hidden = number.digits[:-4]
    for printed in (str(number), repr(number), f"{number}", f"{number:>30}", f"{[number]}", f"{number!r}"):
        assert hidden not in printed.replace("-", "")
        assert sum(character.isdigit() for character in printed) == 4


@given(individual_numbers, st.integers(0, 11), st.integers(1, 9))
def test_a_wrong_digit_passes_only_where_remainders_0_and_1_share_a_check_digit(
    number: IndividualNumber, place: int, shift: int
) -> None:
    digits = number.digits
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    if digits[-1] == "0" and place < 11 and modulus_11(wrong[:-1]) == "0":
        return
    with pytest.raises(Problem):
        IndividualNumber.parse(wrong)


def test_one_wrong_digit_in_sixty_passes_by_the_formula_of_the_ordinance() -> None:
    rng = SeededRandomness("single-digit errors")
    passed = tried = 0
    for _ in range(1500):
        digits = IndividualNumber.random(rng).digits
        for place in range(12):
            for other in set("0123456789") - {digits[place]}:
                wrong = digits[:place] + other + digits[place + 1 :]
                tried += 1
                passed += modulus_11(wrong[:-1]) == wrong[-1]
    assert passed / tried == pytest.approx(1 / 60, rel=0.15)


@given(bodies_12, st.integers(0, 12), st.integers(1, 9))
def test_a_corporate_number_catches_every_wrong_digit_but_0_for_9(body: str, place: int, shift: int) -> None:
    digits = CorporateNumber.from_body(body).digits
    other = str((int(digits[place]) + shift) % 10)
    wrong = digits[:place] + other + digits[place + 1 :]
    if place > 0 and {digits[place], other} == {"0", "9"}:
        assert CorporateNumber.parse(wrong).digits == wrong
    else:
        with pytest.raises(Problem):
            CorporateNumber.parse(wrong)


@pytest.mark.parametrize("digits", VALID_CORPORATE)
def test_published_corporate_numbers_are_accepted_and_printed_openly(digits: str) -> None:
    assert str(CorporateNumber.parse(f"{digits[0]}-{digits[1:5]}-{digits[5:9]}-{digits[9:]}")) == digits


def test_a_wrong_corporate_number_is_refused_with_the_right_digit() -> None:
    with pytest.raises(Problem, match="expected 5 as the first digit") as refused:
        CorporateNumber.parse("2835678256246", "requester")
    assert (refused.value.code, refused.value.where) == ("corporate_number.check_digit", "requester")


@pytest.mark.parametrize(("code", "digits"), [("130001", "8000020130001"), ("011002", "9000020011002")])
def test_a_local_government_has_its_code_in_its_corporate_number(code: str, digits: str) -> None:
    assert CorporateNumber.of_local_government(code).digits == digits


def test_the_formula_of_the_resident_code_can_be_replaced() -> None:
    def always_seven(body: str) -> str:
        return "7"

    code = ResidentCode.from_body("1234567890", check=always_seven)
    assert code.digits == "12345678907"
    assert ResidentCode.parse("1234567890-7", check=always_seven) == code
    with pytest.raises(Problem) as refused:
        ResidentCode.parse("12345678907")
    assert refused.value.code == "resident_code.check_digit"


@given(st.integers(1, 10**14 - 1))
def test_an_addressee_number_keeps_its_place_in_the_ledger(serial: int) -> None:
    assert AddresseeNumber.from_serial(serial).serial == serial


@pytest.mark.parametrize("serial", [0, -1, 10**14])
def test_a_ledger_has_no_place_zero_and_ends_somewhere(serial: int) -> None:
    with pytest.raises(Problem) as refused:
        AddresseeNumber.from_serial(serial)
    assert refused.value.code == "addressee_number.format"


def test_no_number_can_be_taken_for_one_of_another_kind() -> None:
    lengths = [IndividualNumber.LENGTH, CorporateNumber.LENGTH, ResidentCode.LENGTH, AddresseeNumber.LENGTH]
    assert len(set(lengths)) == 4


def test_numbers_are_drawn_again_from_the_same_seed_and_differ_from_each_other() -> None:
    first, again = SeededRandomness(7), SeededRandomness(7)
    drawn = [IndividualNumber.random(first) for _ in range(500)]
    assert drawn == [IndividualNumber.random(again) for _ in range(500)]
    assert len(set(drawn)) == 500
    assert CorporateNumber.random(first).digits[1] != "0"
    assert ResidentCode.random(first) != ResidentCode.random(first)


def test_a_number_cannot_be_changed_and_survives_copying() -> None:
    number = IndividualNumber.parse(VALID[0])
    with pytest.raises(FrozenInstanceError):
        number._digits = VALID[1]
    assert copy.deepcopy(number) == number
