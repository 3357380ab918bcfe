"""Messages about answering by hand (手動応答): flags before a release, the provider's queue, and fetching an answer later."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Envelope, Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import DatedItem

TRANSACTION = r"^[0-9a-f]{32}$"


class FlagKind(StrEnum):
    """What stands before a release; the first two withhold, the third asks for a person to answer."""

    SUPPORT_MEASURE = "support_measure"
    NON_DISCLOSURE = "non_disclosure"
    ANSWER_BY_HAND = "answer_by_hand"


class Protect(Message):
    """Desk → own exchange: put a flag before the release of an item, or of every item (`*`)."""

    KIND: ClassVar[str] = "protect.v1"
    addressee_number: str
    flag: FlagKind
    item: str = "*"


class LiftProtection(Message):
    """Desk → own exchange: take a flag away again."""

    KIND: ClassVar[str] = "lift-protection.v1"
    addressee_number: str
    flag: FlagKind
    item: str = "*"


class Protection(Part):
    """A flag as it stands, exactly as stored."""

    flag: str
    item: str


class Protections(Reply):
    """Every flag of the addressee after the change."""

    KIND: ClassVar[str] = "protections.v1"
    addressee_number: str
    protections: tuple[Protection, ...]


class ShowPending(Message):
    """Desk → own exchange: which inquiries of others wait for a person to answer."""

    KIND: ClassVar[str] = "show-pending.v1"


class PendingShown(Part):
    """An inquiry that waits; `overdue` once its deadline has passed."""

    transaction: str
    requester: str
    affair: str
    items: tuple[str, ...]
    period: Period
    addressee_number: str
    asked_at: AwareDatetime
    due_at: AwareDatetime
    overdue: bool


class PendingInquiries(Reply):
    """Those that wait, the one due first first."""

    KIND: ClassVar[str] = "pending-inquiries.v1"
    pending: tuple[PendingShown, ...]


class AnswerByHand(Message):
    """Desk → own exchange: answer a waiting inquiry, with the copies as they are held (`items` null) or with these items."""

    KIND: ClassVar[str] = "answer-by-hand.v1"
    REPEATABLE: ClassVar[bool] = False
    staff: str
    transaction: Annotated[str, Field(pattern=TRANSACTION)]
    items: tuple[DatedItem, ...] | None = None


class WithholdByHand(Message):
    """Desk → own exchange: answer a waiting inquiry with nothing."""

    KIND: ClassVar[str] = "withhold-by-hand.v1"
    REPEATABLE: ClassVar[bool] = False
    staff: str
    transaction: Annotated[str, Field(pattern=TRANSACTION)]


class DecidedByHand(Reply):
    """What the requester will be told when it fetches the answer, unless a flag that withholds is set before."""

    KIND: ClassVar[str] = "decided-by-hand.v1"
    transaction: str
    outcome: Outcome


class LaterProvisionRequest(Message):
    """Requester → provider: the permit of an inquiry that was pending; has somebody answered it?"""

    KIND: ClassVar[str] = "later-provision-request.v1"
    permit: Envelope


class FetchAnswer(Message):
    """Desk → own exchange: fetch the answer to an own inquiry that was pending or was cut off."""

    KIND: ClassVar[str] = "fetch-answer.v1"
    staff: str
    transaction: Annotated[str, Field(pattern=TRANSACTION)]
