"""Provision (情報提供, 番号法第二十二条第一項): answering another institution that shows the platform's permit.

A permitted request must be answered (第二十二条第一項); what may go out is decided anew here from flags and copies. The answer
is sealed for the requester and bound to the transaction, both ends and the permit, so that nobody between can read, swap
or replay it (I6). Answer, record and report of the outcome are written in one transaction before the answer leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from kumihimo.domain.codes import decrypt
from kumihimo.domain.kernel import InstitutionId, PartyId, Problem, institution_of
from kumihimo.domain.sealing import binding, canonical_json, seal
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS, Envelope, b64, from_b64
from kumihimo.plumbing.wire.messages.inquiry import Permit
from kumihimo.plumbing.wire.messages.provision import ProvisionRequest, SealedItems
from kumihimo.roles.gateway.service.lines import HUB_1, HUB_2
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.service.release import Release, decide
from kumihimo.roles.gateway.store.outbox import Report
from kumihimo.roles.gateway.store.provisions import Claim, Holdings, ProvisionStore
from kumihimo.roles.gateway.store.records import AccessRecord, Side


@dataclass(frozen=True)
class Provided:
    """An answer as it was written down; `sealed` only when something is provided."""

    record: AccessRecord
    report: Report
    permit: Envelope
    sealed: bytes | None


@dataclass(frozen=True)
class Provision:
    """The provider's end of an inquiry."""

    store: ProvisionStore
    edge: Edge
    domain: OwnDomain
    reported: Callable[[], None] = lambda: None

    def provide(self, message: ProvisionRequest, peer: PartyId) -> Provided:
        """Answer one request. The permit is checked whole before anything is looked up.

        Raises Problem: message.wrong_signer (an operator's signature is missing), message.signature_invalid,
        permit.expired, permit.wrong_provider, permit.wrong_requester, permit.subject_mismatch, permit.used,
        codes.identity_point, codes.not_a_point, operator.unreachable.
        """
        permit = self.edge.read(message.permit, Permit, HUB_1, HUB_2).value
        now = self.edge.clock.now()
        subject = from_b64(message.subject, "subject")
        self._check(permit, peer, subject, now)
        code = decrypt(subject, self.domain.present().secret)
        claim = Claim(permit.transaction, code, permit.items, permit.period)
        answer = self.store.release(claim, partial(self._answer, permit, message, peer, now))
        self.reported()
        return answer

    def _check(self, permit: Permit, peer: PartyId, subject: bytes, now: datetime) -> None:
        if now >= permit.expires_at or now < permit.issued_at - FRESHNESS:
            raise Problem(
                "permit.expired",
                f"valid from {permit.issued_at.isoformat()} to {permit.expires_at.isoformat()}",
                where="permit",
                expected=f"a permit in force at {now.isoformat()}",
                advice="Make a new inquiry, and check the clocks of both machines.",
            )
        if permit.provider != self._institution:
            raise Problem("permit.wrong_provider", permit.provider, "permit.provider", self._institution)
        if permit.requester != institution_of(peer):
            raise Problem("permit.wrong_requester", permit.requester, "permit.requester", institution_of(peer))
        if hashlib.sha256(subject).hexdigest() != permit.subject_hash:
            raise Problem(
                "permit.subject_mismatch",
                "a ciphertext that the permit was not made for",
                where="subject",
                expected="the ciphertext that came with the permit",
            )

    def _answer(
        self, permit: Permit, message: ProvisionRequest, peer: PartyId, now: datetime, holdings: Holdings
    ) -> Provided:
        release = decide(holdings, permit.items)
        sealed = self._sealed(permit, message.permit, peer, release) if release.items else None
        payload_hash = hashlib.sha256(sealed).hexdigest() if sealed else None
        record = AccessRecord(
            transaction=permit.transaction,
            side=Side.PROVIDER,
            requester=permit.requester,
            provider=permit.provider,
            affair=permit.affair,
            items=permit.items,
            period=permit.period,
            requested_at=permit.issued_at,
            recorded_at=now,
            outcome=release.outcome,
            addressee_number=holdings.addressee_number,
            flagged=release.flagged,
            rules=permit.rules,
            rule_book=permit.rule_book,
            log_index=permit.log_index,
            payload_hash=payload_hash,
        )
        report = Report(
            permit.transaction, permit.requester, permit.provider, release.outcome, payload_hash, message.permit
        )
        return Provided(record, report, message.permit, sealed)

    def _sealed(self, permit: Permit, envelope: Envelope, peer: PartyId, release: Release) -> bytes:
        content = SealedItems(transaction=permit.transaction, items=release.items)
        info = answer_binding(permit, envelope)
        return seal(canonical_json(content.model_dump(mode="json")), self.edge.directory.seal_key(peer), info)

    @property
    def _institution(self) -> InstitutionId:
        return institution_of(self.edge.party)


def answer_binding(permit: Permit, envelope: Envelope) -> bytes:
    """What a sealed answer is bound to: transaction number, provider, requester, and the permit's hash."""
    return binding(permit.transaction, permit.provider, permit.requester, bytes.fromhex(envelope.digest()))


def sealed_text(answer: Provided) -> str | None:
    """The sealed content as messages carry it."""
    return b64(answer.sealed) if answer.sealed else None
