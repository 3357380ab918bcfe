"""Messages between a desk and its own exchange about batches (一括照会) and scheduled inquiries (予約照会)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import ITEMS, Outcome, Period, Refusal
from kumihimo.plumbing.wire.messages.provision import AsOf, DatedItem

MOST_PERSONS = 10_000  # in one batch
NUMBER = r"^[0-9a-f]{16}$"
_Number = Annotated[str, Field(pattern=NUMBER)]
_Items = Annotated[tuple[str, ...], Field(min_length=1, max_length=ITEMS)]
_Addressees = Annotated[tuple[str, ...], Field(max_length=1_000_000)]  # what is too many is said by the exchange


class WithRejected(StrEnum):
    """What to do with a batch of which somebody cannot be asked about: ask about nobody, or leave them out."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave_out"


class EnterBatch(Message):
    """Ask a provider the same about many addressees."""

    KIND: ClassVar[str] = "enter-batch.v1"
    staff: str
    case_reference: str
    addressee_numbers: _Addressees
    provider: str
    affair: str
    items: _Items
    period: Period = Period()
    with_rejected: WithRejected = WithRejected.REFUSE


class RejectedPerson(Part):
    """Somebody who cannot be asked about: the place in the list (from 0), the code and what is wrong."""

    place: int
    code: str
    reason: str


class BatchEntered(Reply):
    """The number of the batch, or none where nothing was entered for the sake of those rejected."""

    KIND: ClassVar[str] = "batch-entered.v1"
    batch: str | None
    persons: int
    rejected: tuple[RejectedPerson, ...] = ()


class ShowBatches(Message):
    """Every batch that is kept, or one of them; `schedule`: those of a scheduled inquiry."""

    KIND: ClassVar[str] = "show-batches.v1"
    batch: str | None = None
    schedule: str | None = None


class BatchShown(Part):
    """A batch: how many persons, and by outcome how many of them; `waiting` are not decided yet, `failed` may be asked again.

    `parts` are the pieces its results are fetched in.
    """

    batch: str
    staff: str
    case_reference: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    persons: int
    outcomes: dict[str, int]
    waiting: int
    failed: int
    problems: dict[str, int]
    parts: int
    entered_at: AwareDatetime
    kept_until: AwareDatetime
    schedule: str | None = None


class Batches(Reply):
    """The newest first."""

    KIND: ClassVar[str] = "batches.v1"
    batches: tuple[BatchShown, ...]


class ResumeBatch(Message):
    """Ask again about those whose inquiry failed. What was signed less than five minutes ago is sent again as it is."""

    KIND: ClassVar[str] = "resume-batch.v1"
    staff: str
    batch: str


class BatchResumed(Reply):
    """How many persons are asked about again."""

    KIND: ClassVar[str] = "batch-resumed.v1"
    batch: str
    persons: int


class FetchBatch(Message):
    """One part (from 0) of the results of a batch."""

    KIND: ClassVar[str] = "fetch-batch.v1"
    staff: str
    batch: str
    part: Annotated[int, Field(ge=0)] = 0


class PersonResult(Part):
    """What came of the inquiry about one addressee; neither outcome nor problem: not decided yet."""

    place: int
    addressee_number: str
    transaction: str | None = None
    outcome: Outcome | None = None
    problem: str | None = None
    refusal: Refusal | None = None
    log_index: int | None = None
    items: tuple[DatedItem, ...] = ()
    as_of: tuple[AsOf, ...] = ()


class BatchPart(Reply):
    """Results, and how many parts there are."""

    KIND: ClassVar[str] = "batch-part.v1"
    batch: str
    part: int
    parts: int
    results: tuple[PersonResult, ...]


class Recurrence(StrEnum):
    """How often a scheduled inquiry is asked."""

    ONCE = "once"
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"


class EnterSchedule(Message):
    """Ask about these addressees on a day to come, or on every such day until `last_on`.

    Without a period each run asks about the fiscal year of its day.
    """

    KIND: ClassVar[str] = "enter-schedule.v1"
    staff: str
    case_reference: str
    addressee_numbers: _Addressees
    provider: str
    affair: str
    items: _Items
    period: Period | None = None
    recurrence: Recurrence
    first_on: date
    last_on: date | None = None


class CancelSchedule(Message):
    """Ask no more."""

    KIND: ClassVar[str] = "cancel-schedule.v1"
    staff: str
    schedule: str


class ShowSchedules(Message):
    """Every scheduled inquiry, or one of them."""

    KIND: ClassVar[str] = "show-schedules.v1"
    schedule: str | None = None


class RunShown(Part):
    """One run: the batch it became, or the code of the problem that stood against it; how many were left out."""

    due_on: date
    ran_at: AwareDatetime
    batch: str | None
    problem: str | None
    left_out: int


class ScheduleShown(Part):
    """A scheduled inquiry; `next_on` is empty when nothing more is to be asked."""

    schedule: str
    staff: str
    case_reference: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period | None
    persons: int
    recurrence: Recurrence
    first_on: date
    last_on: date | None
    next_on: date | None
    cancelled_at: AwareDatetime | None
    runs: tuple[RunShown, ...]


class Schedules(Reply):
    """The next one due first; with `rejected`, and none entered, where somebody could not be asked about today already."""

    KIND: ClassVar[str] = "schedules.v1"
    schedules: tuple[ScheduleShown, ...]
    rejected: tuple[RejectedPerson, ...] = ()
