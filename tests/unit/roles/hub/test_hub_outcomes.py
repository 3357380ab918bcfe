"""Outcomes: who may say what came of a permit, once, and who hears of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hub_country import HUB_1, HUB_2, NOON, PORTAL, HubCountry, X, Y, Z

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogPromise, Outcome, Permit, PortalOutcome
from kumihimo.plumbing.wire.messages.provision import OutcomesTaken, ReportOutcome, ReportsOfOutcomes

PAYLOAD = "ab" * 32


def a_permit(country: HubCountry) -> Envelope:
    (hanako,) = country.issue("x-city", ["hanako"])
    permit = country.party(X).inquire(hanako).permit
    assert permit is not None
    return permit


def shown(country: HubCountry) -> list[PortalOutcome]:
    items = country.party(PORTAL).feed(HUB_2)
    return [PortalOutcome.model_validate(item.body) for item in items if item.kind == "outcome"]


def logged(country: HubCountry) -> list[Outcome | None]:
    return [record.outcome for record in country.log() if record.entry is EntryKind.OUTCOME]


@pytest.mark.parametrize("outcome", [Outcome.PROVIDED, Outcome.NONE, Outcome.WITHHELD, Outcome.PENDING])
def test_the_provider_s_outcome_is_logged_and_shown_to_the_resident(country: HubCountry, outcome: Outcome) -> None:
    permit = a_permit(country)
    reply = country.party(Y).report(permit, outcome, PAYLOAD)
    assert reply.promise is not None
    promise = country.party(Y).edge.read(reply.promise, LogPromise, HUB_1).value
    record = country.log()[promise.index]
    assert (record.outcome, record.payload_hash, record.affair) == (outcome, PAYLOAD, "child-allowance.payment")
    (item,) = shown(country)
    assert item.logged.record == record
    assert item.transaction == record.transaction


def test_the_same_outcome_again_gets_the_same_promise(country: HubCountry) -> None:
    permit, y = a_permit(country), country.party(Y)
    first = y.report(permit, Outcome.PROVIDED, PAYLOAD)
    country.clock.at = NOON + timedelta(hours=3)
    again = y.report(permit, Outcome.PROVIDED, PAYLOAD)
    assert again.promise == first.promise
    assert logged(country) == [Outcome.PROVIDED]
    assert len(shown(country)) == 1


def test_another_outcome_of_the_same_transaction_is_refused(country: HubCountry) -> None:
    permit, y = a_permit(country), country.party(Y)
    y.report(permit, Outcome.PROVIDED, PAYLOAD)
    for outcome, payload in ((Outcome.NONE, None), (Outcome.PROVIDED, "cd" * 32)):
        with pytest.raises(Problem) as caught:
            y.report(permit, outcome, payload)
        assert caught.value.code == "message.replayed"
    assert logged(country) == [Outcome.PROVIDED]


def test_a_pending_answer_may_be_followed_by_the_final_one(country: HubCountry) -> None:
    permit, y = a_permit(country), country.party(Y)
    y.report(permit, Outcome.PENDING)
    y.report(permit, Outcome.PROVIDED, PAYLOAD)
    assert [item.logged.record.outcome for item in shown(country)] == [Outcome.PENDING, Outcome.PROVIDED]


def test_the_requester_may_say_that_nothing_reached_it_and_nothing_else(country: HubCountry) -> None:
    permit, x = a_permit(country), country.party(X)
    x.report(permit, Outcome.UNDELIVERED)
    for outcome in (Outcome.PROVIDED, Outcome.NONE, Outcome.REFUSED):
        with pytest.raises(Problem) as caught:
            x.report(permit, outcome)
        assert caught.value.code == "peer.not_allowed"
    assert logged(country) == [Outcome.UNDELIVERED]


def test_a_payload_hash_that_is_no_hash_does_not_reach_the_log(country: HubCountry) -> None:
    """A provider could else write a person's number into everybody's records (I1)."""
    permit = a_permit(country)
    y = country.party(Y)
    told = y.edge.read(permit, Permit).value
    ends = {name: getattr(told, name) for name in ("transaction", "requester", "provider")}
    honest = y.message(ReportOutcome, outcome=Outcome.PROVIDED, payload_hash=PAYLOAD, permit=permit, **ends)
    for said in ("123456789018", "AB" * 32, "ab" * 33):
        with pytest.raises(Problem) as caught:
            y.tell(honest.model_copy(update={"payload_hash": said}))
        assert caught.value.code == "message.malformed"
    assert logged(country) == []
    assert "123456789018" not in str(country.log())


@pytest.mark.parametrize(
    ("party", "outcome"), [(Z, Outcome.PROVIDED), (Z, Outcome.UNDELIVERED), (Y, Outcome.UNDELIVERED)]
)
def test_nobody_else_may_report(country: HubCountry, party: str, outcome: Outcome) -> None:
    permit = a_permit(country)
    with pytest.raises(Problem) as caught:
        country.party(party).report(permit, outcome)
    assert caught.value.code == "peer.not_allowed"
    assert logged(country) == []


def test_a_permit_that_only_one_operator_signed_is_none(country: HubCountry) -> None:
    permit, y = a_permit(country), country.party(Y)
    for place in (0, 1):
        half = permit.model_copy(update={"signatures": permit.signatures[place : place + 1]})
        with pytest.raises(Problem) as caught:
            y.report(half, Outcome.PROVIDED, PAYLOAD)
        assert caught.value.code == "message.wrong_signer"


def test_a_permit_the_provider_made_itself_is_none(country: HubCountry) -> None:
    permit, y = a_permit(country), country.party(Y)
    said = y.edge.read(permit, Permit).value.model_copy(update={"requester": "z-town"})
    with pytest.raises(Problem) as caught:
        y.report(y.edge.answer(said), Outcome.PROVIDED, PAYLOAD)
    assert caught.value.code == "message.wrong_signer"


def test_an_outcome_waits_for_operator_2_and_is_passed_on_when_reported_again(country: HubCountry) -> None:
    permit, y = a_permit(country), country.party(Y)
    country.down.add(HUB_2)
    with pytest.raises(Problem) as caught:
        y.report(permit, Outcome.PROVIDED, PAYLOAD)
    assert caught.value.code == "operator.unreachable"
    assert logged(country) == [Outcome.PROVIDED]
    country.down.clear()
    country.clock.at = NOON + timedelta(hours=1)
    y.report(permit, Outcome.PROVIDED, PAYLOAD)
    assert logged(country) == [Outcome.PROVIDED]
    assert [item.logged.record.outcome for item in shown(country)] == [Outcome.PROVIDED]


def test_many_outcomes_are_reported_together_and_one_that_is_wrong_does_not_hold_up_the_others(
    country: HubCountry,
) -> None:
    permits, y = [a_permit(country) for _ in range(3)], country.party(Y)
    y.report(permits[1], Outcome.PROVIDED, PAYLOAD)

    def report(permit: Envelope, outcome: Outcome) -> ReportOutcome:
        said = y.edge.read(permit, Permit).value
        ends = {name: getattr(said, name) for name in ("transaction", "requester", "provider")}
        return y.message(ReportOutcome, outcome=outcome, permit=permit, **ends)

    reports = tuple(y.edge.answer(report(permit, Outcome.NONE)) for permit in (*permits, permits[0]))
    taken = y.wire.send("/outcomes", y.message(ReportsOfOutcomes, reports=reports), OutcomesTaken).value.taken
    assert [one.problem for one in taken] == [None, "message.replayed", None, None]
    assert taken[0].promise == taken[3].promise
    assert sorted(str(outcome) for outcome in logged(country)) == ["none", "none", "provided"]
    assert len(shown(country)) == 3
