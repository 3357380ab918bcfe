"""Provision (情報提供, 番号法第二十二条第一項): answering another institution that shows the platform's permit.

A permitted request must be answered (第二十二条第一項); what may go out is decided anew here from flags and copies. The answer
is sealed for the requester and bound to the transaction, both ends and the permit, so that nobody between can read, swap
or replay it (I6). Answer, record and report of the outcome are written in one transaction before the answer leaves. Every
answer is sealed, also one without content: who watches the line cannot tell that something was withheld.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from kumihimo.domain.codes import decrypt
from kumihimo.domain.kernel import InstitutionId, PartyId, Problem, institution_of
from kumihimo.domain.sealing import canonical_json, seal
from kumihimo.plumbing.wire.answers import answer_binding
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS, Envelope, Message, Signed, b64, from_b64
from kumihimo.plumbing.wire.messages.batch import ChunkPermit
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit
from kumihimo.plumbing.wire.messages.provision import AsOf, DatedItem, ProvisionAnswer, ProvisionRequest, SealedItems
from kumihimo.plumbing.wire.requesters import requesting_party
from kumihimo.plumbing.wire.together import all_at_once, each
from kumihimo.roles.gateway.service.freshness import USUAL, Freshness
from kumihimo.roles.gateway.service.lines import HUB_1, HUB_2
from kumihimo.roles.gateway.service.link_codes import Domain, OwnDomain
from kumihimo.roles.gateway.service.release import decide, withheld
from kumihimo.roles.gateway.store.outbox import Report
from kumihimo.roles.gateway.store.provisions import Answered, Claim, Holdings, KeptAnswer, ProvisionStore
from kumihimo.roles.gateway.store.records import AccessRecord, Side

_LONGEST_OUTCOME: Final = max(len(outcome) for outcome in Outcome)


@dataclass(frozen=True)
class Provided:
    """An answer as it is written down; `due_at` when a person has to answer."""

    record: AccessRecord
    report: Report
    permit: Envelope
    kept: KeptAnswer
    due_at: datetime | None


@dataclass(frozen=True)
class _Shown:
    """A verified permit as it was shown, and what it lets be asked; `request_hash` is the digest of the request."""

    message: ProvisionRequest
    permit: Permit
    claim: Claim
    request_hash: str
    at: datetime


@dataclass(frozen=True)
class _Released:
    """What came of it: an answer that is written down, or why there is none."""

    shown: _Shown
    given: Provided | Problem


@dataclass(frozen=True)
class Provision:
    """The provider's end of an inquiry."""

    store: ProvisionStore
    edge: Edge
    domain: OwnDomain
    patience: timedelta
    reported: Callable[[], None] = lambda: None
    freshness: Freshness = USUAL

    def provide(
        self, requests: Sequence[Signed[ProvisionRequest] | Problem], peer: PartyId
    ) -> list[ProvisionAnswer | Problem]:
        """Answer each request that is not a problem already, in their order. A permit is checked whole before it is used.

        The very same request again, to the byte and within the life of its permit, gets the very same answer.

        In the place of an answer stands a Problem: message.wrong_signer (an operator's signature is missing),
        message.signature_invalid, permit.expired, permit.wrong_provider, permit.wrong_requester, permit.subject_mismatch,
        permit.used, codes.identity_point, codes.not_a_point, codes.epoch_closed, operator.unreachable.
        """
        return each(self._given, all_at_once(self._released, each(partial(self._shown, peer), requests)))

    def _shown(self, peer: PartyId, signed: Signed[ProvisionRequest]) -> _Shown:
        message, now = signed.value, self.edge.clock.now()
        permit = self.edge.read(message.permit, Permit, HUB_1, HUB_2).value
        subject = from_b64(message.subject, "subject")
        self._check(permit, peer, subject, now)
        code = decrypt(subject, domain_of(self.domain, permit.epoch).secret)
        claim = Claim(permit.transaction, code, permit.items, permit.period)
        return _Shown(message, permit, claim, signed.envelope.digest(), now)

    def _released(self, shown: list[_Shown]) -> list[_Released]:
        given = self.store.release([(one.claim, partial(self._answer, one)) for one in shown])
        if any(not isinstance(one, Problem) for one in given):
            self.reported()
        return [_Released(*one) for one in zip(shown, given, strict=True)]

    def _given(self, released: _Released) -> ProvisionAnswer:
        """The answer as it was given now, or to this very request before."""
        shown, given = released.shown, released.given
        if not isinstance(given, Problem):
            outcome = given.report.outcome
            permit_hash = shown.message.permit.digest()
            answered = Answered(shown.claim.transaction, outcome, permit_hash, shown.at, given.kept.sealed)
            return answer_to(shown.message, answered)
        items, affair = shown.permit.items, shown.permit.affair
        again = self.store.again(
            shown.claim, shown.request_hash, shown.at, lambda held: withheld(held.flags, items, affair)
        )
        if given.code != "permit.used" or again is None:
            raise given
        return answer_to(shown.message, again)

    def _check(self, permit: Permit, peer: PartyId, subject: bytes, now: datetime) -> None:
        check_permit(permit, self._institution, institution_of(peer), now)
        if hashlib.sha256(subject).hexdigest() != permit.subject_hash:
            raise Problem(
                "permit.subject_mismatch",
                "a ciphertext that the permit was not made for",
                where="subject",
                expected="the ciphertext that came with the permit",
            )

    def _answer(self, shown: _Shown, holdings: Holdings) -> Provided:
        permit, envelope, now = shown.permit, shown.message.permit, shown.at
        release = decide(holdings, permit.items, permit.affair)
        provided = {item.item for item in release.items}
        as_of = tuple(self.freshness.as_of(one, now) for one in holdings.delivered if one.item in provided)
        sealed = seal_items(self.edge, permit, envelope, release.items, as_of)
        payload_hash = hashlib.sha256(sealed).hexdigest() if release.items else None
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
        report = Report(permit.transaction, permit.requester, permit.provider, release.outcome, payload_hash, envelope)
        kept = KeptAnswer(sealed, shown.request_hash, permit.expires_at)
        due_at = now + self.patience if release.outcome is Outcome.PENDING else None
        return Provided(record, report, envelope, kept, due_at)

    @property
    def _institution(self) -> InstitutionId:
        return institution_of(self.edge.party)


def check_permit(
    permit: Permit | ChunkPermit, provider: InstitutionId, requester: InstitutionId, now: datetime
) -> None:
    """Whether a permit is in force, and for these two. Raises Problem(permit.expired, .wrong_provider, .wrong_requester)."""
    if now >= permit.expires_at or now < permit.issued_at - FRESHNESS:
        raise Problem(
            "permit.expired",
            f"valid from {permit.issued_at.isoformat()} to {permit.expires_at.isoformat()}",
            where="permit",
            expected=f"a permit in force at {now.isoformat()}",
            advice="Make a new inquiry, and check the clocks of both machines.",
        )
    if permit.provider != provider:
        raise Problem("permit.wrong_provider", permit.provider, "permit.provider", provider)
    if permit.requester != requester:
        raise Problem("permit.wrong_requester", permit.requester, "permit.requester", requester)


def domain_of(domain: OwnDomain, epoch: int | None) -> Domain:
    """Our domain in the epoch of a permit: while codes are rotated, permits for both epochs are under way.

    Raises Problem(codes.epoch_closed, operator.unreachable).
    """
    try:
        return domain.of_epoch(epoch)
    except Problem as problem:
        if problem.code != "peer.not_allowed":
            raise
        raise Problem(
            "codes.epoch_closed", f"a permit for epoch {epoch}", where="permit",
            expected=f"a permit for epoch {domain.epoch}", advice="Make a new inquiry.",
        ) from None  # fmt: skip


def seal_items(
    edge: Edge, permit: Permit, envelope: Envelope, items: tuple[DatedItem, ...], as_of: tuple[AsOf, ...] = ()
) -> bytes:
    """What is answered, sealed for the exchange of the permit's requester; without items an empty content."""
    content = SealedItems(transaction=permit.transaction, items=items, as_of=as_of)
    requester = edge.directory.seal_key(requesting_party(permit.requester))
    return seal(canonical_json(content.model_dump(mode="json")), requester, answer_binding(permit, envelope))


def answer_to(message: Message, answered: Answered) -> ProvisionAnswer:
    """The answer as it goes out. The padding makes every outcome equally long."""
    return ProvisionAnswer(
        in_reply_to=message.message_id,
        transaction=answered.transaction,
        outcome=answered.outcome,
        sealed=b64(answered.sealed),
        payload_hash=hashlib.sha256(answered.sealed).hexdigest(),
        permit_hash=answered.permit_hash,
        answered_at=answered.answered_at,
        padding="." * (_LONGEST_OUTCOME - len(answered.outcome)),
    )
