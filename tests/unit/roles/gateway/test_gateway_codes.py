"""Link codes by one-time tickets: who learns what, what is forgotten, and what may go wrong on the way."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from gateway_country import HUB_1, NOON, PORTAL, REGISTRY, Desk, GatewayCountry, hanako
from sqlalchemy import func, select

from kumihimo.domain.codes import encrypt, person_point, random_scalar
from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued, ExpectCodes, ExpectedCodes, TicketFor
from kumihimo.plumbing.wire.messages.ledger import OpenPortalAccount, PortalAccountOpened
from kumihimo.roles.gateway.service.link_codes import ticket_hash
from kumihimo.roles.gateway.store.exchange import expected_ticket


@pytest.fixture
def x(country: GatewayCountry) -> Desk:
    return country.desk("x-city")


def tickets(country: GatewayCountry, city: str = "x-city") -> int:
    with country.engine(PartyId(f"{city}/exchange")).connect() as conn:
        return conn.execute(select(func.count()).select_from(expected_ticket)).scalar_one()


def code(desk: Desk, number: str) -> bytes | None:
    found = desk.services().codes.store.code_of(AddresseeNumber(number))
    return None if found is None else found.code


def people(desk: Desk, count: int) -> list[str]:
    return [desk.take_in(desk.register(hanako(f"中央{n}番"))).addressee_number for n in range(1, count + 1)]


def test_everybody_without_a_code_gets_one_and_the_tickets_are_forgotten(x: Desk, country: GatewayCountry) -> None:
    numbers = people(x, 5)
    done = x.ask_for_codes()
    assert (done.requested, done.refused) == (5, 0)
    assert tickets(country) == 5
    assert x.receive_codes() == 1
    codes = [code(x, number) for number in numbers]
    assert None not in codes
    assert len(set(codes)) == 5
    assert tickets(country) == 0


def test_who_has_a_code_or_one_under_way_is_not_asked_about_again(x: Desk) -> None:
    people(x, 2)
    assert x.ask_for_codes().requested == 2
    assert x.ask_for_codes().requested == 0
    x.receive_codes()
    assert x.ask_for_codes().requested == 0


def test_a_code_that_did_not_come_in_time_is_asked_for_again_and_may_come_twice(
    x: Desk, country: GatewayCountry
) -> None:
    (number,) = people(x, 1)
    x.ask_for_codes()
    country.clock.at = NOON + timedelta(minutes=11)
    assert x.ask_for_codes().requested == 1
    assert tickets(country) == 2
    assert x.receive_codes() == 2
    assert code(x, number) is not None
    assert tickets(country) == 0


def test_a_registry_out_of_reach_leaves_tickets_that_lapse(x: Desk, country: GatewayCountry) -> None:
    (number,) = people(x, 1)
    country.down.add(REGISTRY)
    with pytest.raises(Problem) as problem:
        x.ask_for_codes()
    assert problem.value.code == "peer.unreachable"
    country.down.clear()
    country.clock.at = NOON + timedelta(minutes=11)
    assert x.ask_for_codes().requested == 1
    x.receive_codes()
    assert code(x, number) is not None


def test_who_could_not_open_codes_does_not_ask_for_them(country: GatewayCountry, x: Desk) -> None:
    z = country.desk("z-town")
    for key in (country.keys / "z-town/exchange").glob("link-*.key"):
        key.unlink()
    z.take_in(x.register(hanako()))
    country.down.add(HUB_1)
    with pytest.raises(Problem) as problem:
        z.ask_for_codes()
    assert problem.value.code == "operator.unreachable"
    assert tickets(country, "z-town") == 0


def test_two_institutions_know_her_by_different_codes(country: GatewayCountry) -> None:
    x, y = country.desk("x-city"), country.desk("y-city")
    resident = x.register(hanako())
    at_x, at_y = code(x, x.with_code(resident)), code(y, y.with_code(resident))
    assert at_x is not None
    assert at_y is not None
    assert at_x != at_y


def blind(desk: Desk, ticket: bytes, point: bytes) -> BlindCode:
    public = desk.services().codes.domain.present().public
    return BlindCode(ticket=b64(ticket), ciphertext=b64(encrypt(point, public, random_scalar())))


def arrive(desk: Desk, *codes: BlindCode) -> None:
    services = desk.services()
    item = FeedItem(1, "codes", CodesIssued(codes=codes).model_dump(mode="json"), NOON)
    with desk.country.engine(desk.exchange).begin() as conn:
        services.receive_codes(conn, item)


def test_what_nobody_waits_for_or_nobody_can_open_does_not_hold_up_the_others(x: Desk) -> None:
    known = x.with_code(x.register(hanako("東町1")))
    point = code(x, known)
    assert point is not None
    (number,) = people(x, 1)
    ticket, lost = b"t" * 32, b"l" * 32
    services = x.services()
    services.codes.expect([TicketFor(ticket=b64(t), addressee_number=number) for t in (ticket, lost)])
    garbage = BlindCode(ticket=b64(lost), ciphertext=b64(bytes(64)))
    fresh = hashlib.sha256(b"somebody").digest()
    arrive(x, garbage, blind(x, b"u" * 32, point), blind(x, ticket, person_point(fresh, "12345678901", 0)))
    assert code(x, number) == person_point(fresh, "12345678901", 0)


def test_one_code_never_means_two_addressees(x: Desk) -> None:
    known = x.with_code(x.register(hanako("東町1")))
    point = code(x, known)
    assert point is not None
    (other,) = people(x, 1)
    x.services().codes.expect([TicketFor(ticket=b64(b"t" * 32), addressee_number=other)])
    arrive(x, blind(x, b"t" * 32, point))
    assert code(x, other) is None
    assert code(x, known) == point


def test_the_exchange_keeps_no_ticket_but_its_hash(x: Desk, country: GatewayCountry) -> None:
    (number,) = people(x, 1)
    ticket = b"t" * 32
    x.services().codes.expect([TicketFor(ticket=b64(ticket), addressee_number=number)])
    with country.engine(x.exchange).connect() as conn:
        assert bytes(conn.execute(select(expected_ticket.c.ticket_hash)).scalar_one()) == ticket_hash(ticket) != ticket


@pytest.mark.parametrize(
    ("tickets", "code"),
    [
        ([("not base64!", "000000000000019")], "message.malformed"),
        ([(b64(b"short"), "000000000000019")], "message.malformed"),
        ([(b64(b"t" * 32), "000000000000010")], "addressee_number.check_digit"),
        ([(b64(b"t" * 32), "123456789018")], "addressee_number.format"),
        ([(b64(b"t" * 32), "000000000000019"), (b64(b"t" * 32), "000000000000027")], "message.malformed"),
    ],
)
def test_tickets_that_are_none_are_refused_whole(
    x: Desk, country: GatewayCountry, tickets: list[tuple[str, str]], code: str
) -> None:
    edge = country.edge(x.ledger)
    asked = tuple(TicketFor(ticket=ticket, addressee_number=number) for ticket, number in tickets)
    message = edge.message(ExpectCodes, x.exchange, tickets=asked)
    with pytest.raises(Problem) as problem:
        PeerClient(edge).send("/expected-codes", message, ExpectedCodes)
    assert problem.value.code == code


def open_account(desk: Desk, number: str) -> str:
    message = desk.message(OpenPortalAccount, desk.ledger, addressee_number=number)
    return desk.client.send("/portal-accounts", message, PortalAccountOpened).value.account


def test_a_city_opens_a_portal_account_at_its_counter(x: Desk, country: GatewayCountry) -> None:
    (number,) = people(x, 1)
    assert open_account(x, number) == "acc1"
    asked = [sent for _, party, path, sent, _ in country.carried if (party, path) == (REGISTRY, "/code-issues")]
    assert len(asked) == 1
    (opened,) = country.accounts
    to_portal = [sent for _, party, _, sent, _ in country.carried if party == PORTAL]
    assert len(opened.ticket) == 44
    assert [number.encode() in sent for sent in to_portal] == [False]


def test_the_pension_service_opens_none(country: GatewayCountry, x: Desk) -> None:
    pension = country.desk("pension-service")
    number = pension.take_in(x.register(hanako())).addressee_number
    with pytest.raises(Problem) as problem:
        open_account(pension, number)
    assert problem.value.code == "peer.not_allowed"
    assert country.accounts == []


def test_nobody_unknown_gets_an_account(x: Desk) -> None:
    with pytest.raises(Problem) as problem:
        open_account(x, "000000000000019")
    assert problem.value.code == "addressee.unknown"
