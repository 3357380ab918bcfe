"""Reading what platform and provider say of a chunk (一括照会の許可と回答の確認): nothing is believed for its sender's sake."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from kumihimo.domain.codes import CIPHERTEXT_BYTES
from kumihimo.domain.kernel import Problem
from kumihimo.domain.sealing import open_sealed
from kumihimo.plumbing.wire.chunks import (
    outcomes_of,
    permit_for_person,
    person_transaction,
    persons_hash,
    positions_in,
    refusals_by_position,
    unpacked,
)
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64, malformed
from kumihimo.plumbing.wire.messages.batch import (
    PERSONS,
    ChunkAnswer,
    ChunkDecision,
    ChunkPermit,
    ChunkRequest,
    LogPromises,
    SealedPersons,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit, Refusal
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.plumbing.wire.permits import Granted
from kumihimo.roles.gateway.service.chunk_provision import chunk_binding
from kumihimo.roles.gateway.service.lines import HUB_1, HUB_2

_POSSIBLE = frozenset((Outcome.PROVIDED, Outcome.NONE, Outcome.WITHHELD, Outcome.PENDING))


@dataclass(frozen=True)
class GrantedChunk:
    """A verified permit with what it binds: positions, ciphertexts and log indexes of the permitted persons."""

    permit: ChunkPermit
    envelope: Envelope
    positions: tuple[int, ...]
    subjects: tuple[bytes, ...]
    log_indexes: tuple[int, ...]


@dataclass(frozen=True)
class Decided:
    """The platform's answer to a chunk: the permit, if anybody is permitted, and by position who is refused and where it is
    logged."""

    granted: GrantedChunk | None
    refused: dict[int, Refusal]
    log_indexes: tuple[int, ...]


def read_chunk_decision(edge: Edge, request: ChunkRequest, count: int, decision: ChunkDecision) -> Decided:
    """Verify operator 1's answer to a request about `count` persons. Raises Problem as `read_decision`."""
    if decision.transaction != request.transaction:
        raise _not_ours("transaction", decision.transaction, request.transaction)
    promised = edge.read(decision.promise, LogPromises, HUB_1).value.indexes
    if len(promised) != count:
        raise _not_ours("promise", f"{len(promised)} entries", f"{count} entries")
    refused = refusals_by_position(decision.refused, count)
    granted = _granted(edge, decision, promised)
    permitted = () if granted is None else granted.positions
    if sorted((*refused, *permitted)) != list(range(count)):
        raise _not_ours("decision", "somebody neither permitted nor refused, or both", "one of the two for each")
    if granted is not None:
        for name in ("transaction", "requester", "provider", "affair", "items", "period"):
            found, asked = getattr(granted.permit, name), getattr(request, name)
            if found != asked:
                raise _not_ours(f"permit.{name}", found, asked)
    return Decided(granted, refused, promised)


def granted_chunk(edge: Edge, decision: Envelope) -> GrantedChunk | None:
    """The permit of a decision that was verified and stored. Raises Problem as `read_chunk_decision`."""
    decided = edge.read(decision, ChunkDecision, HUB_1).value
    return _granted(edge, decided, edge.read(decided.promise, LogPromises, HUB_1).value.indexes)


def granted_person(edge: Edge, decision: Envelope, transaction: str) -> Granted | None:
    """What a stored decision permits about one person, in the form of a single inquiry's permit. Raises Problem."""
    chunk = granted_chunk(edge, decision)
    for place, position in enumerate(chunk.positions if chunk is not None else ()):
        if chunk is not None and person_transaction(chunk.permit.transaction, position) == transaction:
            subject = chunk.subjects[place]
            permit: Permit = permit_for_person(
                chunk.permit, position, hashlib.sha256(subject).hexdigest(), chunk.log_indexes[place]
            )
            return Granted(permit, chunk.envelope, b64(subject))
    return None


def _granted(edge: Edge, decision: ChunkDecision, promised: Sequence[int]) -> GrantedChunk | None:
    if decision.permit is None:
        return None
    permit = edge.read(decision.permit, ChunkPermit, HUB_1, HUB_2).value
    positions = positions_in(permit.positions, len(promised))
    subjects = unpacked(decision.subjects, CIPHERTEXT_BYTES, "decision.subjects", len(positions))
    indexes = [promised[position] for position in positions]
    if permit.persons_hash != persons_hash(zip(positions, subjects, indexes, strict=True)):
        raise Problem("permit.subject_mismatch", "ciphertexts that the permit was not made for", "decision.subjects")
    return GrantedChunk(permit, decision.permit, tuple(positions), tuple(subjects), tuple(indexes))


def checked_outcomes(granted: GrantedChunk, answer: ChunkAnswer) -> list[Outcome]:
    """The outcomes of a provider's answer to this permit. Raises Problem(message.replayed, message.malformed)."""
    if answer.transaction != granted.permit.transaction or answer.permit_hash != granted.envelope.digest():
        raise Problem(
            "message.replayed",
            f"an answer to transaction {answer.transaction}",
            where="answer",
            expected=f"the answer to {granted.permit.transaction} under its permit",
            advice="Report this to the oversight body.",
        )
    outcomes = outcomes_of(answer.outcomes)
    if len(outcomes) != len(granted.positions) or not set(outcomes) <= _POSSIBLE:
        raise Problem("message.malformed", "outcomes that do not fit the permit", "answer", "one for each person")
    if hashlib.sha256(from_b64(answer.sealed, "answer.sealed")).hexdigest() != answer.payload_hash:
        raise _cannot_open("the sealed bytes are not those whose hash the provider reports")
    return outcomes


def open_chunk(edge: Edge, granted: GrantedChunk, sealed: bytes) -> SealedPersons:
    """What was sealed: the items of each permitted person, in order. Raises Problem(sealing.cannot_open, message.malformed)."""
    plain = open_sealed(sealed, edge.identity.sealing_key, chunk_binding(granted.permit, granted.envelope))
    try:
        content = SealedPersons.model_validate_json(plain)
    except ValidationError as error:
        raise malformed(error, "SealedPersons") from None
    if content.transaction != granted.permit.transaction or len(content.persons) != len(granted.positions):
        raise _cannot_open("the content belongs to another transaction")
    asked = set(granted.permit.items)
    if not {item.item for items in content.persons for item in items} <= asked:
        raise _cannot_open("the content has items that the permit does not name")
    return content


def check_content(persons: Sequence[tuple[DatedItem, ...]], outcomes: Sequence[Outcome]) -> None:
    """Whether items are with those who were provided, and with nobody else. Raises Problem(message.malformed)."""
    for items, outcome in zip(persons, outcomes, strict=True):
        if (outcome is Outcome.PROVIDED) != bool(items):
            raise Problem("message.malformed", f"outcome {outcome}", "answer", "an outcome that fits its content")


def person_permit(edge: Edge, envelope: Envelope, transaction: str) -> Permit:
    """The permit shown for one inquiry: a single one, or what a chunk's says about this person.

    Raises Problem(message.wrong_signer, message.signature_invalid, message.malformed, transaction.unknown).
    """
    if envelope.payloadType != ChunkPermit.payload_type():
        return edge.read(envelope, Permit, HUB_1, HUB_2).value
    chunk = edge.read(envelope, ChunkPermit, HUB_1, HUB_2).value
    for position in positions_in(chunk.positions, PERSONS):
        if person_transaction(chunk.transaction, position) == transaction:
            return permit_for_person(chunk, position, "", 0)  # who it was is known here by the transaction number
    raise Problem("transaction.unknown", transaction, "transaction", "a person of the permit that is shown")


def _not_ours(where: str, found: object, asked: object) -> Problem:
    return Problem("message.malformed", str(found), where, str(asked), "Report this to the oversight body.")


def _cannot_open(detail: str) -> Problem:
    return Problem(
        "sealing.cannot_open",
        detail,
        where="answer.sealed",
        expected="what the provider sealed for this permit",
        advice="Discard it, ask again, and report this to the oversight body.",
    )
