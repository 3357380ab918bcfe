"""Messages about residents (住民基本台帳ネットワーク, 付番): register events, look-ups, assignment of numbers.

Individual Numbers travel in these messages only: between an institution's ledger and the registry, and between the
registry and the numbering authority (番号法第八条, 第十四条第二項).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from kumihimo.domain.kernel import FourItems
from kumihimo.plumbing.wire.envelope import Message, Part, Reply

BATCH = 10_000
ARRIVALS = 1_000


class NamePart(Part):
    """A name in writing and reading; the kernel's `PersonName`."""

    family: str = ""
    given: str
    family_kana: str = ""
    given_kana: str = ""


class AddressPart(Part):
    """An address; the kernel's `Address`."""

    prefecture: str
    municipality: str
    lines: str
    building: str = ""
    code: str | None = None


class FourItemsPart(Part):
    """The basic four items (基本4情報) as they travel: `FourItems.to_dict()` of the kernel, unchecked until read."""

    name: NamePart
    address: AddressPart
    birth: date
    sex: str

    @classmethod
    def of(cls, items: FourItems) -> FourItemsPart:
        return cls.model_validate(items.to_dict())

    def read(self) -> FourItems:
        """Raises Problem naming the field that is not as it must be."""
        return FourItems.from_dict(self.model_dump(mode="json"))


class RegisterEventKind(StrEnum):
    """What may happen to a resident in a municipal register (住民基本台帳法 第二十二条 to 第二十五条, 第八条)."""

    BIRTH = "birth"
    MOVE_IN = "move_in"  # from abroad or first registration: a resident without resident code
    MOVE = "move"  # between or inside municipalities, reported by the new one
    DEATH = "death"
    NAME_CHANGE = "name_change"
    CORRECTION = "correction"
    # what happens to a registration rather than to a life; see `plumbing/wire/messages/lives.py`
    NUMBER_CHANGE = "number_change"  # 番号法第七条第二項: leaked, or about to be
    REVIVAL = "revival"  # 失踪宣告の取消し: a death that was none
    ASSIGNMENT_CANCELLED = "assignment_cancelled"  # never should have had a number
    MERGE = "merge"  # one person who was registered twice
    SPLIT = "split"  # two persons under one registration
    RECODE = "recode"  # all link codes of a person made anew after a leak
    UNDO = "undo"  # the last of these taken back


class Standing(StrEnum):
    """What a registration stands for: a person; the same person as another registration; nobody."""

    ACTIVE = "active"
    MERGED = "merged"
    CANCELLED = "cancelled"


class RegisterEvent(Message):
    """A municipality reports an event: for birth and move_in with four items only, else with resident code or number.

    `other_number` is that of the second registration in a merge; `four_items` are the second person's in a split.
    """

    KIND: ClassVar[str] = "register-event.v1"
    REPEATABLE: ClassVar[bool] = False
    event: RegisterEventKind
    on: date
    resident_code: str | None = None
    individual_number: str | None = None
    four_items: FourItemsPart | None = None
    reason: str = ""
    other_number: str | None = None


class ResidentSnapshot(Part):
    """The state of one resident after an event; `version` grows by one with every event.

    `former_numbers` are all of them; those of registrations that were merged into this one are in `merged_numbers` too.
    `merged_into` is the number of the registration that stands for a merged one.
    """

    individual_number: str
    former_numbers: tuple[str, ...] = ()
    merged_numbers: tuple[str, ...] = ()
    standing: Standing = Standing.ACTIVE
    merged_into: str | None = None
    resident_code: str | None = None  # to municipalities only
    four_items: FourItemsPart
    municipality: str  # institution id of the municipality of residence
    alive: bool
    died_on: date | None = None
    version: int


class RegisterEventAccepted(Reply):
    """The resident after the event; in `others` those whom it concerned too."""

    KIND: ClassVar[str] = "register-event-accepted.v1"
    resident: ResidentSnapshot
    others: tuple[ResidentSnapshot, ...] = ()


class Arrival(Part):
    """Somebody who enters the register for the first time: a birth or a move_in."""

    event: RegisterEventKind
    on: date
    four_items: FourItemsPart
    reason: str = ""


class RegisterArrivals(Message):
    """A municipality registers many people at once; each is taken or rejected by itself."""

    KIND: ClassVar[str] = "register-arrivals.v1"
    REPEATABLE: ClassVar[bool] = False
    arrivals: Annotated[tuple[Arrival, ...], Field(min_length=1, max_length=ARRIVALS)]


class RejectedArrival(Part):
    """An arrival that was not registered: its position in the message and what was wrong."""

    position: int
    code: str
    reason: str


class ArrivalsRegistered(Reply):
    KIND: ClassVar[str] = "arrivals-registered.v1"
    residents: tuple[ResidentSnapshot, ...]
    rejected: tuple[RejectedArrival, ...] = ()


class ResidentEvent(Part):
    """One item of the registry's feed to a subscribed ledger (feed kind `resident`)."""

    event: RegisterEventKind
    on: date
    resident: ResidentSnapshot


class LookUp(Message):
    """Find residents by exactly one of number, resident code (municipalities only), or four items."""

    KIND: ClassVar[str] = "look-up.v1"
    basis: str
    individual_number: str | None = None
    resident_code: str | None = None
    four_items: FourItemsPart | None = None


class LookUpResult(Reply):
    """Residents found; the asking ledger is subscribed to their events from then on."""

    KIND: ClassVar[str] = "look-up-result.v1"
    residents: tuple[ResidentSnapshot, ...]


class AssignNumbers(Message):
    """Registry → numbering: assign numbers to residents by resident code, for a municipality (番号法第八条第一項)."""

    KIND: ClassVar[str] = "assign-numbers.v1"
    municipality: str
    resident_codes: Annotated[tuple[str, ...], Field(min_length=1, max_length=BATCH)]


class Assignment(Part):
    resident_code: str
    individual_number: str
    newly: bool


class NumbersAssigned(Reply):
    KIND: ClassVar[str] = "numbers-assigned.v1"
    assignments: tuple[Assignment, ...]


class AssignCorporateNumber(Message):
    """A Corporate Number (法人番号, 番号法第三十九条) for a body of the given registered name and seat."""

    KIND: ClassVar[str] = "assign-corporate-number.v1"
    REPEATABLE: ClassVar[bool] = False
    registered_name: str
    seat: str


class CorporateNumberAssigned(Reply):
    KIND: ClassVar[str] = "corporate-number-assigned.v1"
    corporate_number: str
    newly: bool
