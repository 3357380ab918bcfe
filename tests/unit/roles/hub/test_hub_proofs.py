"""Proofs of translation between the operators: an honest one can always prove, a cheating one is found and stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, NOON, OVERSIGHT, HubCountry, X
from sqlalchemy import select

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.envelope import from_b64, parse_envelope
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, InquiryRequest, RelayInquiry
from kumihimo.plumbing.wire.messages.proofs import HopsProven, ProveHops, UnprovenHop
from kumihimo.roles.hub.store import HopSeeds
from kumihimo.roles.hub.store.tables import hop_secrets

OTHER = {HUB_1: HUB_2, HUB_2: HUB_1}


def cheat(country: HubCountry, hub: PartyId, about: bytes, target: str) -> None:
    """Let an operator translate to one target, instead of the ciphertext it was given, one about somebody else."""
    translator = country.operators[hub].translator
    one, each = translator.hop, translator.hop_each
    other = from_b64(country.party(X).request(about).subject, "subject")

    def hop(ciphertexts: Sequence[bytes], source: str, to: str, **options: Any) -> list[bytes]:
        return one([other] if to == target else ciphertexts, source, to, **options)

    def hop_each(ciphertexts: Sequence[bytes], source: str, to: str, *others: Any) -> list[bytes]:
        return each([other] if to == target else ciphertexts, source, to, *others)

    translator.hop, translator.hop_each = hop, hop_each


def accusations(country: HubCountry, accuser: PartyId) -> list[UnprovenHop]:
    items = country.party(OVERSIGHT).feed(accuser)
    return [UnprovenHop.model_validate(item.body) for item in items if item.kind == "unproven"]


def relayed(country: HubCountry) -> tuple[InquiryRequest, RelayInquiry]:
    """The last inquiry as operator 1 passed it on."""
    sent = [body for party, path, body, _ in country.carried if path == "/relayed-inquiries"][-1]
    relay = RelayInquiry.model_validate_json(parse_envelope(sent).payload_bytes())
    return InquiryRequest.model_validate_json(relay.request.payload_bytes()), relay


def demand(country: HubCountry, by: PartyId = OVERSIGHT, hub: PartyId = HUB_1, **changes: Any) -> HopsProven:
    request, relay = relayed(country)
    fields = {
        "transaction": request.transaction, "source": "x-city#1", "target": "y-city#1",
        "inputs": (request.subject,), "outputs": (relay.for_provider,),
    }  # fmt: skip
    caller = country.party(by)
    return caller.wire.send("/proofs", caller.message(ProveHops, hub, **{**fields, **changes}), HopsProven).value


def test_honest_operators_prove_each_other_every_translation(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    assert country.party(X).inquire(hanako).permit is not None
    proven = [party for party, path, _, _ in country.carried if path == "/proofs"]
    assert proven == [HUB_1, HUB_1, HUB_2]  # for the portal, for the provider; then operator 2's own
    assert accusations(country, HUB_1) + accusations(country, HUB_2) == []


@pytest.mark.parametrize("hub", [HUB_1, HUB_2])
def test_an_operator_that_passes_on_somebody_else_gets_no_permit_and_the_oversight_body_is_told(
    country: HubCountry, hub: PartyId
) -> None:
    hanako, taro = country.issue("x-city", ["hanako", "taro"])
    cheat(country, hub, taro, "y-city#1")
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        country.party(X).inquire(hanako)
    (told,) = accusations(country, OTHER[hub])
    assert (told.operator, told.target, told.code) == (hub, "y-city#1", "codes.proof_invalid")
    assert hub in told.signed.signers()
    assert accusations(country, hub) == []
    last = country.log()[-1]
    assert last.refusal is not None
    assert (last.entry, last.granted, last.refusal.code) == (EntryKind.REQUEST, False, "codes.proof_invalid")


def test_an_access_cannot_be_hidden_by_sending_the_portal_another_ciphertext(country: HubCountry) -> None:
    hanako, taro = country.issue("x-city", ["hanako", "taro"])
    cheat(country, HUB_1, taro, "portal#1")
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        country.party(X).inquire(hanako)
    (told,) = accusations(country, HUB_2)
    assert told.target == "portal#1"


def test_an_operator_that_does_not_answer_for_its_translation_is_not_believed(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    request = country.party(X).request(hanako)
    honest = country.carry

    def silent(me: PartyId, party: PartyId, method: str, path: str, content: Any, params: Any) -> Any:
        if path == "/proofs" and party == HUB_1:
            raise Problem("peer.unreachable", party)
        return honest(me, party, method, path, content, params)

    country.carry = silent
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        country.party(X).send(request)
    (told,) = accusations(country, HUB_2)
    assert told.code == "operator.unreachable"


def test_the_oversight_body_may_demand_proofs_and_an_institution_may_not(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    country.party(X).inquire(hanako)
    assert len(from_b64(demand(country).proof, "proof")) == 192 + 64
    with pytest.raises(Problem, match=r"peer\.not_allowed"):
        demand(country, by=X)


def test_what_was_not_translated_is_not_proven(country: HubCountry) -> None:
    hanako, taro = country.issue("x-city", ["hanako", "taro"])
    country.party(X).inquire(hanako)
    other = country.party(X).request(taro).subject
    for changes in ({"inputs": (other,)}, {"outputs": (other,)}, {"transaction": "0" * 32}, {"target": "z-town#1"}):
        with pytest.raises(Problem, match=r"codes\.proof_invalid"):
            demand(country, **changes)
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        demand(country, hub=HUB_2)  # it was operator 1's


def test_an_hour_later_the_secret_is_forgotten_and_the_store_has_not_grown(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    country.party(X).inquire(hanako)
    country.clock.at = NOON + timedelta(minutes=59)
    demand(country)
    first = relayed(country)[0].transaction
    for minutes in range(60, 200, 5):
        country.clock.at = NOON + timedelta(minutes=minutes)
        country.operators[HUB_1].seeds.seed("ab" * 16, country.clock.at)
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        demand(country, transaction=first)
    with country.engine(HUB_1).connect() as conn:
        assert len(conn.execute(select(hop_secrets.c.slot)).all()) <= 7


def test_a_restart_does_not_make_an_operator_unable_to_prove(country: HubCountry) -> None:
    seeds, again = country.operators[HUB_1].seeds, "ab" * 16
    seed = seeds.seed(again, NOON)
    assert HopSeeds(country.engine(HUB_1)).candidates(again, NOON + timedelta(minutes=30)) == [seed]
    assert seeds.seed("cd" * 16, NOON) != seed
    assert seeds.seeds([again, "cd" * 16], NOON) == [seed, seeds.seed("cd" * 16, NOON)]
    assert seeds.seeds([], NOON) == []


def test_no_share_means_no_proofs(country: HubCountry, tmp_path: Any) -> None:
    (tmp_path / "quiet").mkdir()
    quiet = HubCountry(country.keys, tmp_path / "quiet", overrides={1: {"proof_share": 0.0}, 2: {"proof_share": 0.0}})
    try:
        (hanako,) = quiet.issue("x-city", ["hanako"])
        assert quiet.party(X).inquire(hanako).permit is not None
        assert not [path for _, path, _, _ in quiet.carried if path == "/proofs"]
    finally:
        for operator in quiet.operators.values():
            operator.engine.dispose()
