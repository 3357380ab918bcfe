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

from kumihimo.domain.codes import HopProof, Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.kernel.randomness import RandomSource
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64
from kumihimo.plumbing.wire.messages.proofs import HopsProven, ProveHops, UnprovenHop
from kumihimo.roles.hub.service.parties import OVERSIGHT, may_see_points
from kumihimo.roles.hub.service.ports import Notify, Sender, send_to_operator
from kumihimo.roles.hub.store import News

UNPROVEN_KIND: Final = "unproven"
_PARTS: Final = 1_000_000
log = structlog.get_logger()


class Seeds(Protocol):
    """Seeds of translations: `store.HopSeeds`."""

    def seed(self, transaction: str, at: datetime) -> bytes: ...
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
        raise Problem("codes.proof_invalid", "no such translation was made here within the last hour")


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
