"""Results of a batch (一括照会の結果): opened when the desk fetches them, from the answers as the provider sealed them.

The exchange keeps no attribute of a batch in the clear; what it keeps is gone when the batch's time is over.
"""

from __future__ import annotations

from dataclasses import dataclass

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.chunks import person_transaction, refusals_by_position
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.batch import PERSONS, ChunkDecision
from kumihimo.plumbing.wire.messages.batch_desk import PersonResult
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Refusal
from kumihimo.plumbing.wire.messages.provision import AsOf, DatedItem
from kumihimo.roles.gateway.service.batch import Batches, chunk_of
from kumihimo.roles.gateway.service.chunk_permits import granted_chunk, open_chunk
from kumihimo.roles.gateway.service.lines import HUB_1
from kumihimo.roles.gateway.store.batches import Batch, Chunk


@dataclass(frozen=True)
class BatchResults:
    """The requester's desk for results."""

    batches: Batches
    edge: Edge

    def part(self, staff: str, number: str, part: int) -> tuple[tuple[PersonResult, ...], int]:
        """One part of the results by place, and how many parts there are.

        Raises Problem: batch.unknown, staff.not_entitled, answers.forgotten, and as `open_chunk`.
        """
        batch = self.batches.entitled(staff, number)
        chunks = self.batches.store.chunks(number)
        chunk = self.batches.store.chunk(chunk_of(chunks, part, number).transaction)
        if chunk is None:
            raise Problem("batch.unknown", number, "batch", "a batch entered here")
        return self._results(batch, chunk), len(chunks)

    def _results(self, batch: Batch, chunk: Chunk) -> tuple[PersonResult, ...]:
        items, as_of = self._items(batch, chunk)
        refusals = self._refusals(chunk)
        ended = self.batches.ended(list(chunk.outcomes.values()))
        results = []
        for place, number in chunk.addressees.items():
            one = chunk.outcomes.get(place)
            if one is None or chunk.closed_at is None:
                results.append(PersonResult(place=place, addressee_number=number))
                continue
            results.append(
                PersonResult(
                    place=place,
                    addressee_number=number,
                    transaction=one.transaction,
                    outcome=ended.get(one.transaction, one.outcome),
                    problem=one.problem,
                    refusal=refusals.get(one.transaction) if one.outcome is Outcome.REFUSED else None,
                    log_index=one.log_index,
                    items=(theirs := items.get(one.transaction, ())),
                    as_of=tuple(at for at in as_of if at.item in {item.item for item in theirs}),
                )
            )
        return tuple(results)

    def _items(self, batch: Batch, chunk: Chunk) -> tuple[dict[str, tuple[DatedItem, ...]], tuple[AsOf, ...]]:
        """What was provided, by transaction number; and the moments whose state the items are."""
        provided = {one.transaction for one in chunk.outcomes.values() if one.outcome is Outcome.PROVIDED}
        if not provided:
            return {}, ()
        if chunk.answer is None or chunk.decision is None or self.edge.clock.now() >= batch.kept_until:
            raise Problem(
                "answers.forgotten",
                f"batch {batch.batch}, kept until {batch.kept_until.isoformat()}",
                where="batch",
                expected="a batch whose answers are still kept",
                advice="Ask again with a new batch; its records are in `kumihimo records`.",
            )
        granted = granted_chunk(self.edge, Envelope.model_validate_json(chunk.decision))
        if granted is None:
            raise Problem("transaction.unknown", chunk.transaction, "batch", "a chunk that was permitted")
        by_transaction = {
            person_transaction(chunk.transaction, position): place for place, position in enumerate(granted.positions)
        }
        content = open_chunk(self.edge, granted, chunk.answer)
        return {one: content.persons[by_transaction[one]] for one in provided}, content.as_of

    def _refusals(self, chunk: Chunk) -> dict[str, Refusal]:
        if chunk.decision is None or not any(one.outcome is Outcome.REFUSED for one in chunk.outcomes.values()):
            return {}
        decided = self.edge.read(Envelope.model_validate_json(chunk.decision), ChunkDecision, HUB_1).value
        return {
            person_transaction(chunk.transaction, position): refusal
            for position, refusal in refusals_by_position(decided.refused, PERSONS).items()
        }
