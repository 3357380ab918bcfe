"""Batch inquiry (一括照会): the same question about up to 10,000 addressees, with an outcome and a record for each of them.

Entered whole or not at all: who may not be asked about is told before anything is written. What was entered is asked by the
exchange itself, chunk by chunk (`batch_asking`); what one chunk meets does not touch the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kumihimo.domain.kernel import AddresseeNumber, Problem, RandomSource, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS
from kumihimo.plumbing.wire.messages.batch_desk import (
    MOST_PERSONS,
    BatchShown,
    EnterBatch,
    RejectedPerson,
    WithRejected,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.store.batches import Batch, BatchStore, Chunk, ChunkState, PersonOutcome
from kumihimo.roles.gateway.store.commits import Work
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.records import AccessRecord, Side

CHUNK: Final = 500  # persons asked about with one signed request
_BATCH_BYTES: Final = 8
_TRANSACTION_BYTES: Final = 16
_FINAL: Final = frozenset((Outcome.PROVIDED, Outcome.NONE, Outcome.WITHHELD, Outcome.PENDING))
_LATER: Final = frozenset(("quota.exceeded", "operator.unreachable"))  # refusals for which waiting helps


@dataclass(frozen=True)
class Checked:
    """A list of addressees as it was checked: whom to ask about, by place, and who cannot be asked about."""

    numbers: dict[int, str]
    rejected: tuple[RejectedPerson, ...]


@dataclass(frozen=True)
class Entered:
    """What became of a batch that was to be entered; without a number nothing was written."""

    batch: str | None
    persons: int
    rejected: tuple[RejectedPerson, ...]


@dataclass(frozen=True)
class Batches:
    """The requester's desk for batches. `kept` is how long answers are; `entered` wakes those who ask."""

    store: BatchStore
    rights: InquiryStore
    domain: OwnDomain
    edge: Edge
    randomness: RandomSource
    kept: timedelta
    entered: Callable[[], None] = lambda: None
    chunk: int = CHUNK

    def enter(
        self,
        message: EnterBatch,
        schedule: str | None = None,
        also: Callable[[str, Checked], Work] = lambda _batch, _checked: _nothing,
    ) -> Entered:
        """Check a batch and write it down; `also` what belongs to it, in the same transaction.

        Raises Problem: value.invalid (nobody, or more than 10,000), staff.not_entitled. Whoever cannot be asked about is
        rejected with a reason: addressee_number.*, addressee.no_code, value.invalid for a person named before.
        """
        department = self.rights.department(message.staff, message.affair)
        checked = self.check(message.addressee_numbers)
        now = self.edge.clock.now()
        if department is None:
            said = dict.fromkeys(checked.numbers, "staff.not_entitled")
            self.store.append_records(self._unasked(message, None, now, checked.numbers, said))
            raise not_entitled(message.staff, message.affair)
        if (checked.rejected and message.with_rejected is WithRejected.REFUSE) or not checked.numbers:
            return Entered(None, 0, checked.rejected)
        number = self.randomness.token_bytes(_BATCH_BYTES).hex()
        places = list(checked.numbers)
        chunks = {
            self.randomness.token_bytes(_TRANSACTION_BYTES).hex(): {
                place: checked.numbers[place] for place in places[start : start + self.chunk]
            }
            for start in range(0, len(places), self.chunk)
        }
        batch = Batch(
            number, message.staff, department, message.case_reference, message.provider, message.affair, message.items,
            message.period, len(places), now, now + self.kept, schedule,
        )  # fmt: skip
        without = {one.place: one.code for one in checked.rejected if one.code == "addressee.no_code"}
        numbers = {place: AddresseeNumber(message.addressee_numbers[place]).digits for place in without}
        self.store.enter(
            batch,
            chunks,
            self._unasked(message, department, now, numbers, without),
            also(number, checked),
        )
        self.entered()
        return Entered(number, len(places), checked.rejected)

    def check(self, addressee_numbers: Sequence[str]) -> Checked:
        """Whom of a list can be asked about today. Raises Problem(value.invalid) for nobody, or more than 10,000."""
        if not 1 <= len(addressee_numbers) <= MOST_PERSONS:
            raise Problem(
                "value.invalid",
                f"{len(addressee_numbers)} persons",
                where="addressee_numbers",
                expected=f"1 to {MOST_PERSONS} persons in one batch",
                advice="Split a longer list into several batches.",
            )
        numbers: dict[int, str] = {}
        rejected: list[RejectedPerson] = []
        for place, text in enumerate(addressee_numbers):
            try:
                numbers[place] = AddresseeNumber.parse(text, f"addressee_numbers.{place}").digits
            except Problem as problem:
                # Never the text itself: a mistyped number could be an Individual Number.
                rejected.append(RejectedPerson(place=place, code=problem.code, reason=problem.title))
        standing, epoch = self.store.survivors(set(numbers.values())), self.domain.epoch
        codes = self.store.codes(set(numbers.values()), epoch)
        first: dict[str, int] = {}
        for place, number in list(numbers.items()):
            person = standing[number] or number
            if person in first:
                reason = f"the same person as in place {first[person]}"
                rejected.append(RejectedPerson(place=place, code="value.invalid", reason=reason))
                del numbers[place]
            elif number not in codes:
                first[person] = place
                reason = "no link code: unknown here, or it has not arrived yet"
                rejected.append(RejectedPerson(place=place, code="addressee.no_code", reason=reason))
                del numbers[place]
            else:
                first[person] = place
        return Checked(numbers, tuple(sorted(rejected, key=lambda one: one.place)))

    def shown(self, number: str | None = None, schedule: str | None = None) -> tuple[BatchShown, ...]:
        """Batches as they stand now, the newest first. Raises Problem(batch.unknown) for a number that is none."""
        found = self.store.batches(number, schedule)
        if number is not None and not found:
            raise unknown_batch(number)
        return tuple(self._shown(one) for one in found)

    def resume(self, staff: str, number: str) -> int:
        """Have those asked about again whose inquiry failed; how many persons.

        What was signed less than five minutes ago is sent again to the byte: platform and provider give what they gave.
        Others get new transaction numbers. Raises Problem(batch.unknown, staff.not_entitled).
        """
        batch = self.entitled(staff, number)
        now, persons = self.edge.clock.now(), 0
        for chunk in self.store.chunks(batch.batch):
            failed = {at for at, one in chunk.outcomes.items() if not is_final(one)}
            if chunk.state is not ChunkState.CLOSED or not failed:
                continue
            persons += len(failed)
            fresh = chunk.asked_at is not None and now < chunk.asked_at + FRESHNESS
            if fresh and chunk.problem is not None:
                self.store.reopen(chunk.transaction)
            else:
                self.store.renew(chunk, self.randomness.token_bytes(_TRANSACTION_BYTES).hex(), failed)
        if persons:
            self.entered()
        return persons

    def entitled(self, staff: str, number: str) -> Batch:
        """A batch that this staff member may handle. Raises Problem(batch.unknown, staff.not_entitled)."""
        found = self.store.batches(number)
        if not found:
            raise unknown_batch(number)
        if self.rights.department(staff, found[0].affair) is None:
            raise not_entitled(staff, found[0].affair)
        return found[0]

    def _shown(self, batch: Batch) -> BatchShown:
        tallies = self.store.tallies(batch.batch)
        known: Counter[tuple[Outcome | None, str | None]] = Counter()
        pending: list[str] = []
        for one in tallies:
            if one is not None:
                known.update(one.ended)
                pending += one.pending
        outcomes = Counter[Outcome]()
        for (outcome, _), count in known.items():
            if outcome is not None:
                outcomes[outcome] += count
        later = self.store.later_outcomes(pending) if pending else {}
        outcomes.subtract({Outcome.PENDING: len(later)})
        outcomes.update(later.values())
        failed = {ended: count for ended, count in known.items() if not _is_final(*ended)}
        problems = Counter[str]()
        for (_, problem), count in failed.items():
            if problem:
                problems[problem] += count
        return BatchShown(
            batch=batch.batch,
            staff=batch.staff,
            case_reference=batch.case_reference,
            provider=batch.provider,
            affair=batch.affair,
            items=batch.items,
            period=batch.period,
            persons=batch.persons,
            outcomes={outcome.value: count for outcome, count in outcomes.items() if count},
            waiting=batch.persons - known.total(),
            failed=sum(failed.values()),
            problems=dict(problems),
            parts=len(tallies),
            entered_at=batch.entered_at,
            kept_until=batch.kept_until,
            schedule=batch.schedule,
        )

    def ended(self, known: Sequence[PersonOutcome]) -> dict[str, Outcome]:
        """What came in the end of those whose answer was left to a person, by transaction number."""
        pending = [one.transaction for one in known if one.outcome is Outcome.PENDING]
        return self.store.later_outcomes(pending) if pending else {}

    def _unasked(
        self,
        message: EnterBatch,
        department: str | None,
        now: datetime,
        numbers: dict[int, str],
        problems: dict[int, str],
    ) -> list[AccessRecord]:
        """A record for each person whose inquiry does not leave the house, as for a single one."""
        return [
            AccessRecord(
                transaction=self.randomness.token_bytes(_TRANSACTION_BYTES).hex(),
                side=Side.REQUESTER,
                requester=institution_of(self.edge.party),
                provider=message.provider,
                affair=message.affair,
                items=message.items,
                period=message.period,
                requested_at=now,
                recorded_at=now,
                problem=problems[place],
                addressee_number=number,
                staff=message.staff,
                department=department,
                case_reference=message.case_reference,
            )
            for place, number in numbers.items()
        ]


def _nothing(_conn: object) -> None:
    """Nothing else belongs to the batch."""


def is_final(one: PersonOutcome) -> bool:
    """Whether nothing would come of asking again."""
    return _is_final(one.outcome, one.problem)


def _is_final(outcome: Outcome | None, problem: str | None) -> bool:
    return outcome in _FINAL or (outcome is Outcome.REFUSED and problem not in _LATER)


def chunk_of(chunks: Sequence[Chunk], part: int, number: str) -> Chunk:
    """The chunk that is a part of a batch's results. Raises Problem(batch.unknown)."""
    if part >= len(chunks):
        raise Problem("batch.unknown", f"part {part} of {number}", "part", f"a part below {len(chunks)}")
    return chunks[part]


def unknown_batch(number: str) -> Problem:
    """No batch of this institution has that number."""
    return Problem(
        "batch.unknown",
        number[:40],
        "batch",
        "a batch entered here",
        "`kumihimo batch list` shows those that are kept.",
    )


def not_entitled(staff: str, affair: str) -> Problem:
    """The refusal of a staff member."""
    return Problem(
        "staff.not_entitled",
        f"staff member {staff!r} for affair {affair!r}",
        where="staff",
        expected="a staff member whose rights cover the affair",
        advice="Nothing was sent. Let somebody in charge of the affair ask, or have the right granted.",
    )
