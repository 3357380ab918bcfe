"""The addressee ledger: residents are entered once, followed through what happens to them, and found again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from gateway_country import NOON, Desk, GatewayCountry, hanako

from kumihimo.domain.kernel import AddresseeNumber, FourItems, IndividualNumber, PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.ledger import Addressee, Addressees, FindAddressee, TakeIn
from kumihimo.plumbing.wire.messages.residents import FourItemsPart, RegisterEventKind
from kumihimo.roles.gateway.service.addressees import person_of
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.persons import Person

X = PartyId("x-city/ledger")


@pytest.fixture
def x(country: GatewayCountry) -> Desk:
    return country.desk("x-city")


def store(country: GatewayCountry) -> LedgerStore:
    return LedgerStore(country.engine(X), "x-city")


def find(desk: Desk, **criteria: Any) -> tuple[Addressee, ...]:
    message = desk.message(FindAddressee, desk.ledger, **criteria)
    return desk.client.send("/finds", message, Addressees).value.addressees


def take_in(desk: Desk, **criteria: Any) -> Addressee:
    message = desk.message(TakeIn, desk.ledger, basis="child-allowance", **criteria)
    (taken,) = desk.client.send("/take-ins", message, Addressees).value.addressees
    return taken


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Problem) as problem:
        act()
    return problem.value.code


def follow(country: GatewayCountry, person: Person) -> bool:
    with country.engine(X).begin() as conn:
        return store(country).follow(conn, person, NOON)


def test_residents_get_numbers_in_order_of_entry_and_their_individual_number_is_masked(x: Desk) -> None:
    numbers = [
        take_in(x, individual_number=x.register(hanako(f"中央{n}丁目")).individual_number).addressee_number
        for n in range(1, 4)
    ]
    assert [AddresseeNumber(number).serial for number in numbers] == [1, 2, 3]
    resident = x.register(hanako("東町1"))
    taken = take_in(x, individual_number=resident.individual_number)
    assert taken.masked_number == f"****-****-{resident.individual_number[-4:]}"
    assert resident.individual_number not in taken.model_dump_json()


def test_a_resident_is_entered_once_however_often_and_by_whatever_they_are_taken_in(x: Desk) -> None:
    resident = x.register(hanako())
    by_number = take_in(x, individual_number=resident.individual_number)
    by_items = take_in(x, four_items=FourItemsPart.of(hanako("中央１－２－３")))
    assert by_items.addressee_number == by_number.addressee_number
    assert take_in(x, individual_number=f" {resident.individual_number} ") == by_number


def test_nobody_is_taken_in_whom_the_registry_does_not_know(x: Desk, country: GatewayCountry) -> None:
    assert refused(lambda: take_in(x, individual_number="123456789018")) == "resident.unknown"
    assert refused(lambda: take_in(x, individual_number="123456789012")) == "number.check_digit"
    assert refused(lambda: take_in(x, four_items=FourItemsPart.of(hanako()))) == "resident.unknown"
    assert refused(lambda: take_in(x)) == "value.invalid"
    assert list(store(country).living(10)) == []


def test_two_residents_with_the_same_four_items_are_told_apart_by_number_only(x: Desk) -> None:
    other = x.register(hanako(given="花代"))
    twins = [x.register(hanako()), x.event(RegisterEventKind.CORRECTION, other, four_items=FourItemsPart.of(hanako()))]
    assert refused(lambda: take_in(x, four_items=FourItemsPart.of(hanako()))) == "resident.ambiguous"
    first, second = (take_in(x, individual_number=twin.individual_number) for twin in twins)
    assert first.addressee_number != second.addressee_number
    assert find(x, four_items=FourItemsPart.of(hanako())) == (first, second)


def test_a_person_is_found_by_any_of_their_numbers_and_by_all_four_items(x: Desk) -> None:
    resident = x.register(hanako())
    taken = take_in(x, individual_number=resident.individual_number)
    assert find(x, addressee_number=taken.addressee_number) == (taken,)
    assert find(x, individual_number=resident.individual_number) == (taken,)
    assert find(x, four_items=FourItemsPart.of(hanako("中央一丁目２番３号"))) == (taken,)
    assert find(x, four_items=FourItemsPart.of(hanako("中央1丁目2番4号"))) == ()
    assert find(x, individual_number="123456789018") == ()
    both = {"addressee_number": taken.addressee_number, "individual_number": resident.individual_number}
    assert refused(lambda: find(x, **both)) == "value.invalid"


def test_a_move_and_a_death_reach_the_ledger_by_the_feed(x: Desk) -> None:
    resident = x.register(hanako())
    number = x.take_in(resident).addressee_number
    moved = x.event(RegisterEventKind.MOVE, resident, four_items=FourItemsPart.of(hanako("北町9番地")))
    assert x.follow_registry() > 0
    (entry,) = find(x, addressee_number=number)
    assert (entry.four_items.address.lines, entry.alive, entry.version) == ("北町9番地", True, moved.version)
    x.event(RegisterEventKind.DEATH, resident)
    x.follow_registry()
    (entry,) = find(x, addressee_number=number)
    assert (entry.alive, entry.version) == (False, moved.version + 1)
    assert x.follow_registry() == 0


def test_an_event_that_comes_again_or_late_changes_nothing(x: Desk, country: GatewayCountry) -> None:
    resident = x.register(hanako())
    x.take_in(resident)
    now = person_of(resident)
    third = replace(now, version=now.version + 2, four_items=hanako("南町3"))
    second = replace(now, version=now.version + 1, four_items=hanako("南町2"))
    assert [follow(country, person) for person in (third, third, second, now)] == [True, False, False, False]
    entry = store(country).by_individual_number(now.individual_number)
    assert entry is not None
    assert entry.person.four_items.address.lines == "南町3"


def test_somebody_who_is_born_or_moves_here_is_in_the_municipality_s_ledger_without_being_taken_in(x: Desk) -> None:
    child = x.register(hanako(given="一子"))
    assert x.follow_registry() == 1
    (entry,) = find(x, individual_number=child.individual_number)
    assert entry.four_items.name.given == "一子"


def test_events_of_people_an_institution_has_nothing_to_do_with_leave_no_trace(
    x: Desk, country: GatewayCountry
) -> None:
    engine = country.engine(PartyId("pension-service/ledger"))
    pension = LedgerStore(engine, "pension-service")
    with engine.begin() as conn:
        assert not pension.follow(conn, person_of(x.register(hanako())), NOON)
    assert list(pension.living(10)) == []


def test_a_new_individual_number_keeps_the_addressee_number_and_the_old_one_still_finds_her(
    x: Desk, country: GatewayCountry
) -> None:
    resident = x.register(hanako())
    number = x.take_in(resident).addressee_number
    old = IndividualNumber(resident.individual_number)
    new, newer = IndividualNumber.from_body("12345678901"), IndividualNumber.from_body("10987654321")
    now = person_of(resident)
    changed = replace(now, individual_number=new, former_numbers=(old,), version=now.version + 1)
    assert follow(country, changed)
    assert follow(country, replace(changed, individual_number=newer, former_numbers=(new, old), version=9))
    back = replace(changed, individual_number=old, former_numbers=(newer, new, old), version=10)
    assert follow(country, back)
    assert follow(country, replace(back, individual_number=newer, former_numbers=(old, new), version=11))
    for digits in (old.digits, new.digits, newer.digits):
        (entry,) = find(x, individual_number=digits)
        assert entry.addressee_number == number
        assert entry.masked_number == str(newer)


def test_an_event_between_look_up_and_entry_is_not_lost(x: Desk, country: GatewayCountry) -> None:
    """The registry's answer is on its way while she moves, and the feed is read before the answer arrives."""
    resident = x.register(hanako())
    x.take_in(x.register(hanako("東町1", "太郎")))

    def meanwhile(body: bytes) -> bytes:
        del country.altered["registry/network/look-ups"]
        x.event(RegisterEventKind.MOVE, resident, four_items=FourItemsPart.of(hanako("北町9番地")))
        x.follow_registry()
        return body

    country.altered["registry/network/look-ups"] = meanwhile
    taken = take_in(x, individual_number=resident.individual_number)
    assert taken.four_items.address.lines == "北町9番地"
    assert taken.version == resident.version + 1


def test_only_the_own_desk_may_use_the_ledger(x: Desk, country: GatewayCountry) -> None:
    resident = x.register(hanako())
    for intruder in ("y-city/desk", "x-city/exchange", "hub-1/operator"):
        edge = country.edge(PartyId(intruder))
        message = edge.message(TakeIn, X, basis="curiosity", individual_number=resident.individual_number)
        assert refused(lambda e=edge, m=message: PeerClient(e).send("/take-ins", m, Addressees)) == "peer.not_allowed"  # type: ignore[misc]
    assert list(store(country).living(10)) == []


def test_ledger_and_exchange_do_not_know_what_the_other_knows(country: GatewayCountry) -> None:
    """I1 and I2, by looking at every value of both stores of both cities."""
    x, y = country.desk("x-city"), country.desk("y-city")
    resident = x.register(hanako())
    for desk in (x, y):
        desk.grant()
        desk.with_code(resident)
    y.put_tax(y.take_in(resident).addressee_number)
    x.inquire(x.take_in(resident).addressee_number)
    codes = set()
    for desk in (x, y):
        exchange = desk.services().codes.store.code_of(AddresseeNumber(desk.take_in(resident).addressee_number))
        assert exchange is not None
        codes.add(exchange.code)
        assert resident.individual_number.encode() not in everything_in(country, desk.exchange)
        assert "総務".encode() not in everything_in(country, desk.exchange)
        assert resident.individual_number.encode() in everything_in(country, desk.ledger)
        assert exchange.code not in everything_in(country, desk.ledger)
        assert resident.resident_code is not None
        assert resident.resident_code.encode() not in everything_in(country, desk.ledger)
    assert len(codes) == 2


def everything_in(country: GatewayCountry, party: PartyId) -> bytes:
    """Every value of every table of a store."""
    file = country.stores / f"{party.replace('/', '-')}.db"
    found = b""
    with sqlite3.connect(file) as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in store.execute(f"SELECT * FROM {table}"):  # noqa: S608
                found += b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    return found


def test_the_dead_are_not_asked_about_when_codes_are_issued(x: Desk, country: GatewayCountry) -> None:
    resident = x.register(hanako())
    x.take_in(resident)
    x.event(RegisterEventKind.DEATH, resident)
    x.follow_registry()
    assert list(store(country).living(10)) == []
    assert x.ask_for_codes().requested == 0


def test_four_items_survive_the_store_as_they_were_registered(x: Desk, country: GatewayCountry) -> None:
    resident = x.register(hanako())
    entry = store(country).enter([person_of(resident)], NOON)[0]
    found = store(country).by_addressee_number(entry.addressee_number)
    assert found is not None
    items: FourItems = found.person.four_items
    assert items == resident.four_items.read()
    assert items.birth == date(1975, 1, 1)
