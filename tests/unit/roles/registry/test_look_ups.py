"""Look-ups: one resident or nobody; never the number of somebody who might be meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from registry_office import TODAY, Office, event, hanako

from kumihimo.domain.kernel import Address, FourItems, PersonName, Problem, ResidentCode, Sex
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind


def fault(office: Office, asker: str, **keys: object) -> Problem:
    with pytest.raises(Problem) as caught:
        office.look_ups.find(asker, **keys)  # type: ignore[arg-type]
    return caught.value


def test_a_number_finds_its_holder_for_any_institution(office: Office) -> None:
    resident = office.born()
    for asker in ("x-city", "y-city", "pension"):
        (found,) = office.look_ups.find(asker, number=resident.individual_number)
        assert found.four_items == resident.four_items
        assert found.individual_number == resident.individual_number


def test_a_number_is_found_however_it_is_typed(office: Office) -> None:
    resident = office.born()
    plain = resident.individual_number
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in plain)
    assert office.look_ups.find("pension", number=f"{plain[:4]} {plain[4:8]}-{plain[8:]}")
    assert office.look_ups.find("pension", number=wide)


def test_a_number_nobody_has_finds_nobody(office: Office) -> None:
    office.born()
    assert office.look_ups.find("pension", number="621498320257") == ()


def test_a_number_that_is_none_is_refused_and_not_repeated(office: Office) -> None:
    problem = fault(office, "pension", number="621498320258")
    assert (problem.code, problem.where) == ("number.check_digit", "individual_number")
    assert "62149832" not in str(problem)


def test_a_resident_code_serves_municipalities_only(office: Office) -> None:
    resident = office.born()
    (found,) = office.look_ups.find("y-city", resident_code=resident.resident_code)
    assert found == resident
    assert fault(office, "pension", resident_code=resident.resident_code).code == "peer.not_allowed"
    assert fault(office, "y-city", resident_code="123").code == "resident_code.format"
    assert office.look_ups.find("y-city", resident_code=ResidentCode.from_body("1234567890").digits) == ()


def test_municipalities_see_the_resident_code_and_others_do_not(office: Office) -> None:
    resident = office.born()
    assert office.look_ups.find("y-city", number=resident.individual_number)[0].resident_code == resident.resident_code
    assert office.look_ups.find("pension", number=resident.individual_number)[0].resident_code is None


WRITTEN_OTHERWISE = FourItems(
    PersonName("山田", "花子", "ﾔﾏﾀﾞ", "はなこ"),
    Address("甲県", "X市", "中央１－２－３", ""),
    date(1984, 3, 15),
    Sex.FEMALE,
)


def test_four_items_find_their_person_however_they_are_written(office: Office) -> None:
    resident = office.born()
    (found,) = office.look_ups.find("pension", four_items=WRITTEN_OTHERWISE)
    assert found.individual_number == resident.individual_number


@pytest.mark.parametrize(
    "other",
    [
        hanako(given="華子"),
        hanako(family="山口"),
        hanako(lines="中央1丁目2番4号"),
        hanako(municipality="Y市"),
        hanako(birth=date(1984, 3, 16)),
        hanako(sex=Sex.MALE),
    ],
)
def test_one_item_that_differs_finds_nobody(office: Office, other: FourItems) -> None:
    office.born()
    assert office.look_ups.find("pension", four_items=other) == ()


def test_where_two_fit_nobody_s_number_is_given_out_and_nobody_is_subscribed(office: Office) -> None:
    pair = [office.born(), office.born(items=hanako(municipality="Y市"))]
    office.residents.report("x-city", event(Kind.CORRECTION, TODAY, pair[1].resident_code, hanako()))
    problem = fault(office, "pension", four_items=hanako())
    assert (problem.code, problem.detail) == ("resident.ambiguous", "2 residents fit")
    for one in pair:
        assert one.individual_number not in str(problem)
        office.residents.report("x-city", event(Kind.DEATH, TODAY, one.resident_code))
    assert office.heard("pension/ledger") == []


def test_the_dead_are_found_too_and_are_said_to_be_dead(office: Office) -> None:
    resident = office.born()
    office.residents.report("x-city", event(Kind.DEATH, TODAY, resident.resident_code))
    (found,) = office.look_ups.find("pension", number=resident.individual_number)
    assert (found.alive, found.died_on, found.version) == (False, TODAY, 2)


def test_after_a_move_the_new_address_is_the_one_that_finds(office: Office) -> None:
    resident, moved = office.born(), hanako(municipality="Y市")
    office.residents.report("y-city", event(Kind.MOVE, TODAY, resident.resident_code, moved))
    assert office.look_ups.find("pension", four_items=hanako()) == ()
    (found,) = office.look_ups.find("pension", four_items=moved)
    assert found.municipality == "y-city"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"number": "621498320257", "four_items": hanako()},
        {"number": "621498320257", "resident_code": "12345678901"},
        {"number": "621498320257", "resident_code": "12345678901", "four_items": hanako()},
    ],
)
def test_one_asks_by_exactly_one_thing(office: Office, keys: dict[str, object]) -> None:
    problem = fault(office, "x-city", **keys)
    assert problem.code == "value.invalid"
    assert "621498320257" not in str(problem)


def test_who_asked_once_hears_of_later_events_once_each(office: Office) -> None:
    resident = office.born()
    for _ in range(3):
        office.look_ups.find("pension", number=resident.individual_number)
    office.residents.report("x-city", event(Kind.NAME_CHANGE, TODAY, resident.resident_code, hanako(family="佐藤")))
    assert len(office.heard("pension/ledger")) == 1


def test_an_institution_that_nobody_knows_finds_nothing(office: Office) -> None:
    resident = office.born()
    assert fault(office, "z-town", number=resident.individual_number).code == "institution.unknown"


def test_a_building_is_part_of_the_address(office: Office) -> None:
    with_room = replace(hanako(), address=replace(hanako().address, building="コーポ組紐101"))
    office.born(with_room)
    assert office.look_ups.find("pension", four_items=hanako()) == ()
    assert len(office.look_ups.find("pension", four_items=with_room)) == 1
