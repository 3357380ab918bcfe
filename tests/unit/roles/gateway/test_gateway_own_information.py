"""A person's own information: the real portal asks real operators and exchanges in the name of its account's holder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_country import ITEM, PORTAL, TAX_2025, Case
from own_portal import Y_TAX, OwnPortal, flagged, of_tax, own_portal

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.by_hand import AnswerByHand, DecidedByHand, FlagKind, PendingInquiries, ShowPending
from kumihimo.plumbing.wire.messages.information import (
    AnswerCorrection,
    CorrectionAnswered,
    Corrections,
    CorrectionState,
    ShowCorrections,
)
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, Permit
from kumihimo.plumbing.wire.messages.provision import ProvisionAnswer, ProvisionRequest
from kumihimo.plumbing.wire.together import parse_envelopes
from kumihimo.roles.gateway.store.records import RecordStore, Side
from kumihimo.roles.portal.service.look_ups import Question, State
from kumihimo.roles.portal.store_information import InformationQueries


@pytest.fixture
def portal(case: Case) -> Iterator[OwnPortal]:
    with own_portal(case) as made:
        yield made


def test_everything_that_offices_hold_about_her_comes_and_the_rest_says_that_there_is_nothing(
    portal: OwnPortal,
) -> None:
    looked = portal.look()
    (tax,) = looked.provided(ITEM)
    assert tax.question == Y_TAX
    assert [item.body for item in tax.items] == [TAX_2025]
    assert looked.items() == (ITEM,)
    assert {one.state for one in looked.answers} == {State.PROVIDED, State.NONE}
    assert Question("pension-service", "pension") in portal.information.questions()
    assert Question("pension-service", ITEM) not in portal.information.questions()


def test_both_the_provider_and_the_resident_have_a_record_of_the_look_up(portal: OwnPortal) -> None:
    looked = portal.look()
    (tax,) = looked.provided(ITEM)
    (record,) = RecordStore(portal.country.engine(PartyId("y-city/exchange")), "y-city").of(tax.transaction)
    assert (record.side, record.requester, record.affair) == (Side.PROVIDER, "portal", "self-disclosure.own")
    assert record.rules == ("self-disclosure/own/1",)
    portal.pull()
    with portal.store.reading() as transaction:
        seen = {one.transaction: one.record for one in transaction.accesses(portal.account)}
    assert set(seen) == {one.transaction for one in looked.answers}
    assert seen[tax.transaction].granted


def test_a_support_measure_does_not_keep_her_own_data_from_her_but_from_whoever_acts_for_her(
    case: Case, portal: OwnPortal
) -> None:
    flagged(case, FlagKind.SUPPORT_MEASURE)
    assert of_tax(portal.look()) is State.PROVIDED
    assert of_tax(portal.look(own=False)) is State.WITHHELD


def test_what_is_not_to_be_disclosed_is_withheld_and_nothing_else_is_said(case: Case, portal: OwnPortal) -> None:
    flagged(case, FlagKind.NON_DISCLOSURE)
    (one,) = (one for one in portal.look().answers if one.question == Y_TAX)
    assert (one.state, one.items, one.as_of, one.problem) == (State.WITHHELD, (), (), None)


def test_an_office_that_is_down_says_so_and_the_others_answer(portal: OwnPortal) -> None:
    portal.country.down.add(PartyId("z-town/exchange"))
    looked = portal.look()
    states = {one.question.provider: one.state for one in looked.answers}
    assert states["z-town"] is State.UNREACHABLE
    assert of_tax(looked) is State.PROVIDED


def test_what_is_answered_is_sealed_and_another_institution_cannot_use_the_permit(
    case: Case, portal: OwnPortal
) -> None:
    portal.look()
    answers = [heard for _, _, path, _, heard in portal.country.carried if path == "/provisions"]
    assert answers
    assert not [one for one in answers if b"tax_total" in one]
    exchange = portal.country.edge(PartyId("x-city/exchange"))
    message = exchange.message(
        ProvisionRequest, PartyId("y-city/exchange"), permit=permit_for("y-city", portal), subject=""
    )
    with pytest.raises(Problem) as refused:
        PeerClient(exchange).send("/provisions", message, ProvisionAnswer)
    assert refused.value.code == "permit.wrong_requester"


def permit_for(provider: str, portal: OwnPortal) -> Envelope:
    """A permit that the portal was given."""
    edge = portal.country.edge(PORTAL)
    heard = [answer for me, _, path, _, answer in portal.country.carried if (me, path) == (PORTAL, "/inquiries")]
    decisions = [edge.read(one, InquiryDecision).value for answer in heard for one in parse_envelopes(answer)]
    permits = [one.permit for one in decisions if one.permit is not None]
    return next(one for one in permits if edge.read(one, Permit).value.provider == provider)


def test_a_correction_reaches_the_office_by_the_look_up_and_its_answer_is_shown(case: Case, portal: OwnPortal) -> None:
    (tax,) = portal.look().provided(ITEM)
    reference = portal.corrections.ask(portal.account, tax, "The number of dependants is two.")
    message = case.y.message(ShowCorrections, case.y.exchange)
    (queued,) = case.y.client.send("/corrections/shown", message, Corrections).value.corrections
    assert (queued.reference, queued.addressee_number, queued.item) == (reference, case.at_y, ITEM)
    assert queued.says == "The number of dependants is two."
    (before,) = portal.corrections.stand(portal.account)
    assert before.state is CorrectionState.ASKED
    case.y.grant()
    answer = case.y.message(
        AnswerCorrection, case.y.exchange, staff="tanaka", reference=reference, corrected=True, answer="直しました。"
    )
    assert case.y.client.send("/corrections/answered", answer, CorrectionAnswered).value.state == "corrected"
    (after,) = portal.corrections.stand(portal.account)
    assert (after.state, after.answer, after.reachable) == (CorrectionState.CORRECTED, "直しました。", True)
    portal.country.down.add(PartyId("y-city/exchange"))
    (unknown,) = portal.corrections.stand(portal.account)
    assert (unknown.state, unknown.reachable) == (None, False)


def test_an_individual_number_is_not_taken_into_a_correction(portal: OwnPortal) -> None:
    (tax,) = portal.look().provided(ITEM)
    with pytest.raises(Problem) as refused:
        portal.corrections.ask(portal.account, tax, "my number is 1234-5678-9018")
    assert refused.value.code == "correction.number"
    assert portal.corrections.stand(portal.account) == ()


def test_what_a_person_has_to_answer_is_asked_once_and_fetched_when_it_is_answered(
    case: Case, portal: OwnPortal
) -> None:
    flagged(case, FlagKind.ANSWER_BY_HAND)
    assert of_tax(portal.look()) is State.PENDING
    assert of_tax(portal.look()) is State.PENDING
    pending = case.y.client.send(
        "/pending", case.y.message(ShowPending, case.y.exchange), PendingInquiries
    ).value.pending
    (waiting,) = (one for one in pending if one.items == (ITEM,))
    case.y.grant()
    answer = case.y.message(AnswerByHand, case.y.exchange, staff="tanaka", transaction=waiting.transaction)
    case.y.client.send("/pending/answered", answer, DecidedByHand)
    (tax,) = portal.look().provided(ITEM)
    assert (tax.transaction, tax.items[0].body) == (waiting.transaction, TAX_2025)
    assert of_tax(portal.look()) is State.PENDING, "a new look-up is a new question"


def test_of_a_closed_account_nothing_is_kept_here_and_the_office_keeps_what_it_was_told(
    case: Case, portal: OwnPortal
) -> None:
    (tax,) = portal.look().provided(ITEM)
    portal.corrections.ask(portal.account, tax, "違います。")
    with portal.store.transaction() as transaction:
        InformationQueries(transaction.conn).forget(portal.account)
    assert portal.corrections.stand(portal.account) == ()
    message = case.y.message(ShowCorrections, case.y.exchange)
    assert len(case.y.client.send("/corrections/shown", message, Corrections).value.corrections) == 1
