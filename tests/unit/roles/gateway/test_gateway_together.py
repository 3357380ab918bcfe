"""Permits that are shown together, and inquiries that are made at once: each is answered for itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gateway_country import Case, Shown, permit_for, show
from sqlalchemy import select

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Signed
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import ProvisionAnswer, ProvisionRequest
from kumihimo.roles.gateway.store.exchange import outbox
from kumihimo.roles.gateway.store.records import RecordStore

X, Y = PartyId("x-city/exchange"), PartyId("y-city/exchange")


def show_together(case: Case, *permits: Shown) -> list[Signed[ProvisionAnswer] | Problem]:
    edge = case.country.edge(X)
    requests = [edge.message(ProvisionRequest, Y, permit=one.permit, subject=one.subject) for one in permits]
    return PeerClient(edge).send_all("/provisions", requests, ProvisionAnswer)


def became(answer: Signed[ProvisionAnswer] | Problem) -> str:
    return answer.code if isinstance(answer, Problem) else answer.value.outcome


def test_each_permit_is_answered_once_whatever_came_with_it(case: Case) -> None:
    first, second, third = (permit_for(case.x, case.at_x) for _ in range(3))
    show(case.country, third)
    answers = show_together(case, first, first, replace(second, subject=first.subject), second, third)
    assert [became(one) for one in answers] == [
        Outcome.PROVIDED, "permit.used", "permit.subject_mismatch", Outcome.PROVIDED, "permit.used",
    ]  # fmt: skip
    told = [one.value.transaction for one in answers if isinstance(one, Signed)]
    assert len(set(told)) == 2
    records = RecordStore(case.country.engine(Y), "y-city").everything()
    assert len({one.transaction for one in records}) == len(records) == 3
    with case.country.engine(Y).connect() as conn:
        waiting = list(conn.execute(select(outbox.c.transaction)).scalars())
    assert len(waiting) == len(set(waiting))


def test_the_very_same_request_twice_in_one_company_gets_the_same_answer(case: Case) -> None:
    shown, edge = permit_for(case.x, case.at_x), case.country.edge(X)
    request = edge.message(ProvisionRequest, Y, permit=shown.permit, subject=shown.subject)
    one, same = PeerClient(edge).send_all("/provisions", [request, request], ProvisionAnswer)
    assert isinstance(one, Signed)
    assert isinstance(same, Signed)
    assert one.value == same.value
    assert len(RecordStore(case.country.engine(Y), "y-city").everything()) == 1


def test_an_institution_that_may_not_ask_gets_no_answer_beside_one_that_may(case: Case) -> None:
    shown, other = permit_for(case.x, case.at_x), case.country.edge(PartyId("z-town/exchange"))
    stolen = other.message(ProvisionRequest, Y, permit=shown.permit, subject=shown.subject)
    answers = PeerClient(other).send_all("/provisions", [stolen, stolen], ProvisionAnswer)
    assert [became(one) for one in answers] == ["permit.wrong_requester"] * 2
    assert [became(one) for one in show_together(case, shown, shown)] == [Outcome.PROVIDED, "permit.used"]


def test_many_inquiries_at_once_are_each_answered_and_recorded_on_both_sides(case: Case) -> None:
    case.x.grant()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: case.x.inquire(case.at_x), range(24)))
    assert {one.outcome for one in answers} == {Outcome.PROVIDED}
    transactions = {one.transaction for one in answers}
    assert len(transactions) == 24
    for party, city in ((X, "x-city"), (Y, "y-city")):
        records = RecordStore(case.country.engine(party), city).everything()
        assert {one.transaction for one in records} == transactions
        assert len(records) == 24
