"""Issued codes and key shares: blind for the operators, and only for whom they are meant."""

from __future__ import annotations

import pytest
from hub_country import HUB_1, HUB_2, NOON, OVERSIGHT, PORTAL, REGISTRY, HubCountry, X, Y, code_of, point_of

from kumihimo.domain.codes import encrypt, public_key, random_scalar
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import open_sealed
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.link_keys import share_binding
from kumihimo.plumbing.wire.messages.codes import (
    BlindCode,
    CodesTranslated,
    KeyShare,
    Points,
    PointsOf,
    RelayCodes,
    ShareOfKey,
    TranslateCodes,
)
from kumihimo.plumbing.wire.messages.inquiry import EntryKind
from kumihimo.roles.hub.store import Standing


def batch(country: HubCountry, people: int, mark: str = "t") -> list[BlindCode]:
    key = public_key(country.party(REGISTRY).link_key())
    return [
        BlindCode(ticket=f"{mark}{n}", ciphertext=b64(encrypt(point_of(f"p{n}"), key, random_scalar())))
        for n in range(people)
    ]


def test_codes_arrive_whatever_the_order_and_are_the_same_however_often_they_are_issued(country: HubCountry) -> None:
    first = country.issue("x-city", ["hanako", "taro", "jiro"])
    again = country.issue("x-city", ["jiro", "hanako"])
    assert again == [first[2], first[0]]
    assert len(set(first)) == 3


def test_a_batch_is_logged_as_a_count_and_nothing_else(country: HubCountry) -> None:
    tickets = batch(country, 3)
    assert country.party(REGISTRY).translate("x-city", tickets) == 3
    (record,) = [record for record in country.log() if record.entry is EntryKind.CODES]
    assert (record.institution, record.count, record.peer) == ("x-city", 3, REGISTRY)
    written = record.model_dump_json()
    assert not any(code.ticket in written or code.ciphertext in written for code in tickets)


def test_operator_2_finishes_no_batch_under_the_log_entry_of_another(country: HubCountry) -> None:
    """Operator 1 could else have codes issued that the log knows nothing of."""
    registry = country.party(REGISTRY)
    registry.translate("x-city", batch(country, 1))
    (earlier,) = [one.logged for one in country.overseen() if one.logged.record.entry is EntryKind.CODES]
    hidden = registry.message(TranslateCodes, institution="y-city", codes=tuple(batch(country, 2, "hidden")))
    relay = country.party(HUB_1).message(
        RelayCodes, HUB_2, batch=registry.edge.answer(hidden), logged=earlier, codes=hidden.codes
    )
    with pytest.raises(Problem) as caught:
        country.party(HUB_1).wire.send("/relayed-codes", relay, CodesTranslated)
    assert caught.value.code == "log.proof_invalid"
    assert country.party(Y).feed(HUB_2) == ()


def test_a_large_batch_reaches_the_exchange_in_small_items_and_is_deleted_once_taken(country: HubCountry) -> None:
    tickets = batch(country, 250)
    country.party(REGISTRY).translate("x-city", tickets)
    x = country.party(X)
    items = x.feed(HUB_2)
    assert [len(item.body["codes"]) for item in items] == [100, 100, 50]
    assert [code["ticket"] for item in items for code in item.body["codes"]] == [code.ticket for code in tickets]
    assert x.feed(HUB_2, after=items[-1].seq) == ()
    assert x.feed(HUB_2) == ()


def test_codes_are_for_their_own_exchange_only(country: HubCountry) -> None:
    country.party(REGISTRY).translate("x-city", batch(country, 2))
    country.party(REGISTRY).translate("portal", batch(country, 1, "portal"))
    assert country.party(Y).feed(HUB_2) == ()
    assert [item.kind for item in country.party(PORTAL).feed(HUB_2)] == ["codes"]


def test_nobody_but_the_registry_hands_in_codes(country: HubCountry) -> None:
    with pytest.raises(Problem) as caught:
        country.party(X).translate("x-city", batch(country, 1))
    assert caught.value.code == "peer.not_allowed"
    assert country.log()[-1].entry is EntryKind.REJECTED


@pytest.mark.parametrize(("institution", "code"), [("w-city", "institution.unknown"), ("numbering", "peer.unknown")])
def test_codes_for_nobody_are_refused(country: HubCountry, institution: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        country.party(REGISTRY).translate(institution, batch(country, 1))
    assert caught.value.code == code


def test_one_identity_point_stops_the_whole_batch(country: HubCountry) -> None:
    codes = batch(country, 3)
    codes[1] = BlindCode(ticket="t1", ciphertext=b64(bytes(64)))
    with pytest.raises(Problem) as caught:
        country.party(REGISTRY).translate("x-city", codes)
    assert caught.value.code == "codes.identity_point"
    assert country.party(X).feed(HUB_2) == ()
    assert [record.entry for record in country.log()] == [EntryKind.REJECTED]


def test_a_batch_sent_twice_is_taken_once(country: HubCountry) -> None:
    registry = country.party(REGISTRY)
    message = registry.message(TranslateCodes, institution="x-city", codes=tuple(batch(country, 2)))
    registry.wire.send("/code-batches", message, CodesTranslated)
    with pytest.raises(Problem) as caught:
        registry.wire.send("/code-batches", message, CodesTranslated)
    assert caught.value.code == "message.replayed"
    assert len(country.party(X).feed(HUB_2)) == 1


def test_the_same_tickets_in_a_new_message_are_accepted_without_effect(country: HubCountry) -> None:
    """The registry sends again when an answer was lost."""
    codes = batch(country, 2)
    country.party(REGISTRY).translate("x-city", codes)
    assert country.party(REGISTRY).translate("x-city", list(reversed(codes))) == 2
    assert len(country.party(X).feed(HUB_2)) == 1


def test_without_operator_2_the_registry_is_told(country: HubCountry) -> None:
    country.down.add(HUB_2)
    with pytest.raises(Problem) as caught:
        country.party(REGISTRY).translate("x-city", batch(country, 1))
    assert caught.value.code == "operator.unreachable"
    country.down.clear()
    assert country.party(REGISTRY).translate("x-city", batch(country, 1)) == 1


def share(country: HubCountry, party: PartyId, label: str, hub: PartyId) -> KeyShare:
    caller = country.party(party)
    return caller.wire.send("/key-shares", caller.message(ShareOfKey, hub, label=label), KeyShare).value


@pytest.mark.parametrize("hub", [HUB_1, HUB_2])
def test_a_share_opens_for_its_asker_and_its_domain_only(country: HubCountry, hub: PartyId) -> None:
    sealed = from_b64(share(country, X, "x-city#1", hub).sealed, "sealed")
    key = country.edge(X).identity.sealing_key
    points = country.party(OVERSIGHT)
    published = points.wire.send("/points", points.message(PointsOf, hub, label="x-city#1"), Points).value
    opened = open_sealed(sealed, key, share_binding(X, "x-city#1", hub))
    assert b64(public_key(opened)) == published.u
    for binding in (share_binding(X, "x-city#2", hub), share_binding(Y, "x-city#1", hub)):
        with pytest.raises(Problem, match=r"sealing\.cannot_open"):
            open_sealed(sealed, key, binding)
    with pytest.raises(Problem, match=r"sealing\.cannot_open"):
        open_sealed(sealed, country.edge(Y).identity.sealing_key, share_binding(X, "x-city#1", hub))


@pytest.mark.parametrize("hub", [HUB_1, HUB_2])
@pytest.mark.parametrize(
    ("party", "label"),
    [
        (X, "y-city#1"),
        (X, "x-city#2"),
        (X, "registry#1"),
        (PartyId("x-city/ledger"), "x-city#1"),
        (OVERSIGHT, "portal#1"),
    ],
)
def test_nobody_gets_a_share_of_another_s_domain(country: HubCountry, hub: PartyId, party: PartyId, label: str) -> None:
    with pytest.raises(Problem) as caught:
        share(country, party, label, hub)
    assert caught.value.code == "peer.not_allowed"


def test_a_suspended_institution_gets_no_share(country: HubCountry) -> None:
    country.standings(HUB_2).put("x-city", Standing.SUSPENDED, "order 7", NOON)
    with pytest.raises(Problem) as caught:
        share(country, X, "x-city#1", HUB_2)
    assert caught.value.code == "institution.suspended"


def test_points_are_for_operators_and_oversight(country: HubCountry) -> None:
    x = country.party(X)
    body = x.edge.answer(x.message(PointsOf, HUB_1, label="x-city#1")).model_dump_json().encode()
    assert code_of(x.post("/points", body)) == "peer.not_allowed"
