"""Ordinance applications: made, changed and removed by their municipality alone, in a space that is counted."""

from __future__ import annotations

import pytest
from card_country import CardCountry
from power_disk import PowerDisk

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import CAPACITY, ORDINANCE_OVERHEAD, Access, Algorithm, Card, Pin, ordinance_aid
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession, OrdinanceEntry, OrdinanceSpec
from kumihimo.roles.card.terminal.specimen import PINS, Applicant

LIBRARY, HEALTH, SHELTER = (ordinance_aid("011002", number) for number in (1, 2, 3))


def test_an_access_key_is_read_by_anybody(x_city: OfficeSession, terminal: CardTerminal) -> None:
    x_city.create_ordinance(OrdinanceSpec(LIBRARY, Access.FREE), b"library card 42")
    assert terminal.read_ordinance(LIBRARY) == b"library card 42"
    assert terminal.ordinance_applications() == [OrdinanceEntry(LIBRARY, Access.FREE)]
    assert terminal.ordinance_applications()[0].municipality == "011002"


def test_an_attribute_is_read_with_its_own_pin_which_locks_by_itself(
    x_city: OfficeSession, terminal: CardTerminal, card: Card, country: CardCountry
) -> None:
    x_city.create_ordinance(OrdinanceSpec(HEALTH, Access.PIN, "864213"), b"result")
    assert refusal(lambda: terminal.read_ordinance(HEALTH)) == "card.not_allowed"
    assert terminal.read_ordinance(HEALTH, "864213") == b"result"
    for _ in range(3):
        assert refusal(lambda: terminal.read_ordinance(HEALTH, "0000")) == "card.pin_wrong"
    assert refusal(lambda: terminal.read_ordinance(HEALTH, "864213")) == "card.pin_blocked"
    assert terminal.ordinance_tries_left(HEALTH) == 0
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    y_city = OfficeSession(card.transmit, country.y_city)
    assert refusal(lambda: y_city.unlock_ordinance(HEALTH, "1111")) == "card.not_allowed"
    OfficeSession(card.transmit, country.x_city).unlock_ordinance(HEALTH, "1111")
    assert terminal.read_ordinance(HEALTH, "1111") == b"result"


def test_an_attribute_for_terminals_is_read_by_an_office_of_its_municipality_only(
    x_city: OfficeSession, terminal: CardTerminal, card: Card, country: CardCountry
) -> None:
    x_city.create_ordinance(OrdinanceSpec(SHELTER, Access.TERMINAL), b"needs help on stairs")
    assert x_city.read_ordinance(SHELTER) == b"needs help on stairs"
    y_city = OfficeSession(card.transmit, country.y_city)
    assert refusal(lambda: y_city.read_ordinance(SHELTER)) == "card.not_allowed"
    assert refusal(lambda: terminal.read_ordinance(SHELTER)) == "card.not_allowed"


def test_an_update_keeps_the_pin_and_its_tries(
    x_city: OfficeSession, terminal: CardTerminal, card: Card, country: CardCountry
) -> None:
    x_city.create_ordinance(OrdinanceSpec(HEALTH, Access.PIN, "8642"), b"of last year")
    assert refusal(lambda: terminal.read_ordinance(HEALTH, "0000")) == "card.pin_wrong"
    OfficeSession(card.transmit, country.x_city).update_ordinance(HEALTH, b"of this year, and longer")
    assert terminal.ordinance_tries_left(HEALTH) == 2
    assert terminal.read_ordinance(HEALTH, "8642") == b"of this year, and longer"


def test_space_is_counted_and_a_full_card_says_so_and_changes_nothing(country: CardCountry) -> None:
    card = country.authority.issued(PowerDisk(), country.x_city, Applicant(Algorithm.P_384), capacity=1_000)
    session = OfficeSession(card.transmit, country.x_city)
    assert session.free_space() == 1_000
    session.create_ordinance(OrdinanceSpec(LIBRARY, Access.FREE), b"x" * 500)
    left = 1_000 - 500 - ORDINANCE_OVERHEAD
    assert session.free_space() == left
    too_much = b"y" * (left - ORDINANCE_OVERHEAD + 1)
    assert refusal(lambda: session.create_ordinance(OrdinanceSpec(HEALTH, Access.FREE), too_much)) == "card.full"
    assert refusal(lambda: session.update_ordinance(LIBRARY, b"z" * 937)) == "card.full"
    assert session.free_space() == left
    session.create_ordinance(OrdinanceSpec(HEALTH, Access.FREE), too_much[1:])
    assert session.free_space() == 0
    session.delete_ordinance(LIBRARY)
    assert session.free_space() == 500 + ORDINANCE_OVERHEAD


def test_a_card_is_filled_to_the_last_byte_with_large_applications(x_city: OfficeSession) -> None:
    assert x_city.free_space() == CAPACITY == 65_536
    x_city.create_ordinance(OrdinanceSpec(LIBRARY, Access.FREE), b"x" * 32_767)
    assert refusal(lambda: x_city.create_ordinance(OrdinanceSpec(HEALTH, Access.FREE), b"y" * 32_768)) == "card.full"
    x_city.create_ordinance(OrdinanceSpec(HEALTH, Access.FREE), b"y" * (65_536 - 32_767 - 2 * 64))
    assert x_city.free_space() == 0
    assert x_city.read_ordinance(LIBRARY) == b"x" * 32_767


def test_a_removed_application_is_gone_with_its_pin(x_city: OfficeSession, terminal: CardTerminal) -> None:
    x_city.create_ordinance(OrdinanceSpec(HEALTH, Access.PIN, "8642"), b"result")
    x_city.delete_ordinance(HEALTH)
    assert x_city.free_space() == CAPACITY
    assert refusal(lambda: x_city.delete_ordinance(HEALTH)) == "card.unknown"
    assert refusal(lambda: terminal.read_ordinance(HEALTH, "8642")) == "card.unknown"
    assert terminal.ordinance_applications() == []


def test_an_application_stays_with_its_municipality_after_the_resident_moved(
    x_city: OfficeSession, card: Card, country: CardCountry
) -> None:
    x_city.create_ordinance(OrdinanceSpec(LIBRARY, Access.FREE), b"library card 42")
    y_city = OfficeSession(card.transmit, country.y_city)
    y_city.take_over(PINS[Pin.REGISTER])
    assert refusal(lambda: y_city.update_ordinance(LIBRARY, b"mine")) == "card.not_allowed"
    assert refusal(lambda: y_city.delete_ordinance(LIBRARY)) == "card.not_allowed"
    y_city.create_ordinance(OrdinanceSpec(ordinance_aid("131016", 1), Access.FREE), b"of Y city")
    again = OfficeSession(card.transmit, country.x_city)
    again.delete_ordinance(LIBRARY)
    assert refusal(lambda: again.create_ordinance(OrdinanceSpec(LIBRARY, Access.FREE), b"x")) == "card.not_allowed"


def test_an_application_under_another_municipalitys_id_is_not_made(x_city: OfficeSession) -> None:
    foreign = OrdinanceSpec(ordinance_aid("131016", 1), Access.FREE)
    assert refusal(lambda: x_city.create_ordinance(foreign, b"x")) == "card.not_allowed"


@pytest.mark.parametrize(
    "spec",
    [
        OrdinanceSpec(LIBRARY, Access.PIN),
        OrdinanceSpec(LIBRARY, Access.FREE, "1234"),
        OrdinanceSpec(LIBRARY, Access.PIN, "12"),
        OrdinanceSpec(bytes.fromhex("D392F000260100000001"), Access.FREE),
        OrdinanceSpec(LIBRARY + b"\x00", Access.FREE),
    ],
)
def test_what_makes_no_sense_is_not_made(x_city: OfficeSession, spec: OrdinanceSpec) -> None:
    assert refusal(lambda: x_city.create_ordinance(spec, b"x")) == "card.refused"
    assert x_city.terminal.ordinance_applications() == []


def test_an_application_is_made_once_and_not_empty(x_city: OfficeSession) -> None:
    spec = OrdinanceSpec(LIBRARY, Access.FREE)
    assert refusal(lambda: x_city.create_ordinance(spec, b"")) == "card.refused"
    x_city.create_ordinance(spec, b"x")
    assert refusal(lambda: x_city.create_ordinance(spec, b"x")) == "card.exists"


def test_a_blank_card_takes_none(country: CardCountry) -> None:
    session = OfficeSession(country.authority.blank(PowerDisk()).transmit, country.x_city)
    assert refusal(lambda: session.create_ordinance(OrdinanceSpec(LIBRARY, Access.FREE), b"x")) == "card.state"


@pytest.mark.parametrize(("code", "number"), [("01100", 1), ("0110O2", 1), ("011002", -1), ("011002", 10_000)])
def test_an_id_is_of_a_municipality_and_a_number(code: str, number: int) -> None:
    with pytest.raises(ValueError, match="municipality"):
        ordinance_aid(code, number)


def refusal(do: object) -> str:
    assert callable(do)
    with pytest.raises(Problem) as refused:
        do()
    return refused.value.code
