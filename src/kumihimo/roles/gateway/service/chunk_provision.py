"""Provision to a chunk (一括の情報提供, 番号法第二十二条第一項): answering about many persons under one permit.

What may go out is decided for every person by itself, by the same rules as for a single inquiry; one whose answer is left
to a person is pending like any other. The answers of all are sealed once, for the requester, and bound to the permit (I6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from kumihimo.domain.codes import CIPHERTEXT_BYTES, decrypt
from kumihimo.domain.kernel import PartyId, Problem, institution_of, party_id
from kumihimo.domain.sealing import binding, canonical_json, seal
from kumihimo.plumbing.wire.chunks import (
    letters,
    outcomes_of,
    person_transaction,
    persons_hash,
    positions_in,
    unpacked,
)
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64
from kumihimo.plumbing.wire.messages.batch import PERSONS, ChunkAnswer, ChunkPermit, ChunkProvisionRequest
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.roles.gateway.service.freshness import USUAL, Freshness
from kumihimo.roles.gateway.service.lines import HUB_1, HUB_2
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.service.provision import check_permit, domain_of
from kumihimo.roles.gateway.service.release import Release, decide, withheld
from kumihimo.roles.gateway.store.chunk_provisions import (
    ChunkAnswered,
    ChunkClaim,
    ChunkProvided,
    ChunkProvisionStore,
)
from kumihimo.roles.gateway.store.chunk_reports import ChunkReport
from kumihimo.roles.gateway.store.provisions import Holdings
from kumihimo.roles.gateway.store.records import AccessRecord, Side


@dataclass(frozen=True)
class Shown:
    """A verified permit as it was shown, with what it binds: by permitted person transaction number and log index."""

    permit: ChunkPermit
    envelope: Envelope
    request_hash: str
    persons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ChunkProvision:
    """The provider's end of a chunk."""

    store: ChunkProvisionStore
    edge: Edge
    domain: OwnDomain
    patience: timedelta
    reported: Callable[[], None] = lambda: None
    freshness: Freshness = USUAL

    def provide(self, signed: Signed[ChunkProvisionRequest], peer: PartyId) -> ChunkAnswered:
        """Answer one request. The permit is checked whole before anything is looked up.

        The very same request again, within the life of its permit, gets the very same answer, unless data in it were
        protected since. Raises Problem as `Provision.provide`.
        """
        message, now = signed.value, self.edge.clock.now()
        permit = self.edge.read(message.permit, ChunkPermit, HUB_1, HUB_2).value
        check_permit(permit, institution_of(self.edge.party), institution_of(peer), now)
        positions = positions_in(permit.positions, PERSONS)
        subjects = unpacked(message.subjects, CIPHERTEXT_BYTES, "subjects", len(positions))
        if len(message.log_indexes) != len(positions) or permit.persons_hash != persons_hash(
            zip(positions, subjects, message.log_indexes, strict=True)
        ):
            raise Problem(
                "permit.subject_mismatch",
                "ciphertexts that the permit was not made for",
                where="subjects",
                expected="the ciphertexts that came with the permit",
            )
        transactions = [person_transaction(permit.transaction, position) for position in positions]
        secret = domain_of(self.domain, permit.epoch).secret
        codes = {
            transaction: decrypt(subject, secret) for transaction, subject in zip(transactions, subjects, strict=True)
        }
        claim = ChunkClaim(permit.transaction, dict(codes), permit.items, permit.period)
        persons = tuple(zip(transactions, message.log_indexes, strict=True))
        shown = Shown(permit, message.permit, signed.envelope.digest(), persons)
        try:
            given = self.store.release(claim, partial(self._answer, shown, now))
        except Problem as problem:
            protected = partial(_protected, permit)
            again = self.store.again(claim, shown.request_hash, now, protected)
            if problem.code != "permit.used" or again is None:
                raise
            return again
        self.reported()
        return given.answer

    def _answer(self, shown: Shown, now: datetime, holdings: Sequence[Holdings]) -> ChunkProvided:
        permit = shown.permit
        releases = [decide(held, permit.items) for held in holdings]
        provided = {item.item for one in releases for item in one.items}
        delivered = holdings[0].delivered if holdings else ()
        as_of = [self.freshness.as_of(one, now) for one in delivered if one.item in provided]
        content = {
            "transaction": permit.transaction,
            "persons": [[item.model_dump(mode="json") for item in one.items] for one in releases],
            "as_of": [one.model_dump(mode="json") for one in as_of],
        }
        requester = self.edge.directory.seal_key(party_id(permit.requester, "exchange"))
        sealed = seal(canonical_json(content), requester, chunk_binding(permit, shown.envelope))
        payload_hash = hashlib.sha256(sealed).hexdigest() if any(one.items for one in releases) else None
        outcomes = letters(one.outcome for one in releases)
        records = tuple(
            _record(permit, now, person, held, release, payload_hash)
            for person, held, release in zip(shown.persons, holdings, releases, strict=True)
        )
        return ChunkProvided(
            records,
            ChunkReport(permit.transaction, permit.requester, permit.provider, outcomes, payload_hash, shown.envelope),
            shown.envelope,
            shown.request_hash,
            permit.expires_at,
            ChunkAnswered(permit.transaction, outcomes, shown.envelope.digest(), now, sealed),
            {one.transaction: now + self.patience for one in records if one.outcome is Outcome.PENDING},
        )


def _record(
    permit: ChunkPermit,
    now: datetime,
    person: tuple[str, int],
    held: Holdings,
    release: Release,
    payload_hash: str | None,
) -> AccessRecord:
    transaction, log_index = person
    return AccessRecord(
        transaction=transaction,
        side=Side.PROVIDER,
        requester=permit.requester,
        provider=permit.provider,
        affair=permit.affair,
        items=permit.items,
        period=permit.period,
        requested_at=permit.issued_at,
        recorded_at=now,
        outcome=release.outcome,
        addressee_number=held.addressee_number,
        flagged=release.flagged,
        rules=permit.rules,
        rule_book=permit.rule_book,
        log_index=log_index,
        payload_hash=payload_hash if release.items else None,
    )


def _protected(permit: ChunkPermit, outcomes: str, holdings: Sequence[Holdings]) -> bool:
    return any(
        outcome is Outcome.PROVIDED and withheld(held.flags, permit.items)
        for outcome, held in zip(outcomes_of(outcomes), holdings, strict=True)
    )


def chunk_binding(permit: ChunkPermit, envelope: Envelope) -> bytes:
    """What a sealed answer to a chunk is bound to, as `answer_binding`."""
    return binding(permit.transaction, permit.provider, permit.requester, bytes.fromhex(envelope.digest()))


def chunk_answer_to(message: ChunkProvisionRequest, answered: ChunkAnswered) -> ChunkAnswer:
    """The answer as it goes out."""
    return ChunkAnswer(
        in_reply_to=message.message_id,
        transaction=answered.transaction,
        outcomes=answered.outcomes,
        sealed=b64(answered.sealed),
        payload_hash=hashlib.sha256(answered.sealed).hexdigest(),
        permit_hash=answered.permit_hash,
        answered_at=answered.answered_at,
    )
