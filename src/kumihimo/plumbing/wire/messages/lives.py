"""Messages about registrations over the years (登録の異動): numbers replaced and ended, acknowledgements, linked addressees.

番号法第七条第二項 (a number is changed on leak). Numbers travel between registry and numbering authority only; a ledger
acknowledges by the position in the registry's feed, and tells its exchange addressee numbers.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind

ACKNOWLEDGEMENTS = 1_000
LINKS = 1_000
SHOWN = 1_000


class ReplaceNumber(Message):
    """Registry → numbering: end this number of a resident code and assign another (番号法第七条第二項).

    Sent again after a lost answer, it is answered with the number that was assigned then.
    """

    KIND: ClassVar[str] = "replace-number.v1"
    municipality: str
    resident_code: str
    individual_number: str
    reason: str


class NumberReplaced(Reply):
    KIND: ClassVar[str] = "number-replaced.v1"
    individual_number: str


class NumberOf(Part):
    """A number and the resident code it was drawn for."""

    resident_code: str
    individual_number: str


class AmendAssignments(Message):
    """Registry → numbering: end these assignments, then let those be in force again; all or none, again is as once.

    A number is restored to the resident code it was drawn for, never to another.
    """

    KIND: ClassVar[str] = "amend-assignments.v1"
    municipality: str
    reason: str
    end: tuple[NumberOf, ...] = ()
    restore: tuple[NumberOf, ...] = ()


class AssignmentsAmended(Reply):
    KIND: ClassVar[str] = "assignments-amended.v1"
    changed: int


class Applied(Part):
    """An item of the registry's feed that a ledger has applied, and the version it told."""

    seq: int
    version: int


class Acknowledge(Message):
    """Ledger → registry: these events are applied."""

    KIND: ClassVar[str] = "acknowledge.v1"
    applied: Annotated[tuple[Applied, ...], Field(min_length=1, max_length=ACKNOWLEDGEMENTS)]


class Acknowledged(Reply):
    KIND: ClassVar[str] = "acknowledged.v1"
    count: int


class ShowUnacknowledged(Message):
    """A municipality's ledger → registry: who has not acknowledged events that this municipality reported."""

    KIND: ClassVar[str] = "show-unacknowledged.v1"
    older_than_seconds: int = 0


class AskUnacknowledged(Message):
    """Municipal desk → own ledger: the same question, which the ledger passes on."""

    KIND: ClassVar[str] = "ask-unacknowledged.v1"
    older_than_seconds: int = 0


class UnacknowledgedEvent(Part):
    """An event that was announced to an institution and not acknowledged; the number is shown by its last four digits."""

    institution: str
    masked_number: str
    event: RegisterEventKind
    on: date
    version: int
    announced_at: AwareDatetime


class Unacknowledged(Reply):
    """The oldest first, at most 1,000; `total` is how many there are."""

    KIND: ClassVar[str] = "unacknowledged.v1"
    events: tuple[UnacknowledgedEvent, ...]
    total: int


class LinkOf(Part):
    """Whom an addressee number stands for: itself; another one, its survivor; nobody."""

    addressee_number: str
    stands_for: str | None


class LinkAddressees(Message):
    """Ledger → own exchange: addressees that turned out to be one person, or are no longer one, or are nobody."""

    KIND: ClassVar[str] = "link-addressees.v1"
    links: Annotated[tuple[LinkOf, ...], Field(min_length=1, max_length=LINKS)]


class AddresseesLinked(Reply):
    """How many links changed, and how many copies of linked addressees contradict one another."""

    KIND: ClassVar[str] = "addressees-linked.v1"
    changed: int
    contradictions: int


class ShowTasks(Message):
    """Desk → own ledger: what a person must look at after merges and splits."""

    KIND: ClassVar[str] = "show-tasks.v1"


class SettleTask(Message):
    """Desk → own ledger: a person has looked at it."""

    KIND: ClassVar[str] = "settle-task.v1"
    REPEATABLE: ClassVar[bool] = False
    task: int


class Task(Part):
    """Something that an event asks a person to look at."""

    task: int
    addressee_number: str
    event: RegisterEventKind
    version: int
    raised_at: AwareDatetime


class Tasks(Reply):
    """What is not settled, oldest first."""

    KIND: ClassVar[str] = "tasks.v1"
    tasks: tuple[Task, ...]


class ShowContradictions(Message):
    """Desk → own exchange: copies of one person, under two addressee numbers, that contradict each other."""

    KIND: ClassVar[str] = "show-contradictions.v1"


class Contradiction(Part):
    """Two copies of one item and first day; nothing is provided of them until one is placed anew."""

    addressee_number: str
    linked_number: str
    item: str
    valid_from: date


class Contradictions(Reply):
    KIND: ClassVar[str] = "contradictions.v1"
    contradictions: tuple[Contradiction, ...]
