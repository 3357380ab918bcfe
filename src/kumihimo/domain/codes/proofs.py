"""Proofs of honest translation (変換の正当性証明): that a hop did to every ciphertext what it had to do, and no more.

An operator shows three relations over a whole batch: the rerandomisation added an encryption of nothing under the right
key; the reshuffle used the published s_B/s_A; the rekey used the published (s_B/u_B)/(s_A/u_A). The other operator and the
oversight body check them on demand and for sampled batches. A proof is 64 bytes a ciphertext and 192 bytes more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from kumihimo.domain.codes import dleq
from kumihimo.domain.codes.ciphertext import CIPHERTEXT_BYTES, Ciphertext, split_ciphertext
from kumihimo.domain.codes.group import Point, Scalar, base_mul, framed, inner_product, mul, sub
from kumihimo.domain.codes.hop import HopFactors, rerandomise, reshuffle
from kumihimo.domain.codes.operators import DomainFactors, PublishedPoints
from kumihimo.domain.kernel.errors import Problem

OperatorNumber = Literal[1, 2]

_HOP: Final = b"kumihimo/hop-proof/v1"
_POINTS: Final = b"kumihimo/points-proof/v1"
_ONE: Final = Scalar((1).to_bytes(32, "little"))
_GENERATOR: Final = base_mul(_ONE)


@dataclass(frozen=True)
class HopStatement:
    """What is claimed: `operator` turned `inputs` into `outputs`, item by item, from domain `source` to `target`.

    `key_before` is the public key under which the inputs are encrypted: the source's key before operator 1, the mixed
    key u_1(target)*u_2(source)*G before operator 2. The verifier computes it; it is never taken from the prover.
    """

    operator: OperatorNumber
    source: str
    target: str
    source_points: PublishedPoints
    target_points: PublishedPoints
    key_before: Point
    inputs: Sequence[bytes]
    outputs: Sequence[bytes]


@dataclass(frozen=True)
class HopProof:
    """The ciphertexts between rerandomisation and reshuffle (64 bytes each) and three DLEQ proofs of 64 bytes."""

    rerandomised: tuple[bytes, ...]
    rerandomisation: bytes
    reshuffle: bytes
    rekey: bytes

    def to_bytes(self) -> bytes:
        """The three proofs, then the ciphertexts."""
        return self.rerandomisation + self.reshuffle + self.rekey + b"".join(self.rerandomised)

    @classmethod
    def from_bytes(cls, encoded: bytes) -> HopProof:
        """Read what `to_bytes` wrote; whether it proves anything is for `verify_hops`. Raises Problem(codes.proof_invalid)."""
        head = 3 * dleq.PROOF_BYTES
        if len(encoded) < head or (len(encoded) - head) % CIPHERTEXT_BYTES:
            raise Problem("codes.proof_invalid", f"{len(encoded)} bytes", expected="192 bytes and 64 a ciphertext")
        proofs = [encoded[start : start + dleq.PROOF_BYTES] for start in range(0, head, dleq.PROOF_BYTES)]
        items = range(head, len(encoded), CIPHERTEXT_BYTES)
        return cls(tuple(encoded[start : start + CIPHERTEXT_BYTES] for start in items), *proofs)


def prove_hops(statement: HopStatement, randomness: Sequence[Scalar], factors: HopFactors) -> HopProof:
    """Prove a batch of one hop, given its rerandomisation scalars in order and the operator's factors.

    It redoes the hop, so as never to sign what it did not do, and adds two multiplications and two additions an item.
    Raises Problem(codes.proof_invalid) for an empty batch and for outputs that this randomness did not give, and
    Problem(codes.not_a_point, codes.identity_point) for inputs that no hop can have read.
    """
    _check_lengths(statement, len(randomness))
    key = statement.key_before
    fresh = [
        rerandomise(split_ciphertext(ciphertext), scalar, key)
        for ciphertext, scalar in zip(statement.inputs, randomness, strict=True)
    ]
    if [reshuffle(item, factors) for item in fresh] != list(statement.outputs):
        raise _refuted(statement, "outputs that were not made from these inputs with this randomness")
    rerandomised = tuple(item.blinding + item.masked for item in fresh)
    digest = _digest(statement, rerandomised)
    weights = dleq.coefficients(digest, len(fresh))
    # Knowing the exponents, the prover folds one side of each relation and multiplies once to get the other.
    added = inner_product(weights, randomness)
    middle = _fold(weights, fresh)
    end = Ciphertext(mul(factors.blinding, middle.blinding), mul(factors.masked, middle.masked))
    difference = Ciphertext(base_mul(added), mul(added, key))
    secrets = (added, factors.masked, factors.blinding)
    proofs = map(dleq.prove, _relations(statement, digest, difference, middle, end), secrets)
    return HopProof(rerandomised, *proofs)


def verify_hops(statement: HopStatement, proof: HopProof) -> None:
    """Check a proof about a batch of one hop: six variable-base multiplications and six additions an item.

    Raises Problem(codes.proof_invalid) when any output is not the honest translation of the input in its place, when
    an input was passed on without rerandomisation, or when the proof is for other domains, another key or operator.
    """
    _check_lengths(statement, len(proof.rerandomised))
    try:
        start, middle, end = (
            # Every point is multiplied below, which refuses bytes that are no point.
            [split_ciphertext(ciphertext) for ciphertext in batch]
            for batch in (statement.inputs, proof.rerandomised, statement.outputs)
        )
        if any(old.blinding == new.blinding for old, new in zip(start, middle, strict=True)):
            raise _refuted(statement, "a ciphertext was not rerandomised")
        digest = _digest(statement, proof.rerandomised)
        weights = dleq.coefficients(digest, len(start))
        folded = _fold(weights, middle)
        before = _fold(weights, start)
        difference = Ciphertext(sub(folded.blinding, before.blinding), sub(folded.masked, before.masked))
        relations = _relations(statement, digest, difference, folded, _fold(weights, end))
    except Problem as problem:
        if problem.code == "codes.proof_invalid":
            raise
        raise _refuted(statement, problem.title) from problem
    names = ("rerandomisation", "reshuffle", "rekey")
    parts = (proof.rerandomisation, proof.reshuffle, proof.rekey)
    for name, relation, part in zip(names, relations, parts, strict=True):
        if not dleq.holds(relation, part):
            raise _refuted(statement, f"the {name} does not hold")


def prove_points(secrets: DomainFactors, label: str) -> bytes:
    """A proof of 64 bytes that the published U and T of a domain fit S: log_G(U) = log_T(S) = u.

    Without it an operator could publish a T under which nobody could ever decrypt. Raises Problem(institution.format).
    """
    return dleq.prove(_points_relation(secrets.published(label), label), secrets.key_share(label))


def verify_points(points: PublishedPoints, label: str, proof: bytes) -> None:
    """Check `prove_points`. Raises Problem(codes.proof_invalid)."""
    if not dleq.holds(_points_relation(points, label), proof):
        raise Problem("codes.proof_invalid", "published points that do not belong together", where=label)


def _points_relation(points: PublishedPoints, label: str) -> dleq.Relation:
    context = framed(_POINTS, label.encode())
    return dleq.Relation(context, _GENERATOR, Point(points.U), Point(points.T), Point(points.S))


def _relations(
    statement: HopStatement, digest: bytes, difference: Ciphertext, middle: Ciphertext, end: Ciphertext
) -> tuple[dleq.Relation, dleq.Relation, dleq.Relation]:
    source, target = statement.source_points, statement.target_points
    return (
        dleq.Relation(
            framed(_HOP, b"rerandomisation", digest),
            _GENERATOR,
            difference.blinding,
            statement.key_before,
            difference.masked,
        ),
        dleq.Relation(framed(_HOP, b"reshuffle", digest), Point(source.S), Point(target.S), middle.masked, end.masked),
        dleq.Relation(framed(_HOP, b"rekey", digest), Point(source.T), Point(target.T), middle.blinding, end.blinding),
    )


def _digest(statement: HopStatement, rerandomised: Sequence[bytes]) -> bytes:
    source, target = statement.source_points, statement.target_points
    public = framed(
        _HOP,
        bytes([statement.operator]),
        statement.source.encode(),
        statement.target.encode(),
        statement.key_before,
        source.S + source.T,
        target.S + target.T,
        b"".join(statement.inputs),
        b"".join(rerandomised),
        b"".join(statement.outputs),
    )
    return hashlib.sha512(public).digest()


def _fold(weights: Sequence[Scalar], batch: Sequence[Ciphertext]) -> Ciphertext:
    return Ciphertext(
        dleq.fold(weights, [item.blinding for item in batch]), dleq.fold(weights, [item.masked for item in batch])
    )


def _check_lengths(statement: HopStatement, count: int) -> None:
    if not len(statement.inputs) == len(statement.outputs) == count or count == 0:
        raise _refuted(statement, f"{len(statement.inputs)} inputs, {len(statement.outputs)} outputs, {count} proven")


def _refuted(statement: HopStatement, reason: str) -> Problem:
    return Problem(
        "codes.proof_invalid",
        reason,
        where=f"hop of operator {statement.operator} from {statement.source} to {statement.target}",
        expected="a proof that every output is the honest translation of the input in its place",
        advice="Keep inputs, outputs and proof, stop using this operator's outputs and tell the oversight body.",
    )
