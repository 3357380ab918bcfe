"""Proofs of translation: an operator that translated otherwise than it should is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_code_hub import Hub

from kumihimo.domain.codes import (
    HopProof,
    OperatorSecrets,
    PublishedPoints,
    Rerandomised,
    Translator,
    prove_points,
    verify_points,
)
from kumihimo.domain.codes.ciphertext import decode_ciphertext
from kumihimo.domain.codes.group import Scalar, add, base_mul, random_scalar
from kumihimo.domain.kernel.errors import Problem

X_CITY, Y_CITY, PENSION = "x-city#1", "y-city#1", "pension#1"
SEED = bytes(range(32))
PEOPLE = 4


class Batch:
    """One batch that both operators translated and proved."""

    def __init__(self, hub: Hub) -> None:
        self.asked = [hub.encrypt(hub.code(person, X_CITY), X_CITY) for person in range(PEOPLE)]
        self.between = hub.operator1.hop(self.asked, X_CITY, Y_CITY, seed=SEED)
        self.arrived = hub.operator2.hop(self.between, X_CITY, Y_CITY, seed=SEED)
        self.proof1 = hub.operator1.prove(self.asked, self.between, X_CITY, Y_CITY, SEED)
        self.proof2 = hub.operator2.prove(self.between, self.arrived, X_CITY, Y_CITY, SEED)


@pytest.fixture(scope="module")
def batch(hub: Hub) -> Batch:
    return Batch(hub)


def refused(
    verifier: Translator,
    inputs: list[bytes],
    outputs: list[bytes],
    proof: HopProof,
    source: str = X_CITY,
    target: str = Y_CITY,
) -> bool:
    try:
        verifier.verify_peer(inputs, outputs, source, target, proof)
    except Problem as problem:
        return problem.code == "codes.proof_invalid"
    return False


def exchanged(items: list[bytes], first: int = 0, second: int = 1) -> list[bytes]:
    copy = list(items)
    copy[first], copy[second] = copy[second], copy[first]
    return copy


def other_code(ciphertext: bytes) -> bytes:
    """The ciphertext of another code under the same key: what an operator would slip in."""
    blinding, masked = decode_ciphertext(ciphertext)
    return blinding + add(masked, base_mul(random_scalar()))


def test_each_operator_accepts_the_others_honest_work(hub: Hub, batch: Batch) -> None:
    hub.operator2.verify_peer(batch.asked, batch.between, X_CITY, Y_CITY, batch.proof1)
    hub.operator1.verify_peer(batch.between, batch.arrived, X_CITY, Y_CITY, batch.proof2)


def test_a_single_translation_can_be_proven(hub: Hub, batch: Batch) -> None:
    seed = bytes(32)
    out = hub.operator1.hop(batch.asked[:1], X_CITY, Y_CITY, seed=seed)
    proof = hub.operator1.prove(batch.asked[:1], out, X_CITY, Y_CITY, seed)
    hub.operator2.verify_peer(batch.asked[:1], out, X_CITY, Y_CITY, proof)


def test_translations_made_one_by_one_can_be_proven_together(hub: Hub, batch: Batch) -> None:
    seeds = [bytes([person]) * 32 for person in range(PEOPLE)]
    out = hub.operator1.hop_each(batch.asked, X_CITY, Y_CITY, seeds)
    alone = [
        hub.operator1.hop([one], X_CITY, Y_CITY, seed=seed)[0] for one, seed in zip(batch.asked, seeds, strict=True)
    ]
    assert out == alone
    proof = hub.operator1.prove_each(batch.asked, out, X_CITY, Y_CITY, seeds)
    hub.operator2.verify_peer(batch.asked, out, X_CITY, Y_CITY, proof)
    assert refused(hub.operator2, batch.asked, exchanged(out), proof)


def test_what_goes_to_two_institutions_is_rerandomised_once_and_proven_for_each(hub: Hub, batch: Batch) -> None:
    seeds = [bytes([person]) * 32 for person in range(PEOPLE)]
    fresh: Rerandomised = {}
    ways = {target: hub.operator1.hop_each(batch.asked, X_CITY, target, seeds, fresh) for target in (Y_CITY, PENSION)}
    assert len(fresh) == PEOPLE
    proofs = {}
    for target, out in ways.items():
        assert out == hub.operator1.hop_each(batch.asked, X_CITY, target, seeds)
        proofs[target] = hub.operator1.prove_each(batch.asked, out, X_CITY, target, seeds)
        hub.operator2.verify_peer(batch.asked, out, X_CITY, target, proofs[target])
    assert refused(hub.operator2, batch.asked, ways[PENSION], proofs[Y_CITY])
    assert not {*ways[Y_CITY]} & {*ways[PENSION]}


def test_what_comes_to_operator_2_for_two_institutions_leaves_with_nothing_in_common(hub: Hub, batch: Batch) -> None:
    seeds = [bytes([person]) * 32 for person in range(PEOPLE)]
    proven = {}
    for target in (Y_CITY, PENSION):
        between = hub.operator1.hop_each(batch.asked, X_CITY, target, seeds)
        out = hub.operator2.hop_each(between, X_CITY, target, seeds)
        proven[target] = hub.operator2.prove_each(between, out, X_CITY, target, seeds).rerandomised
    halves = {target: {half for one in proven[target] for half in decode_ciphertext(one)} for target in proven}
    assert not halves[Y_CITY] & halves[PENSION]


@given(place=st.integers(0, PEOPLE - 1))
@settings(max_examples=10, deadline=None)
def test_one_tampered_person_in_a_batch_is_caught_at_either_operator(hub: Hub, batch: Batch, place: int) -> None:
    for verifier, inputs, outputs, proof in (
        (hub.operator2, batch.asked, batch.between, batch.proof1),
        (hub.operator1, batch.between, batch.arrived, batch.proof2),
    ):
        slipped_in = [other_code(item) if index == place else item for index, item in enumerate(outputs)]
        assert refused(verifier, inputs, slipped_in, proof)
        asked_otherwise = [other_code(item) if index == place else item for index, item in enumerate(inputs)]
        assert refused(verifier, asked_otherwise, outputs, proof)
        rerandomised = list(proof.rerandomised)
        rerandomised[place] = other_code(rerandomised[place])
        assert refused(verifier, inputs, outputs, replace(proof, rerandomised=tuple(rerandomised)))


@given(order=st.permutations(range(PEOPLE)))
@settings(max_examples=15, deadline=None)
def test_persons_cannot_be_exchanged_within_a_batch(hub: Hub, batch: Batch, order: list[int]) -> None:
    mixed = [batch.between[place] for place in order]
    assert refused(hub.operator2, batch.asked, mixed, batch.proof1) == (order != sorted(order))


def test_exchanging_inputs_and_intermediates_alike_does_not_help(hub: Hub, batch: Batch) -> None:
    intermediates = tuple(exchanged(list(batch.proof1.rerandomised)))
    proof = replace(batch.proof1, rerandomised=intermediates)
    assert refused(hub.operator2, exchanged(batch.asked), batch.between, proof)
    assert refused(hub.operator2, batch.asked, exchanged(batch.between), proof)


@pytest.mark.parametrize(
    ("source", "target"), [(X_CITY, PENSION), (PENSION, Y_CITY), (Y_CITY, X_CITY), (X_CITY, X_CITY)]
)
def test_a_translation_to_the_wrong_institution_is_caught(hub: Hub, batch: Batch, source: str, target: str) -> None:
    assert refused(hub.operator2, batch.asked, batch.between, batch.proof1, source, target)
    out = hub.operator1.hop(batch.asked, source, target, seed=SEED)
    assert refused(hub.operator2, batch.asked, out, hub.operator1.prove(batch.asked, out, source, target, SEED))


def test_an_operator_with_other_seeds_than_it_published_is_caught(hub: Hub, batch: Batch) -> None:
    for swapped in (
        OperatorSecrets(bytes(32), hub.secrets1.rekey_seed),
        OperatorSecrets(hub.secrets1.reshuffle_seed, bytes(32)),
    ):
        rogue = Translator(swapped, 1, hub.secrets2.published)
        out = rogue.hop(batch.asked, X_CITY, Y_CITY, seed=SEED)
        assert refused(hub.operator2, batch.asked, out, rogue.prove(batch.asked, out, X_CITY, Y_CITY, SEED))


def test_the_proof_of_one_operator_is_no_proof_of_the_other(hub: Hub, batch: Batch) -> None:
    assert refused(hub.operator1, batch.asked, batch.between, batch.proof1)
    assert refused(hub.operator2, batch.between, batch.arrived, batch.proof2)


def test_a_proof_does_not_serve_a_part_or_a_longer_batch(hub: Hub, batch: Batch) -> None:
    fewer = replace(batch.proof1, rerandomised=batch.proof1.rerandomised[:-1])
    assert refused(hub.operator2, batch.asked[:-1], batch.between[:-1], fewer)
    assert refused(hub.operator2, batch.asked[:-1], batch.between[:-1], batch.proof1)
    assert refused(hub.operator2, batch.asked, batch.between[:-1], batch.proof1)
    assert refused(hub.operator2, [], [], replace(batch.proof1, rerandomised=()))


def test_passing_a_ciphertext_on_without_rerandomisation_is_caught(hub: Hub, batch: Batch) -> None:
    lazy = replace(batch.proof1, rerandomised=tuple(batch.asked))
    with pytest.raises(Problem, match="was not rerandomised"):
        hub.operator2.verify_peer(batch.asked, batch.between, X_CITY, Y_CITY, lazy)


@given(position=st.integers(0, 3 * 64 + PEOPLE * 64 - 1), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_proof_with_any_byte_changed_is_refused(hub: Hub, batch: Batch, position: int, flip: int) -> None:
    encoded = bytearray(batch.proof1.to_bytes())
    encoded[position] ^= flip
    assert refused(hub.operator2, batch.asked, batch.between, HopProof.from_bytes(bytes(encoded)))


def test_a_proof_travels_as_bytes(batch: Batch) -> None:
    encoded = batch.proof1.to_bytes()
    assert len(encoded) == 192 + 64 * PEOPLE
    assert HopProof.from_bytes(encoded) == batch.proof1
    for wrong in (b"", encoded[:191], encoded[:-1], encoded + b"\0"):
        with pytest.raises(Problem, match=r"codes\.proof_invalid"):
            HopProof.from_bytes(wrong)


def test_an_operator_cannot_prove_what_it_did_not_do(hub: Hub, batch: Batch) -> None:
    for outputs, seed in ((batch.between, bytes(32)), (exchanged(batch.between), SEED), ([], SEED)):
        with pytest.raises(Problem, match=r"codes\.proof_invalid"):
            hub.operator1.prove(batch.asked, outputs, X_CITY, Y_CITY, seed)
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        hub.operator1.prove([], [], X_CITY, Y_CITY, SEED)


def test_published_points_that_do_not_belong_together_are_refused(hub: Hub) -> None:
    points, proof = hub.secrets1.published(X_CITY), prove_points(hub.secrets1, X_CITY)
    verify_points(points, X_CITY, proof)
    other = hub.secrets1.published(Y_CITY)
    for wrong in (replace(points, U=other.U), replace(points, S=other.S), replace(points, T=other.T), other):
        with pytest.raises(Problem, match=r"codes\.proof_invalid"):
            verify_points(wrong, X_CITY, proof)
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        verify_points(points, Y_CITY, proof)
    with pytest.raises(Problem, match=r"codes\.proof_invalid"):
        verify_points(points, X_CITY, proof[:-1])


def test_published_points_must_be_points() -> None:
    good = base_mul(Scalar((1).to_bytes(32, "little")))
    with pytest.raises(Problem, match=r"codes\.identity_point"):
        PublishedPoints(good, bytes(32), good)
    with pytest.raises(Problem, match=r"codes\.not_a_point"):
        PublishedPoints(good, good, b"\x01" * 32)
