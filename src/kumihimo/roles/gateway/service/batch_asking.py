"""Asking a batch (一括照会の実行): one chunk after the other, several at once, until nothing waits.

Every step of a chunk is written down before the next one leaves the house. A chunk that was cut off is sent again as it
was signed while that is fresh; after that its persons have failed, and can be asked about again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from kumihimo.domain.codes import encrypt_own, request_randomness
from kumihimo.domain.kernel import Problem, RandomSource, institution_of, party_id
from kumihimo.plumbing.wire.chunks import LETTERS, packed, person_transaction, subjects_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS, Envelope, Signed, from_b64
from kumihimo.plumbing.wire.messages.batch import ChunkAnswer, ChunkDecision, ChunkProvisionRequest, ChunkRequest
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.roles.gateway.service.chunk_permits import (
    GrantedChunk,
    check_content,
    checked_outcomes,
    open_chunk,
    read_chunk_decision,
)
from kumihimo.roles.gateway.service.inquiry import SALT_BYTES
from kumihimo.roles.gateway.service.lines import HUB_1, Line
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.store.batches import (
    AskedPerson,
    Batch,
    BatchStore,
    Chunk,
    ChunkClosing,
    ChunkState,
    PersonOutcome,
)
from kumihimo.roles.gateway.store.chunk_reports import ChunkReport
from kumihimo.roles.gateway.store.records import AccessRecord, Side

log = structlog.get_logger()


@dataclass(frozen=True)
class Told:
    """What came of one person of a request: outcome, problem's code, log index, and whether it is under the permit."""

    outcome: Outcome | None
    problem: str | None
    log_index: int | None = None
    permitted: bool = False
    payload_hash: str | None = None


@dataclass(frozen=True)
class Asking:
    """The requester's end of a chunk. `audit_key` is the secret of opening audits; `reported` wakes the outbox's sender."""

    store: BatchStore
    domain: OwnDomain
    edge: Edge
    line: Line
    randomness: RandomSource
    audit_key: bytes = field(repr=False)
    reported: Callable[[], None] = lambda: None

    def ask(self, transaction: str) -> None:
        """Ask a chunk, or go on with one that was cut off. What goes wrong is written down, not raised."""
        chunk = self.store.chunk(transaction)
        found = self.store.batches(chunk.batch) if chunk is not None else []
        if chunk is None or not found or chunk.state is ChunkState.CLOSED:
            return
        batch = found[0]
        if chunk.state is ChunkState.WAITING:
            chunk = self._prepared(batch, chunk)
        elif chunk.asked_at is None or self.edge.clock.now() >= chunk.asked_at + FRESHNESS:
            self._close(batch, chunk, self._all(chunk, "inquiry.interrupted"))
            return
        if chunk.request is None:
            self._close(batch, chunk, {})
            return
        self._send(batch, chunk, ChunkRequest.model_validate_json(chunk.request))

    def _prepared(self, batch: Batch, chunk: Chunk) -> Chunk:
        """The chunk with its signed request, written down; without one where nobody of it has a link code any more."""
        domain, now = self.domain.present(), self.edge.clock.now()
        codes = self.store.codes(set(chunk.addressees.values()), domain.epoch)
        lacking = {
            place: PersonOutcome(place, self._lost(chunk, place), None, "addressee.no_code")
            for place, number in chunk.addressees.items()
            if number not in codes
        }
        asked = [(place, number) for place, number in chunk.addressees.items() if place not in lacking]
        salt = self.randomness.token_bytes(SALT_BYTES)
        chunk = replace(chunk, case_salt=salt, epoch=domain.epoch, asked_at=now, outcomes=lacking)
        if asked:
            subjects = [
                encrypt_own(
                    codes[number].code,
                    domain.secret,
                    request_randomness(self.audit_key, person_transaction(chunk.transaction, position)),
                )
                for position, (_, number) in enumerate(asked)
            ]
            request = self.edge.message(
                ChunkRequest,
                HUB_1,
                transaction=chunk.transaction,
                requester=institution_of(self.edge.party),
                provider=batch.provider,
                affair=batch.affair,
                items=batch.items,
                period=batch.period,
                case_reference_hash=hashlib.sha256(salt + batch.case_reference.encode()).hexdigest(),
                subjects=packed(subjects),
                epoch=domain.epoch,
            )
            chunk = replace(chunk, request=request.to_bytes().decode())
        self.store.asked(chunk)
        return chunk

    def _send(self, batch: Batch, chunk: Chunk, request: ChunkRequest) -> None:
        asked = self._asked(chunk)
        decision: Envelope | None = None
        try:
            reply = self._ask_operator(request)
            decision = reply.envelope
            decided = read_chunk_decision(self.edge, request, len(asked), reply.value)
        except Problem as problem:
            self._close(batch, chunk, self._all(chunk, problem.code), decision, problem=problem.code)
            return
        told = {
            asked[position]: Told(Outcome.REFUSED, refusal.code, decided.log_indexes[position])
            for position, refusal in decided.refused.items()
        }
        if decided.granted is None:
            self._close(batch, chunk, told, decision)
            return
        self._fetch(batch, chunk, told, decided.granted, decision)

    def _ask_operator(self, request: ChunkRequest) -> Signed[ChunkDecision]:
        try:
            return self.line.send("/chunks", request, ChunkDecision)
        except Problem as problem:
            if problem.code == "peer.unreachable":
                raise Problem("operator.unreachable", problem.detail, advice="Resume the batch later.") from None
            raise

    def _fetch(
        self, batch: Batch, chunk: Chunk, told: dict[int, Told], granted: GrantedChunk, decision: Envelope
    ) -> None:
        """Show the permit to the provider; whatever goes wrong from here on, the platform is told `undelivered`."""
        asked = self._asked(chunk)
        permit = granted.permit
        places = [asked[position] for position in granted.positions]
        try:
            answer = self._ask_provider(granted)
            outcomes = checked_outcomes(granted, answer)
            sealed = from_b64(answer.sealed, "answer.sealed")
            check_content(open_chunk(self.edge, granted, sealed).persons, outcomes)
        except Problem as problem:
            code = "provider.unreachable" if problem.code == "peer.unreachable" else problem.code
            told |= {
                place: Told(Outcome.UNDELIVERED, code, index, permitted=True)
                for place, index in zip(places, granted.log_indexes, strict=True)
            }
            letters = LETTERS[Outcome.UNDELIVERED] * len(places)
            report = ChunkReport(permit.transaction, permit.requester, permit.provider, letters, None, granted.envelope)
            self._close(batch, chunk, told, decision, granted, problem=code, report=report)
            self.reported()
            return
        told |= {
            place: Told(outcome, None, index, True, answer.payload_hash if outcome is Outcome.PROVIDED else None)
            for place, index, outcome in zip(places, granted.log_indexes, outcomes, strict=True)
        }
        self._close(batch, chunk, told, decision, granted, answer=sealed)

    def _ask_provider(self, granted: GrantedChunk) -> ChunkAnswer:
        permit = granted.permit
        request = ChunkProvisionRequest(
            audience=party_id(permit.provider, "exchange"),
            sent_at=permit.issued_at,
            message_id=granted.envelope.digest()[:32],
            permit=granted.envelope,
            subjects=packed(granted.subjects),
            log_indexes=granted.log_indexes,
        )
        return self.line.send("/provisions-of-chunks", request, ChunkAnswer).value

    def _asked(self, chunk: Chunk) -> list[int]:
        """The places that are in the request, by position: all but those who lacked a code when it was signed."""
        return [place for place in chunk.addressees if not _lacks(chunk.outcomes.get(place))]

    def _all(self, chunk: Chunk, problem: str) -> dict[int, Told]:
        return dict.fromkeys(self._asked(chunk), Told(None, problem))

    def _lost(self, chunk: Chunk, place: int) -> str:
        """A transaction number for somebody who is in no request."""
        return person_transaction(chunk.transaction, (1 << 31) + place)

    def _close(
        self,
        batch: Batch,
        chunk: Chunk,
        told: dict[int, Told],
        decision: Envelope | None = None,
        granted: GrantedChunk | None = None,
        *,
        answer: bytes | None = None,
        problem: str | None = None,
        report: ChunkReport | None = None,
    ) -> None:
        """Write down what came of a chunk: every person's outcome, inquiry and record."""
        asked = self._asked(chunk)
        now = self.edge.clock.now()
        hashes = self._subject_hashes(chunk)
        outcomes = [one for one in chunk.outcomes.values() if _lacks(one)]
        persons = [
            self._person(batch, chunk, Told(None, one.problem), one.place, one.transaction, None, granted)
            for one in outcomes
        ]
        for position, place in enumerate(asked):
            one = told[place]
            transaction = person_transaction(chunk.transaction, position)
            outcomes.append(PersonOutcome(place, transaction, one.outcome, one.problem, one.log_index))
            persons.append(self._person(batch, chunk, one, place, transaction, hashes[position], granted))
        closing = ChunkClosing(tuple(outcomes), tuple(persons), now, decision, answer, problem, report)
        self.store.close(batch, chunk, closing)
        if problem is not None:
            log.warning("chunk.failed", transaction=chunk.transaction, code=problem, count=len(asked))

    def _subject_hashes(self, chunk: Chunk) -> Sequence[str]:
        if chunk.request is None:
            return ()
        subjects = subjects_of(ChunkRequest.model_validate_json(chunk.request).subjects)
        return [hashlib.sha256(one).hexdigest() for one in subjects]

    def _person(
        self,
        batch: Batch,
        chunk: Chunk,
        one: Told,
        place: int,
        transaction: str,
        subject_hash: str | None,
        granted: GrantedChunk | None,
    ) -> AskedPerson:
        number = chunk.addressees[place]
        under = granted.permit if granted is not None and one.permitted else None
        record = AccessRecord(
            transaction=transaction,
            side=Side.REQUESTER,
            requester=institution_of(self.edge.party),
            provider=batch.provider,
            affair=batch.affair,
            items=batch.items,
            period=batch.period,
            requested_at=chunk.asked_at or batch.entered_at,
            recorded_at=self.edge.clock.now(),
            outcome=one.outcome,
            problem=one.problem,
            addressee_number=number,
            staff=batch.staff,
            department=batch.department,
            case_reference=batch.case_reference,
            rules=under.rules if under else (),
            rule_book=under.rule_book if under else None,
            log_index=one.log_index,
            payload_hash=one.payload_hash,
        )
        return AskedPerson(transaction, number, subject_hash, record)


def _lacks(one: PersonOutcome | None) -> bool:
    return one is not None and one.problem == "addressee.no_code"
