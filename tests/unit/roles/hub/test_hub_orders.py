"""Orders of the oversight body: what they stop, who may give them, and that both operators keep to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, NOON, OVERSIGHT, HubCountry, X, Y
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import Envelope, seal_envelope
from kumihimo.plumbing.wire.messages.codes import KeyShare, ShareOfKey
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, PortalAccess
from kumihimo.plumbing.wire.messages.oversight import CarryOutOrder, Measure, Order, OrderCarriedOut, Ordered, Quota
from kumihimo.roles.hub.store import Standings

BOTH = (HUB_1, HUB_2)
REASON = "copies of other cities were taken home"


def order(country: HubCountry, number: int, measure: Measure, institution: str | None, **fields: Any) -> Envelope:
    """An order as the oversight body signs it."""
    ordered = Ordered(measure=measure, institution=institution, reason=fields.pop("reason", REASON), **fields)
    told = Order(number=number, ordered=ordered, ordered_at=country.clock.now())
    return seal_envelope(told, country.party(OVERSIGHT).edge.identity)


def send(country: HubCountry, envelope: Envelope, hub: PartyId, sender: PartyId = OVERSIGHT) -> None:
    caller = country.party(sender)
    reply = caller.wire.send("/orders", caller.message(CarryOutOrder, hub, order=envelope), OrderCarriedOut).value
    assert reply.number == Order.model_validate_json(envelope.payload_bytes()).number


def carry_out(country: HubCountry, *told: Envelope, hubs: tuple[PartyId, ...] = BOTH) -> None:
    for envelope in told:
        for hub in hubs:
            send(country, envelope, hub)


@pytest.mark.parametrize("suspended", ["x-city", "y-city"])
def test_a_suspended_institution_neither_asks_nor_is_asked_and_everybody_is_told_why(
    country: HubCountry, suspended: str
) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    carry_out(country, order(country, 1, Measure.SUSPEND, suspended))
    refusal = country.party(X).inquire(hanako).refusal
    assert refusal is not None
    assert refusal.code == "institution.suspended"
    assert REASON in refusal.reason_en
    assert "order 1" in refusal.reason_ja
    carry_out(country, order(country, 2, Measure.LIFT, suspended, reason="remedied"))
    assert country.party(X).inquire(hanako).permit is not None


@pytest.mark.parametrize("obedient", BOTH)
def test_one_operator_that_obeys_is_enough(country: HubCountry, obedient: PartyId) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    carry_out(country, order(country, 1, Measure.SUSPEND, "x-city"), hubs=(obedient,))
    decision = country.party(X).inquire(hanako)
    assert decision.permit is None
    assert decision.refusal is not None
    assert decision.refusal.code == "institution.suspended"


def test_the_emergency_stop_stops_inquiries_codes_and_keys_until_all_is_resumed(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    carry_out(country, order(country, 1, Measure.SUSPEND, None, reason="the platform is under attack"))
    refusal = country.party(X).inquire(hanako).refusal
    assert refusal is not None
    assert refusal.code == "hub.stopped"
    assert "under attack" in refusal.reason_en
    y = country.party(Y)
    share = y.message(ShareOfKey, HUB_2, label="y-city#1")
    for blocked in (lambda: country.issue("y-city", ["taro"]), lambda: y.wire.send("/key-shares", share, KeyShare)):
        with pytest.raises(Problem, match=r"hub\.stopped"):
            blocked()
    carry_out(country, order(country, 2, Measure.LIFT, None))
    assert country.party(X).inquire(hanako).permit is not None


def test_resuming_all_does_not_lift_the_suspension_of_one(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    carry_out(country, order(country, 1, Measure.SUSPEND, "y-city"), order(country, 2, Measure.SUSPEND, None))
    carry_out(country, order(country, 3, Measure.LIFT, None))
    refusal = country.party(X).inquire(hanako).refusal
    assert refusal is not None
    assert refusal.code == "institution.suspended"


def test_an_order_is_logged_once_however_often_it_is_sent(country: HubCountry) -> None:
    told = order(country, 1, Measure.SUSPEND, "x-city")
    for _ in range(3):
        carry_out(country, told)
    (record,) = [one for one in country.log() if one.entry is EntryKind.ORDER]
    assert (record.institution, record.affair, record.count) == ("x-city", "oversight.suspend", 1)
    assert record.request_hash == told.digest()
    assert record.peer == OVERSIGHT
    assert record.refusal is not None
    assert REASON in record.refusal.reason_en


def test_a_second_order_of_the_same_number_is_refused_and_changes_nothing(country: HubCountry) -> None:
    carry_out(country, order(country, 1, Measure.SUSPEND, "x-city"))
    for hub in BOTH:
        with pytest.raises(Problem, match=r"order\.conflict"):
            send(country, order(country, 1, Measure.LIFT, "x-city"), hub)
        with pytest.raises(Problem, match=r"institution\.suspended"):
            country.standings(hub).require_active("x-city")


def test_an_order_outlives_the_process(country: HubCountry) -> None:
    carry_out(country, order(country, 1, Measure.SUSPEND, "x-city"))
    for hub in BOTH:
        with pytest.raises(Problem, match=REASON):
            Standings(country.engine(hub)).require_active("x-city")


def test_another_process_on_the_same_store_obeys_within_a_second(country: HubCountry) -> None:
    now = [100.0]
    standings = Standings(country.engine(HUB_1), lambda: now[0])
    carry_out(country, order(country, 1, Measure.SUSPEND, "x-city"))
    now[0] += 0.6
    with pytest.raises(Problem, match=r"institution\.suspended"):
        standings.require_active("x-city")


def test_nobody_but_the_oversight_body_gives_orders(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    genuine = order(country, 1, Measure.SUSPEND, "y-city")
    forged = seal_envelope(Order.model_validate_json(genuine.payload_bytes()), country.party(X).edge.identity)
    for hub in BOTH:
        with pytest.raises(Problem, match=r"peer\.not_allowed"):
            send(country, genuine, hub, sender=X)
        with pytest.raises(Problem, match=r"message\.wrong_signer"):
            send(country, forged, hub)
        with pytest.raises(Problem, match=r"institution\.unknown"):
            send(country, order(country, 2, Measure.SUSPEND, "q-city"), hub)
    rejected = [one.refusal.code for one in country.log() if one.entry is EntryKind.REJECTED and one.refusal]
    assert rejected == ["peer.not_allowed", "message.wrong_signer", "institution.unknown"]
    assert country.party(X).inquire(hanako).permit is not None


@pytest.mark.parametrize("reason", ["", "x" * 201, "about 1234 5678 9012", "123456789018", "a\x1b[2Jb"])
def test_a_reason_that_could_carry_a_number_or_a_control_character_is_no_reason(reason: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        Ordered(measure=Measure.SUSPEND, institution="x-city", reason=reason)


Step = tuple[Measure, str | None]
STEPS = st.lists(
    st.tuples(st.sampled_from([Measure.SUSPEND, Measure.LIFT]), st.sampled_from(["x-city", None])), max_size=6
)


@given(steps=STEPS, data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_orders_arrive_the_last_given_is_in_force(
    hub_keys: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[Step], data: st.DataObject
) -> None:
    country = HubCountry(hub_keys, tmp_path_factory.mktemp("orders"))
    told = [order(country, n, measure, about) for n, (measure, about) in enumerate(steps, 1)]
    last = {about: measure for measure, about in steps}
    try:
        for hub in BOTH:
            for envelope in data.draw(st.permutations([*told, *told])):
                send(country, envelope, hub)
            stopped = last.get(None) is Measure.SUSPEND or last.get("x-city") is Measure.SUSPEND
            if stopped:
                with pytest.raises(Problem):
                    country.standings(hub).require_active("x-city")
            else:
                country.standings(hub).require_active("x-city")
    finally:
        for operator in country.operators.values():
            operator.engine.dispose()


def quota(country: HubCountry, number: int, per_minute: int, per_day: int, institution: str | None = "x-city") -> None:
    limits = Quota(per_minute=per_minute, per_day=per_day)
    carry_out(country, order(country, number, Measure.QUOTA, institution, quota=limits))


def codes(country: HubCountry, code: bytes, times: int) -> list[str]:
    found = [country.party(X).inquire(code).refusal for _ in range(times)]
    return ["granted" if refusal is None else refusal.code for refusal in found]


def test_more_than_the_quota_is_refused_logged_and_told_until_a_minute_has_passed(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    quota(country, 1, 2, 100)
    assert codes(country, hanako, 4) == ["granted", "granted", "quota.exceeded", "quota.exceeded"]
    logged = [one.refusal for one in country.log() if one.entry is EntryKind.REQUEST and one.refusal]
    assert [refusal.code for refusal in logged] == ["quota.exceeded"] * 2
    assert "Retry" in logged[0].reason_en
    told = [PortalAccess.model_validate(item.body) for item in country.party(PartyId("portal/portal")).feed(HUB_2)]
    assert len(told) == 4
    country.clock.at = NOON + timedelta(seconds=61)
    assert codes(country, hanako, 1) == ["granted"]


def test_the_day_has_a_quota_too_and_another_institution_has_its_own(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    (at_z,) = country.issue("z-town", ["hanako"])
    quota(country, 1, 2, 3)
    assert codes(country, hanako, 2) == ["granted", "granted"]
    country.clock.at = NOON + timedelta(hours=5)
    assert codes(country, hanako, 2) == ["granted", "quota.exceeded"]
    assert country.party(PartyId("z-town/exchange")).inquire(at_z).permit is not None
    country.clock.at = NOON + timedelta(days=1, hours=6)
    assert codes(country, hanako, 1) == ["granted"]


def test_a_quota_for_all_holds_for_each_and_an_own_one_goes_before_it(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    quota(country, 1, 1, 100, None)
    assert codes(country, hanako, 2) == ["granted", "quota.exceeded"]
    quota(country, 2, 3, 100)
    assert codes(country, hanako, 3) == ["granted", "granted", "quota.exceeded"]


def test_operator_2_counts_by_itself(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    limits = Quota(per_minute=1, per_day=100)
    carry_out(country, order(country, 1, Measure.QUOTA, "x-city", quota=limits), hubs=(HUB_2,))
    assert codes(country, hanako, 2) == ["granted", "quota.exceeded"]
    assert [one.granted for one in country.log() if one.entry is EntryKind.REQUEST] == [True, True, False]


def test_a_restart_does_not_give_the_quota_anew(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    quota(country, 1, 2, 100)
    assert codes(country, hanako, 3) == ["granted", "granted", "quota.exceeded"]
    again = HubCountry(country.keys, country.stores, country.clock)
    try:
        assert codes(again, hanako, 1) == ["quota.exceeded"]
        for hub in BOTH:
            with pytest.raises(Problem, match=r"quota\.exceeded"):
                again.operators[hub].quotas.take("x-city", NOON)
    finally:
        for operator in again.operators.values():
            operator.engine.dispose()
