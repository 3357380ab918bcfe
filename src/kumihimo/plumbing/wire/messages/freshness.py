"""Messages about copies as they age (副本の鮮度): what the register says, what a delivery was, and what is wrong with copies.

Counts only: no alarm names an addressee. The register's word goes from a ledger to its own exchange by addressee number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply

REGISTERED = 5_000


class RegisterSays(StrEnum):
    """How an addressee stands in the register, as far as copies go."""

    RESIDENT = "resident"  # alive; of a municipality: living there
    MOVED = "moved"  # alive, living in another municipality
    DEAD = "dead"
    MERGED = "merged"  # the same person as another registration, which stands for this one
    NOBODY = "nobody"  # a registration that was cancelled


class RegisteredAs(Part):
    """One addressee of the ledger."""

    addressee_number: str
    says: RegisterSays


class TellRegister(Message):
    """Ledger → own exchange: addressees that are new, or stand otherwise than before; none, to ask how many are known."""

    KIND: ClassVar[str] = "tell-register.v1"
    registered: Annotated[tuple[RegisteredAs, ...], Field(max_length=REGISTERED)]


class RegisterTold(Reply):
    """How many addressees the exchange knows now: fewer than the ledger has, and it has lost some."""

    KIND: ClassVar[str] = "register-told.v1"
    known: int


class DeclareDelivery(Message):
    """Desk → own exchange: how far an item is delivered, also when nothing had changed.

    `waiting`: rows that the business system still has to send; `as_of`: the moment whose state is delivered (now if null).
    """

    KIND: ClassVar[str] = "declare-delivery.v1"
    item: str
    waiting: Annotated[int, Field(ge=0, le=10**12)] = 0
    as_of: AwareDatetime | None = None


class CopyAlarmKind(StrEnum):
    """What is wrong with an institution's copies, or with what passes between it and the platform."""

    LATE = "late"  # the last whole delivery of an item is older than declared
    NEVER_DELIVERED = "never_delivered"  # an item is declared and was never delivered whole
    STUCK = "stuck"  # rows of an item have waited at the business system, behind a limit or not, for too long
    OUTBOX_STUCK = "outbox_stuck"  # reports that operator 1 does not accept
    FEED_STUCK = "feed_stuck"  # link codes that do not arrive
    COPIES_OF_THE_DEAD = "copies_of_the_dead"  # copies that should have ended with their addressee's life
    COPIES_OF_THE_MOVED = "copies_of_the_moved"  # copies that should have ended when their addressee moved away
    COPIES_OF_NOBODY = "copies_of_nobody"  # copies for a number that no addressee has
    RESIDENTS_WITHOUT_COPY = "residents_without_copy"  # of an item that is held of everybody
    RESIDENTS_WITHOUT_CODE = "residents_without_code"  # of whom no other institution can ask here


class CopyAlarm(Part):
    """One alarm: of an item where it is about one, how many rows or persons, and since when."""

    alarm: CopyAlarmKind
    item: str | None = None
    count: int
    since: AwareDatetime | None = None


class ItemDelivered(Part):
    """How an item stands: last delivery, last whole one, the moment whose state that was, what waits, until when it is due."""

    item: str
    rhythm: str
    delivered_at: AwareDatetime | None
    complete_at: AwareDatetime | None
    as_of: AwareDatetime | None
    due_at: AwareDatetime | None
    waiting: int
    copies: int


class ShowCopyAlarms(Message):
    """Own desk, oversight body → exchange: what is wrong with the copies."""

    KIND: ClassVar[str] = "show-copy-alarms.v1"


class CopyAlarms(Reply):
    KIND: ClassVar[str] = "copy-alarms.v1"
    looked_at: AwareDatetime
    alarms: tuple[CopyAlarm, ...]
    items: tuple[ItemDelivered, ...]


class DeliveryDeclared(Reply):
    """The item as it stands after that."""

    KIND: ClassVar[str] = "delivery-declared.v1"
    item: ItemDelivered


class ShowConditions(Message):
    """Oversight officer → oversight body: what institutions say is wrong with their copies, and which cannot be asked."""

    KIND: ClassVar[str] = "show-conditions.v1"


class Condition(Part):
    """An alarm of an institution as the body last heard it; `unheard` for one that does not answer."""

    institution: str
    kind: str
    item: str | None
    count: int
    since: AwareDatetime | None
    heard_at: AwareDatetime


class Conditions(Reply):
    KIND: ClassVar[str] = "conditions.v1"
    heard: int
    conditions: tuple[Condition, ...]
