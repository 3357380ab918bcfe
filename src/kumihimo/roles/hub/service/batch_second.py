"""Second desk for batches (運営者2の一括窓口): checks independently what operator 1 passes on about many persons.

As `second`, person by person: it rules again on each, compares each record with the one it would have written, makes the
portal's copy of each, and permits only those whom both operators grant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from kumihimo.domain.codes import CIPHERTEXT_BYTES
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of, party_id
from kumihimo.plumbing.wire.chunks import (
    PersonOf,
    check_logged_records,
    packed,
    person_transaction,
    positions_in,
    refused_of,
    subjects_of,
    unpacked,
)
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64, check_fresh
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import ChunkRelayed, ChunkRequest, PortalAccesses, RelayChunk
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.service.chunk_hops import ChunkTranslation, Line
from kumihimo.roles.hub.service.chunk_permit import chunk_permit_of
from kumihimo.roles.hub.service.parties import is_exchange, is_first_operator
from kumihimo.roles.hub.service.ports import Notify
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck
from kumihimo.roles.hub.service.records import PERMIT_LIFE, request_record
from kumihimo.roles.hub.service.rulings import Bench, Ruling
from kumihimo.roles.hub.service.second import check_record
from kumihimo.roles.hub.store import KeptAnswer, News
from kumihimo.roles.hub.store.batch import ChunkPassage

ACCESSES_KIND: Final = "accesses"


class ChunkPassages(Protocol):
    """Durable storage of what operator 2 let pass: `store.batch.ChunkPassageStore`."""

    def passes(self, passage: ChunkPassage) -> bool:
        """False when a mark of it was already made; durable on return."""
        ...

    def kept(self, mark: str, request_hash: str, now: datetime) -> str | None:
        """What was answered to this very request, while it is kept."""
        ...


class SecondChunkDesk:
    """Operator 2's desk for chunks. Safe for many threads."""

    def __init__(
        self,
        edge: Edge,
        bench: Bench,
        passages: ChunkPassages,
        translation: ChunkTranslation,
        notify: Notify,
        check: ProofCheck,
    ) -> None:
        self._edge = edge
        self._bench = bench
        self._passages = passages
        self._translation = translation
        self._notify = notify
        self._check = check

    def pass_on(self, envelope: Envelope, peer: PartyId) -> ChunkRelayed:
        """Check a RelayChunk, tell the portal of every person, and permit those whom both operators find permitted.

        The same request again, while its permit lives, gets the same permit, and the portal is not told again. Raises
        Problem as `SecondDesk.pass_on`.
        """
        relay = self._edge.open(envelope, RelayChunk, peer, is_first_operator).value
        signed = requested_chunk(self._edge, relay.request)
        request, logged = signed.value, relay.logged
        now = self._edge.clock.now()
        check_fresh(request.sent_at, now)
        subjects = subjects_of(request.subjects)
        told = positions_in(logged.positions, len(subjects), "logged.positions")
        if not told or not logged.records:
            raise Problem("message.malformed", "a chunk about nobody", where="logged")
        persons = persons_at(request.transaction, subjects, told)
        promised = check_logged_records(self._edge, logged, persons)
        for record in logged.records:
            check_fresh(record.logged_at, now)
        ruled = self._bench.rule_on_each(request, [subjects[at] for at in told], logged.records[0].logged_at)
        records = [logged.records[kind] for kind in logged.kinds]
        _check_records(signed, records, ruled)
        granted = [place for place, record in enumerate(records) if record.granted]
        permitted = [place for place in granted if ruled[place].granted]
        label = self._translation.domains.label
        source, portal = label(request.requester, request.epoch), label(institution_of(PORTAL), relay.portal_epoch)
        provider = label(request.provider, relay.provider_epoch) if granted else portal
        to_provider = unpacked(relay.for_provider, CIPHERTEXT_BYTES, "for_provider", len(granted))
        to_portal = unpacked(relay.for_portal, CIPHERTEXT_BYTES, "for_portal", len(told))
        half = dict(zip(granted, to_provider, strict=True))

        def hops(place: int) -> list[Hop]:
            before = b64(subjects[told[place]])
            made = [Hop(source, portal, before, b64(to_portal[place]))]
            return [*made, Hop(source, provider, before, b64(half[place]))] if place in half else made

        self._check.sample_each([one.transaction for one in persons], hops, envelope)

        every = [(person.transaction, one) for person, one in zip(persons, to_portal, strict=True)]
        some = [(persons[place].transaction, half[place]) for place in permitted]
        for_portal, for_provider = self._translation.hops(
            [Line(every, source, portal), Line(some, source, provider)], now
        )
        permit = None
        if permitted:
            bound = [
                (told[place], subject, promised.entries[place].index)
                for place, subject in zip(permitted, for_provider, strict=True)
            ]
            record = records[permitted[0]]
            dates = now, now + PERMIT_LIFE
            permit = self._edge.answer(
                chunk_permit_of(record, request.transaction, bound, *dates, relay.provider_epoch)
            )
        refused = {told[place]: refusal for place, one in enumerate(ruled) if (refusal := one.refusal) is not None}
        relayed = ChunkRelayed(
            in_reply_to=relay.message_id,
            transaction=request.transaction,
            permit=permit,
            subjects=packed(for_provider),
            refused=refused_of(refused),
        )
        access = PortalAccesses(
            transaction=request.transaction,
            subjects=packed(for_portal),
            subject_hashes=packed(bytes.fromhex(one.subject_hash or "") for one in persons),
            logged=logged,
            refused=refused_of({told[at]: refused[told[at]] for at in granted if told[at] in refused}),
            epoch=relay.portal_epoch,
        )
        request_hash = relay.request.digest()
        passage = ChunkPassage(
            request.transaction,
            tuple((one.transaction, _quota(request, ruling)) for one, ruling in zip(persons, ruled, strict=True)),
            promised,
            (News(PORTAL, ACCESSES_KIND, access),),
            now,
            KeptAnswer(request_hash, relayed, now + PERMIT_LIFE),
        )
        if self._passages.passes(passage):
            self._notify()
            return relayed
        kept = self._passages.kept(request.transaction, request_hash, now)
        if kept is None:
            raise Problem("message.replayed", f"transaction {request.transaction} was already used")
        if len(permitted) < len(granted):
            return relayed  # not granted any more by us: what was permitted then is not given out now
        return ChunkRelayed.model_validate_json(kept).model_copy(update={"in_reply_to": relay.message_id})


def requested_chunk(edge: Edge, envelope: Envelope) -> Signed[ChunkRequest]:
    """The request as its requester signed it for operator 1. Raises Problem."""
    signed = edge.read(envelope, ChunkRequest)
    exchange = party_id(signed.value.requester, "exchange")
    if set(envelope.signers()) != {exchange} or not is_exchange(exchange) or signed.value.audience != OPERATORS[0]:
        signers = ", ".join(envelope.signers())
        raise Problem("message.wrong_signer", f"signed by {signers}", expected=f"{exchange} to {OPERATORS[0]}")
    return signed


def persons_at(transaction: str, subjects: Sequence[bytes], positions: Sequence[int]) -> list[PersonOf]:
    """What sets the records of these positions apart."""
    return [PersonOf(person_transaction(transaction, at), hashlib.sha256(subjects[at]).hexdigest()) for at in positions]


def _check_records(signed: Signed[ChunkRequest], records: Sequence[LogRecord], ruled: Sequence[Ruling]) -> None:
    """Whether operator 1 wrote down of each person what was asked; alike ones are compared once."""
    seen: set[tuple[int, bool, str | None]] = set()
    for record, ruling in zip(records, ruled, strict=True):
        alike = (id(record), ruling.granted, None if ruling.refusal is None else ruling.refusal.code)
        if alike not in seen:
            seen.add(alike)
            own = request_record(signed, ruling, record.logged_at)
            apart = {"transaction": None, "subject_hash": None}
            check_record(record, own.model_copy(update=apart))


def _quota(request: ChunkRequest, ruling: Ruling) -> str | None:
    """Whose quota a person of the request counts against."""
    counted = ruling.refusal is None or ruling.refusal.code != "quota.exceeded"
    return request.requester if counted else None
