"""Permit desk for batches (一括照会の許可, 運営者1): a signed request about many persons, each ruled on and logged by itself.

番号法 第二十一条; as `permits`, in the same order: authentic and fresh, ruled on, every person durably logged, half
translated, passed to operator 2, co-signed. One signature stands for many persons; no decision does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from kumihimo.domain.codes import CIPHERTEXT_BYTES
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.chunks import (
    PersonOf,
    packed,
    person_transaction,
    positions_in,
    refusals_by_position,
    refused_of,
    subjects_of,
    unpacked,
)
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, add_signature, b64, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import (
    ChunkDecision,
    ChunkPermit,
    ChunkRelayed,
    ChunkRequest,
    RelayChunk,
)
from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Refusal
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.service.chunk_hops import ChunkTranslation, Line
from kumihimo.roles.hub.service.chunk_journal import ChunkJournal, Entry, refused_mark
from kumihimo.roles.hub.service.chunk_permit import chunk_permit_of
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.parties import is_exchange
from kumihimo.roles.hub.service.ports import Sender, send_to_operator
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck
from kumihimo.roles.hub.service.records import PERMIT_LIFE, request_record
from kumihimo.roles.hub.service.rulings import Bench, Ruling, refusal_of
from kumihimo.roles.hub.store import Entered

log = structlog.get_logger()


@dataclass
class Course:
    """A chunk on its way: by position transaction numbers, rulings, the newest entry, and who is refused in the end."""

    signed: Signed[ChunkRequest]
    subjects: list[bytes]
    rulings: list[Ruling]
    at: datetime
    transactions: list[str]
    entered: dict[int, Entered] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)
    replayed: set[int] = field(default_factory=set)

    def passed_on(self) -> list[int]:
        """The positions operator 2 hears of: all but what is no ciphertext, and numbers that were used before."""
        return [at for at, one in enumerate(self.rulings) if one.subject is not None and at not in self.replayed]

    def granted(self) -> list[int]:
        """The positions operator 1 grants."""
        return [at for at in self.passed_on() if self.rulings[at].granted]

    def person(self, position: int) -> PersonOf:
        """What sets the record of a position apart."""
        subject = self.rulings[position].subject
        return PersonOf(self.transactions[position], None if subject is None else hashlib.sha256(subject).hexdigest())


class ChunkDesk:
    """Operator 1's desk for chunks. Safe for many threads."""

    def __init__(
        self,
        edge: Edge,
        bench: Bench,
        journal: Journal,
        entries: ChunkJournal,
        translation: ChunkTranslation,
        sender: Sender,
        check: ProofCheck,
    ) -> None:
        self._edge = edge
        self._bench = bench
        self._journal = journal
        self._entries = entries
        self._translation = translation
        self._sender = sender
        self._check = check

    def decide(self, body: bytes, peer: PartyId) -> ChunkDecision:
        """The decision on a signed ChunkRequest as it came in.

        The very same request again goes on under the entries there are, person by person, as a single one would.

        Raises Problem: whatever makes a message not authentic (logged as rejected), operator.unreachable and what else
        operator 2 found wrong (logged, for every person, as a refused request).
        """
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), ChunkRequest, peer, is_exchange)
            if signed.value.requester != institution_of(peer):
                raise Problem(
                    "message.wrong_signer", f"{peer} asks for another institution",
                    expected=f"requester {institution_of(peer)}",
                )  # fmt: skip
            subjects = subjects_of(signed.value.subjects)
        at, number = self._journal.now(), signed.value.transaction
        rulings = self._bench.rule_on_each(signed.value, subjects, at)
        transactions = [person_transaction(number, position) for position in range(len(subjects))]
        course = Course(signed, subjects, rulings, at, transactions)
        self._write(course)
        permit, finished = None, ""
        if course.passed_on():
            try:
                permit, finished = self._with_operator_2(course)
            except Problem as problem:
                told = dict.fromkeys(course.passed_on(), refusal_of(problem))
                self._log_refused(course, told, signed.envelope)
                raise
        return ChunkDecision(
            in_reply_to=signed.value.message_id,
            transaction=number,
            promise=self._entries.promise([course.entered[at] for at in range(len(subjects))]),
            permit=permit,
            subjects=finished,
            refused=refused_of(course.refused),
        )

    def _write(self, course: Course) -> None:
        """Log every person's request once; a number that another request has used is refused."""
        common = _common_records(course.signed, course.rulings, course.at)
        entries = [
            Entry(course.person(at), common[at], transaction) for at, transaction in enumerate(course.transactions)
        ]
        written = self._entries.write(course.signed.value.transaction, entries)
        again = [at for at, entered in enumerate(written) if entered is None]
        course.entered = {at: entered for at, entered in enumerate(written) if entered is not None}
        known = self._entries.under([course.transactions[at] for at in again]) if again else {}
        for at in again:
            first = known.get(course.transactions[at])
            if first is not None and self._is_same(course, at, first):
                course.entered[at] = first
            else:
                course.replayed.add(at)
        for at, ruling in enumerate(course.rulings):
            if ruling.refusal is not None:
                course.refused[at] = ruling.refusal
        used = Problem("message.replayed", "a transaction number that was already used")
        self._log_refused(course, dict.fromkeys(sorted(course.replayed), refusal_of(used)))

    def _is_same(self, course: Course, position: int, known: Entered) -> bool:
        record = known.record
        return (
            record.request_hash == course.signed.envelope.digest()
            and record.granted == course.rulings[position].granted
            and course.at < record.logged_at + PERMIT_LIFE
        )

    def _with_operator_2(self, course: Course) -> tuple[Envelope | None, str]:
        request, at = course.signed.value, course.at
        domains, told, granted = self._translation.domains, course.passed_on(), course.granted()
        # A provider that is in no list has no domain; nobody's request to it was granted.
        provider_epoch = domains.present(request.provider) if granted else None
        portal_epoch = domains.present(institution_of(PORTAL))
        source = domains.label(request.requester, request.epoch)
        target = domains.label(institution_of(PORTAL), portal_epoch)
        provider = target if provider_epoch is None else domains.label(request.provider, provider_epoch)
        halves, for_portal = self._translation.hops(
            [Line(_items(course, granted), source, provider), Line(_items(course, told), source, target)], at
        )
        relay = self._edge.message(
            RelayChunk,
            OPERATORS[1],
            request=course.signed.envelope,
            logged=self._entries.passed_on({position: course.entered[position] for position in told}),
            for_provider=packed(halves),
            for_portal=packed(for_portal),
            provider_epoch=provider_epoch,
            portal_epoch=portal_epoch,
        )
        relayed = send_to_operator(self._sender, "/relayed-chunks", relay, ChunkRelayed)
        refusals = refusals_by_position(relayed.refused, len(course.subjects))
        permitted = [position for position in granted if position not in refusals]
        permit, epoch = self._cosigned(course, relayed, permitted)
        if relayed.permit is not None:
            if epoch is not None and epoch != provider_epoch:
                # The permit was given before the provider's codes were swapped: our halves of then are computed again.
                provider = domains.label(request.provider, epoch)
                halves = self._translation.hop(_items(course, granted), source, provider, at)
            finished = unpacked(relayed.subjects, CIPHERTEXT_BYTES, "subjects", len(permitted))
            before = dict(zip(granted, halves, strict=True))
            self._check.sample_each(
                [course.transactions[position] for position in permitted],
                lambda place: (Hop(source, provider, b64(before[permitted[place]]), b64(finished[place])),),
                relayed.permit,
            )
        later = {position: refusals[position] for position in granted if position in refusals}
        self._log_refused(course, later)
        return permit, relayed.subjects

    def _cosigned(
        self, course: Course, relayed: ChunkRelayed, permitted: Sequence[int]
    ) -> tuple[Envelope | None, int | None]:
        """Operator 2's permit with our signature, if it says exactly what was logged, and its epoch. Raises Problem."""
        if relayed.permit is None:
            if permitted:
                raise Problem("message.malformed", "operator 2 sent neither permit nor refusal", expected="one of them")
            return None, None
        permit = self._edge.read(relayed.permit, ChunkPermit, OPERATORS[1]).value
        if positions_in(permit.positions, len(course.subjects)) != list(permitted) or not permitted:
            raise Problem("message.malformed", "operator 2 permits others than were granted", where="permit")
        finished = unpacked(relayed.subjects, CIPHERTEXT_BYTES, "subjects", len(permitted))
        persons = [(at, subject, course.entered[at].index) for at, subject in zip(permitted, finished, strict=True)]
        record = course.entered[permitted[0]].record
        dates = permit.issued_at, permit.expires_at
        expected = chunk_permit_of(record, permit.transaction, persons, *dates, permit.epoch)
        lasts = permit.expires_at - permit.issued_at
        same = permit == expected and permit.transaction == course.signed.value.transaction
        if not same or lasts > PERMIT_LIFE or len(relayed.permit.signatures) != 1:
            raise Problem("message.malformed", "operator 2's permit differs from the log", where="permit")
        return add_signature(relayed.permit, self._edge.identity), permit.epoch

    def _log_refused(self, course: Course, refusals: dict[int, Refusal], unrelayed: Envelope | None = None) -> None:
        """A further entry for each: the request, in the end, was refused, and why."""
        if not refusals:
            return
        rulings = list(course.rulings)
        for at, refusal in refusals.items():
            rulings[at] = replace(rulings[at], rules=(), articles=(), refusal=refusal)
            log.info("refused", transaction=course.transactions[at], code=refusal.code)
        common = _common_records(course.signed, rulings, self._journal.now())
        marks = {at: refused_mark(course.transactions[at]) for at in refusals}
        entries = [Entry(course.person(at), common[at], mark) for at, mark in marks.items()]
        written = dict(
            zip(marks, self._entries.write(course.signed.value.transaction, entries, unrelayed), strict=True)
        )
        before = self._entries.under([marks[at] for at, one in written.items() if one is None])  # by an earlier attempt
        course.entered |= {at: one or before[marks[at]] for at, one in written.items()}
        course.refused |= refusals


def _items(course: Course, positions: Sequence[int]) -> list[tuple[str, bytes]]:
    return [(course.transactions[position], course.subjects[position]) for position in positions]


def _common_records(signed: Signed[ChunkRequest], rulings: Sequence[Ruling], at: datetime) -> list[LogRecord]:
    """The record of each position but for what sets it apart; those ruled on alike share one."""
    made: dict[object, LogRecord] = {}
    records = []
    for ruling in rulings:
        alike = ruling.rules, ruling.articles, ruling.refusal
        if alike not in made:
            common = replace(ruling, subject=None)
            made[alike] = request_record(signed, common, at).model_copy(update={"transaction": None})
        records.append(made[alike])
    return records
