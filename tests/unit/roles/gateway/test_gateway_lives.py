"""Years of a person at two gateways: number, code and registration change, and inquiries go on about the right person."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_country import REGISTRY, TAX_2025, Case, Desk, GatewayCountry, hanako

from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem, SystemRandomness
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.codes import CodesTranslated, TranslateCodes
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.ledger import Addressee, Addressees, FindAddressee, ReportEvent
from kumihimo.plumbing.wire.messages.lives import (
    AskUnacknowledged,
    ShowContradictions,
    ShowTasks,
    Tasks,
    Unacknowledged,
)
from kumihimo.plumbing.wire.messages.lives import Contradictions as ContradictionsReply
from kumihimo.plumbing.wire.messages.residents import FourItemsPart, ResidentSnapshot, Standing
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.roles.gateway.service.addressees import Addressees as AddresseesService
from kumihimo.roles.gateway.service.aftermath import Aftermath
from kumihimo.roles.gateway.service.code_issuing import CodeIssuing
from kumihimo.roles.gateway.service.register_telling import RegisterTelling
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.merges import DueStore
from kumihimo.roles.registry.service.recoding import Recoding
from kumihimo.roles.registry.store import RegistryStore
from kumihimo.roles.registry.store_lives import LivesStore


def report(desk: Desk, kind: Kind, number: str, **fields: Any) -> Addressee:
    """The city's desk reports through its own ledger."""
    message = desk.message(
        ReportEvent, desk.ledger, event=kind, on="2026-11-01", addressee_number=number, reason="理由", **fields
    )
    (now,) = desk.client.send("/events", message, Addressees).value.addressees
    return now


def find(desk: Desk, **criterion: Any) -> Addressee:
    message = desk.message(FindAddressee, desk.ledger, **criterion)
    (found,) = desk.client.send("/finds", message, Addressees).value.addressees
    return found


def follow(*desks: Desk) -> None:
    """Feeds, acknowledgements, links and codes, as the processes do them by themselves."""
    for desk in desks:
        desk.follow_registry()
        edge = desk.country.edge(desk.ledger)
        engine = desk.country.engine(desk.ledger)
        store, client = LedgerStore(engine, desk.city), PeerClient(edge)
        issuing = CodeIssuing(store, edge, client, SystemRandomness())
        due = DueStore(engine, desk.city)
        telling = RegisterTelling(store, due, edge, client)
        aftermath = Aftermath(due, AddresseesService(store, edge, client), issuing, telling)
        while aftermath.work():
            pass
        desk.receive_codes()


def recode(country: GatewayCountry) -> int:
    """The registry sends pairs to the holders of codes."""
    edge = country.edge(REGISTRY)
    client = PeerClient(edge)
    keys = LinkKeys(edge, client)

    def translate(institution: str, codes: Any) -> None:
        message = edge.message(TranslateCodes, PartyId("hub-1/operator"), institution=institution, codes=tuple(codes))
        client.send("/code-batches", message, CodesTranslated)

    store = LivesStore(RegistryStore(country.engine(REGISTRY)))
    secret = read_secret(edge.identity.folder / "person.key")
    own_key = lambda: keys.secret("registry#1")  # noqa: E731 - as the registry's door makes it
    return Recoding(store, secret, own_key, translate, SystemRandomness()).bring_up()


def code(desk: Desk, number: str) -> bytes | None:
    found = LinkCodeStore(desk.country.engine(desk.exchange), desk.city).code_of(AddresseeNumber(number))
    return found.code if found is not None else None


def full_number(desk: Desk, number: str) -> str:
    entry = LedgerStore(desk.country.engine(desk.ledger), desk.city).registered_as(number)
    assert entry is not None
    return entry.person.individual_number.digits


def test_a_new_number_reaches_everybody_and_the_inquiry_goes_on(case: Case) -> None:
    old = full_number(case.x, case.at_x)
    report(case.x, Kind.NUMBER_CHANGE, case.at_x)
    follow(case.x, case.y)
    new = full_number(case.x, case.at_x)
    assert new != old
    assert full_number(case.y, case.at_y) == new
    assert find(case.y, individual_number=old).addressee_number == case.at_y
    assert find(case.y, individual_number=new).addressee_number == case.at_y
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def unacknowledged(desk: Desk) -> set[tuple[str, Kind]]:
    found = desk.client.send("/unacknowledged", desk.message(AskUnacknowledged, desk.ledger), Unacknowledged).value
    assert found.total == len(found.events)
    return {(one.institution, one.event) for one in found.events}


def test_a_city_sees_who_has_not_yet_heard_of_what_it_reported(case: Case) -> None:
    follow(case.x, case.y)
    assert unacknowledged(case.x) == set()
    report(case.x, Kind.NUMBER_CHANGE, case.at_x)
    assert unacknowledged(case.x) == {("x-city", Kind.NUMBER_CHANGE), ("y-city", Kind.NUMBER_CHANGE)}
    follow(case.x)
    assert unacknowledged(case.x) == {("y-city", Kind.NUMBER_CHANGE)}
    assert unacknowledged(case.y) == set()  # Y市 reported nothing
    follow(case.y)
    assert unacknowledged(case.x) == set()


def test_a_re_coded_person_is_found_under_the_new_code_only(case: Case, country: GatewayCountry) -> None:
    before = code(case.x, case.at_x), code(case.y, case.at_y)
    report(case.x, Kind.RECODE, case.at_x)
    assert recode(country) == 2
    case.x.receive_codes()
    assert case.x.inquire(case.at_x).outcome is Outcome.NONE  # Y市 has not yet heard
    case.y.receive_codes()
    after = code(case.x, case.at_x), code(case.y, case.at_y)
    assert None not in after
    assert not set(before) & set(after)
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED
    assert recode(country) == 0


@pytest.fixture
def twice(case: Case) -> tuple[Case, str, str]:
    """Hanako was registered a second time, in X市; both cities know her twice. Her second numbers at X市 and Y市."""
    again: ResidentSnapshot = case.x.register(hanako("東町9"))
    return case, case.x.with_code(again), case.y.with_code(again)


def test_two_registrations_of_one_person_become_one_and_two_again(twice: tuple[Case, str, str]) -> None:
    case, second_at_x, second_at_y = twice
    case.y.put_tax(second_at_y, total_income=1_000_000)
    assert case.x.inquire(second_at_x).outcome is Outcome.PROVIDED
    gone = full_number(case.y, second_at_y)
    stale = code(case.x, second_at_x)
    merged = report(case.x, Kind.MERGE, case.at_x, other_addressee_number=second_at_x)
    assert merged.addressee_number == case.at_x
    follow(case.x, case.y)
    # Either number leads to the survivor, and asking about either asks about the one person.
    for desk, first, second in ((case.x, case.at_x, second_at_x), (case.y, case.at_y, second_at_y)):
        assert find(desk, addressee_number=second).addressee_number == first
        assert find(desk, individual_number=gone).addressee_number == first
        assert code(desk, second) == code(desk, first) != stale
    # The two copies contradict each other: a person must look, and nothing is provided until one has.
    assert case.x.inquire(case.at_x).outcome is Outcome.PENDING
    asked = case.y.message(ShowContradictions, case.y.exchange)
    (clash,) = case.y.client.send("/contradictions", asked, ContradictionsReply).value.contradictions
    assert {clash.addressee_number, clash.linked_number} == {case.at_y, second_at_y}
    tasks = case.y.client.send("/tasks", case.y.message(ShowTasks, case.y.ledger), Tasks).value.tasks
    assert Kind.MERGE in {task.event for task in tasks}
    report(case.x, Kind.UNDO, case.at_x)
    follow(case.x, case.y)
    assert full_number(case.y, second_at_y) == gone
    assert find(case.y, addressee_number=second_at_y).addressee_number == second_at_y
    assert code(case.x, second_at_x) == stale
    assert case.x.inquire(case.at_x).items[0].body == TAX_2025
    assert case.x.inquire(second_at_x).items[0].body["total_income"] == 1_000_000


def test_an_institution_that_knew_the_wrong_registration_takes_the_right_one_in(
    twice: tuple[Case, str, str], country: GatewayCountry
) -> None:
    case, second_at_x, _ = twice
    z = country.desk("z-town")
    only = z.take_in_by(full_number(case.x, second_at_x))
    report(case.x, Kind.MERGE, case.at_x, other_addressee_number=second_at_x)
    follow(case.x, z)
    now = find(z, addressee_number=only)
    assert now.addressee_number != only
    assert full_number(z, now.addressee_number) == full_number(case.x, case.at_x)
    assert code(z, only) is not None


def test_a_cancelled_number_stands_for_nobody_until_it_is_taken_back(case: Case) -> None:
    assert report(case.x, Kind.ASSIGNMENT_CANCELLED, case.at_x).standing is Standing.CANCELLED
    follow(case.x, case.y)
    with pytest.raises(Problem) as caught:
        case.x.inquire(case.at_x)
    assert caught.value.code == "addressee.no_code"
    report(case.x, Kind.UNDO, case.at_x)
    follow(case.x, case.y)
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED


def test_a_split_gives_the_second_person_a_registration_and_moves_nothing(case: Case) -> None:
    report(case.x, Kind.SPLIT, case.at_x, four_items=FourItemsPart.of(hanako("東町3", given="月子")))
    follow(case.x, case.y)
    second = find(case.x, four_items=FourItemsPart.of(hanako("東町3", given="月子")))
    assert second.addressee_number != case.at_x
    assert case.x.inquire(case.at_x).outcome is Outcome.PROVIDED
    tasks = case.y.client.send("/tasks", case.y.message(ShowTasks, case.y.ledger), Tasks).value.tasks
    assert [(task.addressee_number, task.event) for task in tasks] == [(case.at_y, Kind.SPLIT)]
