"""A person's own information: the real portal asks real operators and exchanges in the name of its account's holder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gateway_country import HUB_2, ITEM, PORTAL, TAX_2025, Case, GatewayCountry

from kumihimo.domain.kernel import PartyId, Problem, SystemRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.by_hand import FlagKind, Protect, Protections
from kumihimo.plumbing.wire.messages.information import (
    AnswerCorrection,
    CorrectionAnswered,
    Corrections,
    CorrectionState,
    ShowCorrections,
)
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, Permit
from kumihimo.plumbing.wire.messages.ledger import OpenPortalAccount, PortalAccountOpened
from kumihimo.plumbing.wire.messages.provision import ProvisionAnswer, ProvisionRequest
from kumihimo.plumbing.wire.together import parse_envelopes
from kumihimo.roles.gateway.store.records import RecordStore, Side
from kumihimo.roles.portal import api as portal_api
from kumihimo.roles.portal.service.corrections import CorrectionsOf
from kumihimo.roles.portal.service.information import Information, Looked, Question, State
from kumihimo.roles.portal.service.intake import Intake
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.store import PortalStore, Transaction, feed_cursor

Y_TAX = Question("y-city", ITEM)


@dataclass
class Portal:
    """The real portal of the case, and Hanako's account there."""

    country: GatewayCountry
    account: str
    store: PortalStore
    information: Information
    corrections: CorrectionsOf

    def look(self, own: bool = True) -> Looked:
        return self.information.ask(self.account, own)

    def pull(self) -> int:
        """Let the portal read operator 2's feed once."""
        edge, engine = self.country.edge(PORTAL), self.country.engine(PORTAL)
        client = PeerClient(edge)
        keys = LinkKeys(edge, client)
        intake = Intake(edge, lambda epoch: keys.secret(f"portal#{epoch}"))
        take = lambda conn, item: intake.apply(Transaction(conn), item)  # noqa: E731
        return FeedReader(client, edge, HUB_2, engine, feed_cursor, take).pull()


@pytest.fixture
def portal(case: Case) -> Iterator[Portal]:
    country = case.country
    key = NoteKey.from_seed("hub-1.kumihimo.internal/log", bytes(range(32))).verifier_key
    settings = Settings(**country._common(PORTAL), log_key=str(key))
    portal_api.prepare(settings)
    country.apps[PORTAL] = portal_api.build(settings, country.clock)
    message = case.x.message(OpenPortalAccount, case.x.ledger, addressee_number=case.at_x)
    account = case.x.client.send("/portal-accounts", message, PortalAccountOpened).value.account
    edge = country.edge(PORTAL)
    client = PeerClient(edge)
    keys = LinkKeys(edge, client)
    store = PortalStore(open_engine(settings.store))
    information = Information(
        store, edge, client, RuleBook.load(), lambda epoch: keys.secret(f"portal#{epoch}"), SystemRandomness(), 60
    )
    made = Portal(country, account, store, information, CorrectionsOf(store, edge, client, SystemRandomness()))
    made.pull()
    yield made
    information.close()


def flagged(case: Case, kind: FlagKind) -> None:
    message = case.y.message(Protect, case.y.exchange, addressee_number=case.at_y, flag=kind)
    case.y.client.send("/protections", message, Protections)


def of_tax(looked: Looked) -> State:
    (one,) = (one for one in looked.answers if one.question == Y_TAX)
    return one.state


def test_everything_that_offices_hold_about_her_comes_and_the_rest_says_that_there_is_nothing(portal: Portal) -> None:
    looked = portal.look()
    (tax,) = looked.provided(ITEM)
    assert tax.question == Y_TAX
    assert [item.body for item in tax.items] == [TAX_2025]
    assert looked.items() == (ITEM,)
    assert {one.state for one in looked.answers} == {State.PROVIDED, State.NONE}
    assert Question("pension-service", "pension") in portal.information.questions()
    assert Question("pension-service", ITEM) not in portal.information.questions()


def test_both_the_provider_and_the_resident_have_a_record_of_the_look_up(portal: Portal) -> None:
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
    case: Case, portal: Portal
) -> None:
    flagged(case, FlagKind.SUPPORT_MEASURE)
    assert of_tax(portal.look()) is State.PROVIDED
    assert of_tax(portal.look(own=False)) is State.WITHHELD


def test_what_is_not_to_be_disclosed_is_withheld_and_nothing_else_is_said(case: Case, portal: Portal) -> None:
    flagged(case, FlagKind.NON_DISCLOSURE)
    (one,) = (one for one in portal.look().answers if one.question == Y_TAX)
    assert (one.state, one.items, one.as_of, one.problem) == (State.WITHHELD, (), (), None)


def test_an_office_that_is_down_says_so_and_the_others_answer(portal: Portal) -> None:
    portal.country.down.add(PartyId("z-town/exchange"))
    looked = portal.look()
    states = {one.question.provider: one.state for one in looked.answers}
    assert states["z-town"] is State.UNREACHABLE
    assert of_tax(looked) is State.PROVIDED


def test_what_is_answered_is_sealed_and_another_institution_cannot_use_the_permit(case: Case, portal: Portal) -> None:
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


def permit_for(provider: str, portal: Portal) -> Envelope:
    """A permit that the portal was given."""
    edge = portal.country.edge(PORTAL)
    heard = [answer for me, _, path, _, answer in portal.country.carried if (me, path) == (PORTAL, "/inquiries")]
    decisions = [edge.read(one, InquiryDecision).value for answer in heard for one in parse_envelopes(answer)]
    permits = [one.permit for one in decisions if one.permit is not None]
    return next(one for one in permits if edge.read(one, Permit).value.provider == provider)


def test_a_correction_reaches_the_office_by_the_look_up_and_its_answer_is_shown(case: Case, portal: Portal) -> None:
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


def test_an_individual_number_is_not_taken_into_a_correction(portal: Portal) -> None:
    (tax,) = portal.look().provided(ITEM)
    with pytest.raises(Problem) as refused:
        portal.corrections.ask(portal.account, tax, "my number is 1234-5678-9018")
    assert refused.value.code == "correction.number"
    assert portal.corrections.stand(portal.account) == ()
