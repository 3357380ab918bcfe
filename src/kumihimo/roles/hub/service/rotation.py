"""Rotation of link codes (符号の更新): an institution's domain takes its steps, and its codes are moved batch by batch.

Neither operator learns anything: the codes come encrypted and in an order that only their holder knows, and what goes back
can be opened by that holder alone. Every step and every batch is in the log. A suspended institution may rotate, since after
a leak it must; with everything stopped nobody may.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import structlog

from kumihimo.domain.codes import Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64, check_fresh, from_b64, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.plumbing.wire.messages.rotation import (
    CodesRotated,
    DomainMoved,
    DomainShown,
    MoveDomain,
    Phase,
    RelayMove,
    RelayRotation,
    RotateCodes,
    ShowDomain,
)
from kumihimo.plumbing.wire.remote_log import Promised, check_logged
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.parties import holder_of_codes, holds_codes, is_first_operator
from kumihimo.roles.hub.service.ports import Notify, Passages, RequireActive, Sender, send_to_operator
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck, Seeds
from kumihimo.roles.hub.service.records import move_record, rotation_record
from kumihimo.roles.hub.store import WHOLE_HUB, Domains, Passage

M = TypeVar("M", MoveDomain, RotateCodes)
log = structlog.get_logger()


class RotationHop:
    """One operator's half of a batch. In the thread of the request, so that inquiries keep the other core."""

    def __init__(
        self, edge: Edge, translator: Translator, domains: Domains, seeds: Seeds, require_active: RequireActive
    ) -> None:
        self.edge = edge
        self.domains = domains
        self._translator = translator
        self._seeds = seeds
        self._require_active = require_active

    def ends(self, batch: RotateCodes) -> tuple[str, str]:
        """Both domains of a batch. Raises Problem(institution.unknown, codes.epoch_closed, hub.stopped)."""
        self._require_active(WHOLE_HUB)
        label = self.domains.label
        return label(batch.institution, batch.epoch - 1), label(batch.institution, batch.epoch)

    def move(self, batch: RotateCodes, codes: Sequence[str]) -> tuple[str, ...]:
        """The codes one hop on, in order. Raises Problem as `ends`, and codes.identity_point, codes.not_a_point."""
        source, target = self.ends(batch)
        seed = self._seeds.seed(batch.transaction, self.edge.clock.now())
        ciphertexts = [from_b64(code, "codes") for code in codes]
        return tuple(b64(done) for done in self._translator.hop(ciphertexts, source, target, seed=seed))

    def take(self, move: MoveDomain) -> None:
        """Let a domain take a step; of one that is closed the public key stays, for audits of what was asked under it."""
        closing = move.phase is Phase.CLOSE and self.domains.would_change(move.institution, move.phase, move.epoch)
        key = self._translator.public_key_of(f"{move.institution}#{move.epoch}") if closing else None
        self.domains.move(move.institution, move.phase, move.epoch, self.edge.clock.now(), key)

    def sampled(self, batch: RotateCodes, before: Sequence[str], after: Sequence[str]) -> Hop:
        """The hop to be proven: the first one, to which the holder's own check ties all the others."""
        return Hop(*self.ends(batch), before[0], after[0])


class FirstRotationDesk:
    """Operator 1's desk."""

    def __init__(self, hop: RotationHop, journal: Journal, sender: Sender, check: ProofCheck) -> None:
        self._hop = hop
        self._edge = hop.edge
        self._journal = journal
        self._sender = sender
        self._check = check

    def step(self, body: bytes, peer: PartyId) -> DomainMoved:
        """Let a domain take a step: in the log first, then at operator 2, then here. Again is as once.

        Raises Problem, each logged as rejected: of a signature or age, peer.not_allowed, rotation.conflict,
        operator.unreachable.
        """
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), MoveDomain, peer, holds_codes)
            move = signed.value
            _require_own(move.institution, peer)
            if self._hop.domains.would_change(move.institution, move.phase, move.epoch):
                logged = self._journal.write(move_record(signed, self._journal.now()))
                relay = self._edge.message(RelayMove, OPERATORS[1], move=signed.envelope, logged=logged)
                send_to_operator(self._sender, "/relayed-moves", relay, DomainMoved)
                self._hop.take(move)
                log.warning("rotation", institution=move.institution, kind=move.phase, index=move.epoch)
        return _moved(signed, move)

    def show(self, envelope: Envelope, peer: PartyId) -> DomainShown:
        """Which epochs of the asker's domain are open. Raises Problem: of a signature or age, peer.not_allowed."""
        message = self._edge.open(envelope, ShowDomain, peer, holds_codes).value
        own = institution_of(peer)
        opened = tuple(self._hop.domains.open_epochs(own))
        return DomainShown(in_reply_to=message.message_id, present=self._hop.domains.present(own), opened=opened)

    def rotate(self, body: bytes, peer: PartyId) -> CodesRotated:
        """Move a batch of codes to the next epoch. Raises Problem as `step`, and those of `RotationHop.move`."""
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), RotateCodes, peer, holds_codes)
            batch = signed.value
            _require_own(batch.institution, peer)
            half = self._hop.move(batch, batch.codes)
            logged = self._journal.write_once(
                rotation_record(signed, self._journal.now()), f"rotation/{batch.transaction}"
            )
            if logged is None:
                raise Problem("message.replayed", f"batch {batch.transaction} was already sent")
            relay = self._edge.message(RelayRotation, OPERATORS[1], batch=signed.envelope, logged=logged, codes=half)
            reply = self._sender.send("/relayed-rotations", relay, CodesRotated)
            done = reply.value.codes
            if len(done) != len(half):
                raise Problem("message.malformed", f"{len(done)} codes", where="codes", expected=f"{len(half)} codes")
            self._check.sample(batch.transaction, (self._hop.sampled(batch, half, done),), reply.envelope)
        return CodesRotated(in_reply_to=batch.message_id, codes=done)


class SecondRotationDesk:
    """Operator 2's desk: it believes the holder's signature and operator 1's promise, nothing else."""

    def __init__(self, hop: RotationHop, passages: Passages, notify: Notify, check: ProofCheck) -> None:
        self._hop = hop
        self._edge = hop.edge
        self._passages = passages
        self._notify = notify
        self._check = check

    def step(self, envelope: Envelope, peer: PartyId) -> DomainMoved:
        """Let a domain take a step. Raises Problem: of a signature or age, log.proof_invalid, rotation.conflict."""
        relay = self._edge.open(envelope, RelayMove, peer, is_first_operator).value
        signed = self._of_holder(relay.move, MoveDomain)
        promised = check_logged(self._edge, relay.logged)
        move, record = signed.value, relay.logged.record
        _require_same(record, move_record(signed, record.logged_at))
        self._hop.take(move)
        self._witness(f"rotation/{move.institution}/{move.epoch}/{move.phase}/{promised.index}", promised)
        return DomainMoved(
            in_reply_to=relay.message_id, institution=move.institution, phase=move.phase, epoch=move.epoch
        )

    def rotate(self, envelope: Envelope, peer: PartyId) -> CodesRotated:
        """Finish a batch. Raises Problem as `step`, message.replayed, codes.proof_invalid, and those of the hop."""
        relay = self._edge.open(envelope, RelayRotation, peer, is_first_operator).value
        signed = self._of_holder(relay.batch, RotateCodes)
        promised = check_logged(self._edge, relay.logged)
        batch, record = signed.value, relay.logged.record
        _require_same(record, rotation_record(signed, record.logged_at))
        if len(relay.codes) != len(batch.codes):
            raise Problem("message.malformed", f"{len(relay.codes)} codes", "codes", f"{len(batch.codes)} codes")
        self._check.sample(batch.transaction, (self._hop.sampled(batch, batch.codes, relay.codes),), envelope)
        codes = self._hop.move(batch, relay.codes)
        if not self._witness(f"rotation/{batch.transaction}", promised):
            raise Problem("message.replayed", f"batch {batch.transaction} was already sent")
        log.info("codes.rotated", institution=batch.institution, count=len(codes))
        return CodesRotated(in_reply_to=relay.message_id, codes=codes)

    def _witness(self, mark: str, promised: Promised) -> bool:
        """Tell the oversight body of the promise; False when the mark was made before."""
        passed = self._passages.passes(Passage(mark, promised.signed, (), self._edge.clock.now()))
        if passed:
            self._notify()
        return passed

    def _of_holder(self, envelope: Envelope, kind: type[M]) -> Signed[M]:
        signed = self._edge.read(envelope, kind)
        holder = holder_of_codes(signed.value.institution)
        if set(envelope.signers()) != {holder} or signed.value.audience != OPERATORS[0]:
            signers = ", ".join(envelope.signers())
            raise Problem("message.wrong_signer", f"signed by {signers}", expected=f"{holder} to {OPERATORS[0]}")
        check_fresh(signed.value.sent_at, self._edge.clock.now())
        return signed


def _require_own(institution: str, peer: PartyId) -> None:
    if institution != institution_of(peer):
        raise Problem("peer.not_allowed", f"{peer} rotates codes of {institution}", expected="its own codes")


def _require_same(record: LogRecord, own: LogRecord) -> None:
    if record != own:
        raise Problem("log.proof_invalid", "the logged record says something else than the message", where="record")


def _moved(signed: Signed[MoveDomain], move: MoveDomain) -> DomainMoved:
    return DomainMoved(
        in_reply_to=signed.value.message_id, institution=move.institution, phase=move.phase, epoch=move.epoch
    )
