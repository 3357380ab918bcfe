"""Proofs of translation (変換の正当性証明): given on demand for an hour, and demanded of the other operator at random.

protocols.md, section 11.9. An operator that passes on another ciphertext than it was given cannot prove it. It does not
know which translations will be asked for, since that is drawn after it has signed what it passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog

from kumihimo.domain.codes import CIPHERTEXT_BYTES, HopProof, Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.kernel.randomness import RandomSource
from kumihimo.plumbing.wire.chunks import packed, unpacked
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64
from kumihimo.plumbing.wire.messages.batch import ProveHopsOfMany
from kumihimo.plumbing.wire.messages.proofs import MOST, HopsProven, ProveHops, UnprovenHop
from kumihimo.roles.hub.service.parties import OVERSIGHT, may_see_points
from kumihimo.roles.hub.service.ports import Notify, Sender, send_to_operator
from kumihimo.roles.hub.store import News

UNPROVEN_KIND: Final = "unproven"
_PARTS: Final = 1_000_000
log = structlog.get_logger()


class Seeds(Protocol):
    """Seeds of translations: `store.HopSeeds`."""

    def seed(self, transaction: str, at: datetime) -> bytes: ...
    def seeds(self, transactions: Sequence[str], at: datetime) -> list[bytes]: ...
    def candidates(self, transaction: str, now: datetime) -> list[bytes]: ...


@dataclass(frozen=True)
class Hop:
    """One translation by one operator: from domain to domain, `before` to `after` (64 bytes each, base64)."""

    source: str
    target: str
    before: str
    after: str


class ProofDesk:
    """Either operator's desk for proofs of its own translations."""

    def __init__(self, edge: Edge, translator: Translator, seeds: Seeds) -> None:
        self._edge = edge
        self._translator = translator
        self._seeds = seeds

    def prove(self, envelope: Envelope, peer: PartyId) -> HopsProven:
        """The proof for a ProveHops of the other operator or the oversight body.

        Raises Problem: of a signature or age, peer.not_allowed, codes.proof_invalid for what was not translated so
        within the last hour.
        """
        message = self._edge.open(envelope, ProveHops, peer, may_see_points).value
        before = [from_b64(item, "inputs") for item in message.inputs]
        after = [from_b64(item, "outputs") for item in message.outputs]
        for seed in self._seeds.candidates(message.transaction, self._edge.clock.now()):
            try:
                proof = self._translator.prove(before, after, message.source, message.target, seed)
            except Problem as problem:
                if problem.code != "codes.proof_invalid":
                    raise
                continue
            return HopsProven(in_reply_to=message.message_id, proof=b64(proof.to_bytes()))
        raise _not_made_here()

    def prove_many(self, envelope: Envelope, peer: PartyId) -> HopsProven:
        """The one proof for a ProveHopsOfMany. Raises Problem as `prove`, and message.malformed."""
        message = self._edge.open(envelope, ProveHopsOfMany, peer, may_see_points).value
        count = len(message.transactions)
        before = unpacked(message.inputs, CIPHERTEXT_BYTES, "inputs", count)
        after = unpacked(message.outputs, CIPHERTEXT_BYTES, "outputs", count)
        now = self._edge.clock.now()
        # All were translated at one instant, so that their seeds are of one age.
        for seeds in zip(*(self._seeds.candidates(one, now) for one in message.transactions), strict=False):
            try:
                proof = self._translator.prove_each(before, after, message.source, message.target, seeds)
            except Problem as problem:
                if problem.code != "codes.proof_invalid":
                    raise
                continue
            return HopsProven(in_reply_to=message.message_id, proof=b64(proof.to_bytes()))
        raise _not_made_here()


def _not_made_here() -> Problem:
    return Problem("codes.proof_invalid", "no such translation was made here within the last hour")


class ProofCheck:
    """Demands proofs of the other operator for a share (0 to 1) of the requests, drawn by `rng`."""

    def __init__(
        self,
        edge: Edge,
        other: PartyId,
        translator: Translator,
        sender: Sender,
        share: float,
        rng: RandomSource,
        tell: Callable[[News, datetime], None],
        notify: Notify,
    ) -> None:
        self._edge = edge
        self._other = other
        self._translator = translator
        self._sender = sender
        self._parts = round(share * _PARTS)
        self._rng = rng
        self._tell = tell
        self._notify = notify

    def sample(self, transaction: str, hops: Sequence[Hop], signed: Envelope) -> None:
        """Draw whether this request is checked, and check each of its hops.

        What does not hold is told to the oversight body with what the other operator signed. Raises
        Problem(codes.proof_invalid) then, also where no proof could be had.
        """
        if self._rng.randbelow(_PARTS) >= self._parts:
            return
        for hop in hops:
            try:
                self._check(transaction, hop)
            except Problem as problem:
                self._report(transaction, hop, problem, signed)
                raise Problem(
                    "codes.proof_invalid", f"{self._other} did not prove its translation to {hop.target}",
                    advice="The oversight body was told. Ask again with a new transaction number.",
                ) from problem  # fmt: skip

    def sample_each(
        self, transactions: Sequence[str], hops_of: Callable[[int], Sequence[Hop]], signed: Envelope
    ) -> None:
        """Draw for each of many requests whether it is checked; as `sample`, in few messages. `hops_of` one, by place."""
        by_line: dict[tuple[str, str], list[tuple[str, Hop]]] = {}
        for place, transaction in enumerate(transactions):
            drawn = self._rng.randbelow(_PARTS) < self._parts
            for hop in hops_of(place) if drawn else ():
                by_line.setdefault((hop.source, hop.target), []).append((transaction, hop))
        for line, of in by_line.items():
            for start in range(0, len(of), MOST):
                self._check_many(*line, of[start : start + MOST], signed)

    def _check_many(self, source: str, target: str, of: Sequence[tuple[str, Hop]], signed: Envelope) -> None:
        before = [from_b64(hop.before, "inputs") for _, hop in of]
        after = [from_b64(hop.after, "outputs") for _, hop in of]
        demand = self._edge.message(
            ProveHopsOfMany, self._other, transactions=tuple(one for one, _ in of), source=source, target=target,
            inputs=packed(before), outputs=packed(after),
        )  # fmt: skip
        try:
            answer = send_to_operator(self._sender, "/proofs-of-many", demand, HopsProven)
            proof = HopProof.from_bytes(from_b64(answer.proof, "proof"))
            self._translator.verify_peer(before, after, source, target, proof)
        except Problem as problem:
            self._find_unproven(of, problem, signed)

    def _find_unproven(self, of: Sequence[tuple[str, Hop]], found: Problem, signed: Envelope) -> None:
        """Which of many it was that was not proven: the first that is not proven by itself, or the first of all."""
        failed, why = of[0], found
        for transaction, hop in of:
            try:
                self._check(transaction, hop)
            except Problem as problem:
                failed, why = (transaction, hop), problem
                break
        self._report(*failed, why, signed)
        raise Problem(
            "codes.proof_invalid", f"{self._other} did not prove its translation to {failed[1].target}",
            advice="The oversight body was told. Ask again with a new transaction number.",
        ) from why  # fmt: skip

    def _check(self, transaction: str, hop: Hop) -> None:
        demand = self._edge.message(
            ProveHops, self._other, transaction=transaction, source=hop.source, target=hop.target,
            inputs=(hop.before,), outputs=(hop.after,),
        )  # fmt: skip
        answer = send_to_operator(self._sender, "/proofs", demand, HopsProven)
        proof = HopProof.from_bytes(from_b64(answer.proof, "proof"))
        before, after = from_b64(hop.before, "inputs"), from_b64(hop.after, "outputs")
        self._translator.verify_peer([before], [after], hop.source, hop.target, proof)

    def _report(self, transaction: str, hop: Hop, problem: Problem, signed: Envelope) -> None:
        log.error("unproven", transaction=transaction, operator=self._other, code=problem.code)
        item = UnprovenHop(
            transaction=transaction, operator=self._other, source=hop.source, target=hop.target, code=problem.code,
            signed=signed,
        )  # fmt: skip
        self._tell(News(OVERSIGHT, UNPROVEN_KIND, item), self._edge.clock.now())
        self._notify()
