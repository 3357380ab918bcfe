"""The first case, on a whole country of real processes: X市 learns what Y市 knows, and the resident sees it."""

from __future__ import annotations

import json

import pytest

from kumihimo.country import topology
from kumihimo.country.files import LOG_ORIGIN, WITNESS_NAME
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.running import states
from kumihimo.country.scenarios.first_case import FirstCase, matrix
from kumihimo.domain.kernel import PartyId, Problem, SystemClock
from kumihimo.domain.transparency.access_proof import verify_proof_file
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.directory import PinnedKeys
from kumihimo.plumbing.wire.envelope import open_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit


def test_x_city_gets_the_local_tax_that_y_city_levied(case: FirstCase) -> None:
    assert case.granted.outcome is Outcome.PROVIDED
    (item,) = case.granted.items
    assert item.item == "local-tax"
    assert item.valid_from == case.year.start
    assert item.body["tax_total"] == item.body["income_levy"] + item.body["per_capita_levy"]


def test_the_permit_names_rule_article_and_rule_book_and_carries_both_operators_signatures(
    country: Country, case: FirstCase
) -> None:
    assert case.granted.permit is not None
    anchors = PinnedKeys(Identity(topology.HUB_1, country.keys(topology.HUB_1)).anchors())
    permit = open_envelope(case.granted.permit, Permit, anchors, topology.HUB_1, topology.HUB_2).value
    assert permit.rules == ("act-2016/74/169",)
    assert "74" in permit.articles[0]
    assert len(permit.rule_book) == 64
    assert permit.log_index == case.granted.log_index


def test_a_question_outside_the_rule_is_refused_with_reason_and_article(case: FirstCase) -> None:
    assert case.refused.outcome is Outcome.REFUSED
    assert case.refused.refusal is not None
    assert case.refused.refusal.code == "rules.item_not_in_affair"
    assert case.refused.refusal.article is not None
    assert case.refused.items == ()
    assert case.refused.permit is None


def test_the_resident_sees_both_requests_with_proofs_that_hold(case: FirstCase) -> None:
    shown = {access.transaction: access for access in case.accesses}
    assert set(shown) == {case.granted.transaction, case.refused.transaction}
    granted = shown[case.granted.transaction]
    assert "X市" in granted.sentence_ja
    assert "Y市" in granted.sentence_ja
    assert "74" in granted.sentence_ja
    assert granted.outcome is not None
    assert granted.outcome.outcome is Outcome.PROVIDED
    assert len(case.verified) >= 3  # two requests and at least one outcome


def test_a_proof_with_another_record_does_not_hold(country: Country, case: FirstCase) -> None:
    log_key = VerifierKey.parse((country.folder / "log.vkey").read_text().strip())
    witness_key = VerifierKey.parse((country.folder / "witness.vkey").read_text().strip())
    granted = next(one for one in case.accesses if one.transaction == case.granted.transaction)
    assert granted.proof is not None
    document = json.loads(granted.proof)
    document["record"]["requester"] = "z-town"
    with pytest.raises(Problem) as caught:
        verify_proof_file(json.dumps(document), log_key, [witness_key])
    assert caught.value.code == "log.proof_invalid"


def test_each_party_holds_what_its_boundary_says_and_nothing_else(country: Country, case: FirstCase) -> None:
    found = matrix(country, case)
    everybody = {service.party for service in topology.services()}
    ledgers = {party for party in everybody if party.endswith("/ledger")}
    assert found["number"] - ledgers == {topology.NUMBERING, topology.REGISTRY}
    assert found["name"] - ledgers == {topology.REGISTRY}
    assert found["code_x"] == {PartyId("x-city/exchange")}
    assert found["code_y"] == {PartyId("y-city/exchange")}
    assert found["code_portal"] == {topology.PORTAL}
    assert PartyId("y-city/exchange") in found["tax"]
    assert not found["tax"] & {topology.HUB_1, topology.HUB_2, topology.PORTAL, topology.OVERSIGHT, topology.REGISTRY}


def test_the_whole_log_verifies_and_goes_on_verifying(country: Country, case: FirstCase) -> None:
    first = verify_log(country)
    assert first.size > case.granted.log_index
    assert first.witnesses == 1
    again = verify_log(country)
    assert again.seen_before == first.size


def test_every_process_answers_and_all_together_stay_within_memory(country: Country, case: FirstCase) -> None:
    found = states(country)
    assert len(found) == len(topology.services())
    assert all(one.answers for one in found)
    assert [(one.party, one.faults) for one in found if not one.ready] == []
    assert sum(one.memory for one in found) <= 1.5 * 2**30


def test_a_log_that_is_not_the_one_seen_before_is_noticed(country: Country, case: FirstCase) -> None:
    """What was seen before is another history, properly signed and cosigned by the real keys: a split view."""
    verify_log(country)
    seen = country.folder / "verified.checkpoint"
    honest = seen.read_text()
    size = int(honest.splitlines()[1])
    log_key = NoteKey.from_seed(LOG_ORIGIN, read_secret(country.keys(topology.HUB_1) / "log.key"))
    witness = NoteKey.from_seed(WITNESS_NAME, read_secret(country.keys(topology.OVERSIGHT) / "witness.key"))
    other = Checkpoint(LOG_ORIGIN, size, bytes(32)).signed(log_key)
    seen.write_text(str(other.with_signatures([witness.cosign(other.text, SystemClock().now())])))
    try:
        with pytest.raises(Problem) as caught:
            verify_log(country)
        assert caught.value.code == "log.inconsistent"
    finally:
        seen.write_text(honest)
