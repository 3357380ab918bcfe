"""The permit desk: who gets a permit, what is in it, and what is written down."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hub_country import HUB_1, HUB_2, NOON, PENSION, PORTAL, HubCountry, X, Y

from kumihimo.domain.codes import decrypt
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import commit
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    InquiryDecision,
    LogPromise,
    Permit,
    PortalAccess,
    WitnessedPromise,
)
from kumihimo.roles.hub.store import Standing


def permit_of(country: HubCountry, decision: InquiryDecision) -> Permit:
    assert decision.permit is not None
    return country.party(Y).edge.read(decision.permit, Permit, HUB_1, HUB_2).value


def test_a_city_may_ask_another_for_local_tax_for_a_child_allowance(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    decision = country.party(X).inquire(hanako)
    permit = permit_of(country, decision)
    assert decision.refusal is None
    assert (permit.requester, permit.provider, permit.items) == ("x-city", "y-city", ("local-tax",))
    assert permit.rules == ("act-2016/74/169",)
    assert permit.rule_book == country.operators[HUB_1].book.sha256
    assert permit.issued_at == NOON
    assert permit.expires_at == NOON + timedelta(minutes=5)
    assert decision.subject is not None
    assert permit.subject_hash == hashlib.sha256(from_b64(decision.subject, "subject")).hexdigest()


def test_the_provider_finds_its_own_code_and_the_portal_finds_its_own(country: HubCountry) -> None:
    at_x, at_y, at_portal = (country.issue(name, ["hanako", "taro"]) for name in ("x-city", "y-city", "portal"))
    decision = country.party(X).inquire(at_x[0])
    assert decision.subject is not None
    assert decrypt(from_b64(decision.subject, "subject"), country.party(Y).link_key()) == at_y[0]
    portal = country.party(PORTAL)
    (item,) = [entry for entry in portal.feed(HUB_2) if entry.kind == "access"]
    access = PortalAccess.model_validate(item.body)
    assert decrypt(from_b64(access.subject, "subject"), portal.link_key()) == at_portal[0]
    assert access.transaction == decision.transaction
    assert len({*at_x, *at_y, *at_portal}) == 6


def test_the_promise_is_about_the_logged_record_and_everybody_who_watches_has_it(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    decision = country.party(X).inquire(hanako)
    promise = country.party(X).edge.read(decision.promise, LogPromise, HUB_1).value
    entry = country.overseen()[promise.index]
    record = entry.logged.record
    assert promise.entry == b64(commit(from_b64(entry.logged.salt, "salt"), record.to_bytes()))
    assert entry.logged.promise == decision.promise
    assert record == country.log()[promise.index]
    assert (record.entry, record.granted, record.transaction) == (EntryKind.REQUEST, True, decision.transaction)
    assert permit_of(country, decision).log_index == promise.index
    seen = country.party("oversight/body").feed(HUB_2)
    assert WitnessedPromise(promise=decision.promise) in [WitnessedPromise.model_validate(item.body) for item in seen]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"items": ("local-tax", "public-assistance")}, "rules.item_not_in_affair"),
        ({"items": ("horoscope",)}, "item.unknown"),
        ({"affair": "library.cards"}, "affair.unknown"),
        ({"provider": "pension-service"}, "rules.provider_not_named"),
        ({"provider": "w-city"}, "institution.unknown"),
        ({"affair": "621498320257"}, "message.malformed"),
    ],
)
def test_a_request_that_no_rule_permits_is_refused_logged_and_shown(
    country: HubCountry, changes: dict[str, object], code: str
) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    decision = country.party(X).inquire(hanako, **changes)
    assert decision.permit is None
    assert decision.subject is None
    assert decision.refusal is not None
    assert decision.refusal.code == code
    record = country.log()[-1]
    assert (record.entry, record.granted, record.refusal) == (EntryKind.REQUEST, False, decision.refusal)
    (access,) = [item for item in country.party(PORTAL).feed(HUB_2) if item.kind == "access"]
    assert PortalAccess.model_validate(access.body).logged.record == record


def test_the_pension_service_may_not_ask_for_a_child_allowance(country: HubCountry) -> None:
    (hanako,) = country.issue("pension-service", ["hanako"])
    decision = country.party(PENSION).inquire(hanako)
    assert decision.refusal is not None
    assert decision.refusal.code == "rules.requester_not_entitled"


def test_words_of_a_request_that_are_no_ids_do_not_reach_the_log(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    country.party(X).inquire(hanako, items=("621498320257",), affair="about 621498320257", provider="a621498320257")
    record = country.log()[-1]
    assert (record.items, record.affair, record.provider) == ((), None, None)
    assert all("621498320257" not in entry.model_dump_json() for entry in country.log())


def test_before_the_act_was_in_force_nothing_is_permitted(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    country.clock.at = NOON.replace(year=2012)
    decision = country.party(X).inquire(hanako)
    assert decision.permit is None
    assert decision.refusal is not None
    assert decision.refusal.code == "rules.none_in_force"


@pytest.mark.parametrize("hub", [HUB_1, HUB_2])
@pytest.mark.parametrize("institution", ["x-city", "y-city"])
def test_either_operator_alone_can_stop_a_suspended_institution(
    country: HubCountry, hub: str, institution: str
) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    country.standings(hub).put(institution, Standing.SUSPENDED, "order 7", NOON)
    refused = country.party(X).inquire(hanako)
    assert refused.permit is None
    assert refused.refusal is not None
    assert refused.refusal.code == "institution.suspended"
    assert country.log()[-1].granted is False
    country.standings(hub).put(institution, Standing.ACTIVE, "order 8", NOON)
    assert country.party(X).inquire(hanako).permit is not None


def entries_of(country: HubCountry, transaction: str) -> list[bool | None]:
    return [record.granted for record in country.log() if record.transaction == transaction]


def told_to_the_portal(country: HubCountry) -> int:
    return len([item for item in country.party(PORTAL).feed(HUB_2) if item.kind == "access"])


def test_a_used_transaction_number_is_refused_for_any_other_request(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    first = x.request(hanako)
    assert x.send(first).permit is not None
    same_but_later = first.model_copy(update={"message_id": "0" * 32})
    other = x.request(hanako, transaction=first.transaction, provider="z-town")
    for request in (same_but_later, other):
        decision = x.send(request)
        assert decision.permit is None
        assert decision.refusal is not None
        assert decision.refusal.code == "message.replayed"
    assert entries_of(country, first.transaction) == [True, False, False]
    assert told_to_the_portal(country) == 1


@pytest.mark.parametrize("changes", [{}, {"affair": "library.cards"}])
def test_the_very_same_request_again_gets_the_same_decision(country: HubCountry, changes: dict[str, str]) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    request = x.request(hanako, **changes)
    first = x.send(request)
    country.clock.at = NOON + timedelta(minutes=4)
    assert x.send(request) == first
    assert len(entries_of(country, request.transaction)) == 1
    assert told_to_the_portal(country) == 1


def test_a_request_that_comes_again_after_its_permit_is_refused(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    country.clock.at = NOON + timedelta(minutes=2)
    early = x.request(hanako)
    country.clock.at = NOON
    assert x.send(early).permit is not None
    country.clock.at = NOON + timedelta(minutes=5)
    again = x.send(early)
    assert again.permit is None
    assert again.refusal is not None
    assert again.refusal.code == "message.replayed"
    country.clock.at = NOON + timedelta(minutes=8)
    with pytest.raises(Problem) as caught:
        x.send(early)
    assert caught.value.code == "message.stale"


@pytest.mark.parametrize("hub", [HUB_1, HUB_2])
def test_a_request_that_comes_again_after_a_suspension_gets_no_permit(country: HubCountry, hub: str) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    request = x.request(hanako)
    assert x.send(request).permit is not None
    country.standings(hub).put("x-city", Standing.SUSPENDED, "order 7", NOON)
    assert x.send(request).permit is None
    assert entries_of(country, request.transaction) == [True, False]


def test_what_broke_off_at_operator_2_goes_on_under_its_own_number_and_entry(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    request = x.request(hanako)
    country.down.add(HUB_2)
    with pytest.raises(Problem):
        x.send(request)
    country.down.clear()
    permit = permit_of(country, x.send(request))
    records = country.log()
    assert (records[permit.log_index].transaction, records[permit.log_index].granted) == (request.transaction, True)
    assert entries_of(country, request.transaction) == [True, False], "asked once, and one attempt failed"
    assert told_to_the_portal(country) == 1


def test_without_operator_2_there_is_no_permit_and_the_log_says_so(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    country.down.add(HUB_2)
    x = country.party(X)
    request = x.request(hanako)
    with pytest.raises(Problem) as caught:
        x.send(request)
    assert caught.value.code == "operator.unreachable"
    records = [record for record in country.log() if record.transaction == request.transaction]
    assert [record.granted for record in records] == [True, False]
    assert records[1].refusal is not None
    assert records[1].refusal.code == "operator.unreachable"
    country.down.clear()
    assert x.inquire(hanako).permit is not None


def test_the_same_request_sent_many_times_at_once_gives_one_permit(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    request = x.request(hanako)
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(x.send, [request] * 8))
    assert decisions == [decisions[0]] * 8
    assert decisions[0].permit is not None
    assert entries_of(country, request.transaction) == [True]
    assert told_to_the_portal(country) == 1


def test_many_inquiries_at_once_each_get_an_entry_of_their_own(country: HubCountry) -> None:
    codes = country.issue("x-city", [f"resident {n}" for n in range(16)])
    x = country.party(X)
    with ThreadPoolExecutor(8) as pool:
        permits = [permit_of(country, decision) for decision in pool.map(x.inquire, codes)]
    records = country.log()
    assert [records[permit.log_index].transaction for permit in permits] == [permit.transaction for permit in permits]
    assert len({permit.log_index for permit in permits}) == 16
