"""Messages of notices (お知らせの配信): an institution's exchange → portal, by mailboxes that were opened through the hub once.

A mailbox is a random handle that an exchange drew for one addressee. Both operators translate the addressee's code towards the
portal, as they do with a ticket's, so that the portal knows whose mailbox it is and neither operator does. From then on
notices go to the portal directly: nobody in the middle sees who writes to whom, or how often.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator

from kumihimo.plumbing.wire.envelope import Message, Part, Reply, from_b64
from kumihimo.plumbing.wire.messages.codes import BlindCode, TranslateCodes

CHUNK: Final = 1_000  # recipients in one message
MOST_RECIPIENTS: Final = 100_000  # of one notice
MOST_ATTACHED: Final = 3 * 1024 * 1024  # bytes of all attachments
FEWEST_COUNTED: Final = 10  # where fewer received a notice, how many opened it would tell of persons
REFERENCE: Final = r"^[0-9a-f]{32}$"
_Reference = Annotated[str, Field(pattern=REFERENCE)]
_Value = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class OpenMailboxes(TranslateCodes):
    """Exchange → operator 1: mailboxes at the portal for these addressees' codes; the tickets are the mailboxes' handles.

    `institution` is the portal's; the codes are in the exchange's own domain, in `epoch` of it.
    """

    KIND: ClassVar[str] = "open-mailboxes.v1"


class MailboxesOpened(Part):
    """An item of operator 2's feed to the portal (feed kind `mailboxes`): handles of `institution`, codes for the portal."""

    institution: str
    codes: tuple[BlindCode, ...]
    epoch: int | None = None


class NoticeKind(StrEnum):
    """What a notice is, so that it can be told apart at a glance."""

    INFORMATION = "information"
    DECISION = "decision"  # 処分の通知
    INVITATION = "invitation"  # to something one may ask for
    REQUEST = "request"  # something has to be done
    EMERGENCY = "emergency"  # wakes in quiet hours too


class Words(Part):
    """A text in Japanese, and in English where the institution has it; `{name}` stands for a recipient's own value."""

    ja: Annotated[str, Field(min_length=1, max_length=8_000)]
    en: Annotated[str, Field(min_length=1, max_length=8_000)] | None = None


class Attachment(Part):
    """A file for all recipients."""

    name: Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]{1,100}$")]
    media_type: Annotated[
        str, Field(pattern=r"^(application/pdf|image/png|image/jpeg|text/plain|text/csv|text/calendar)$")
    ]
    content: str  # base64

    def data(self) -> bytes:
        """The bytes. Raises Problem(message.malformed)."""
        return from_b64(self.content, "attachments.content")


class NoticeContent(Part):
    """What all recipients of a notice get. `deadline` is the last day for what it asks; `reply` whether it can be answered."""

    kind: NoticeKind = NoticeKind.INFORMATION
    title: Words
    body: Words
    deadline: date | None = None
    reply: bool = False
    procedure: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{2,60}$")] | None = (
        None  # that can be applied for from it
    )
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=5)] = ()

    @field_validator("title")
    @classmethod
    def _short(cls, title: Words) -> Words:
        if any(len(one) > 120 or not one.isprintable() for one in (title.ja, title.en or "")):
            raise ValueError("a title is one line of at most 120 characters")
        return title

    @model_validator(mode="after")
    def _not_too_much(self) -> Self:
        if sum(len(one.content) for one in self.attachments) * 3 // 4 > MOST_ATTACHED:
            raise ValueError(f"attachments of more than {MOST_ATTACHED} bytes")
        return self


Values = Annotated[dict[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")], _Value], Field(max_length=20)]


class AnnounceNotice(Message):
    """Exchange → portal: what the recipients that follow get. The same again changes nothing."""

    KIND: ClassVar[str] = "announce-notice.v1"
    notice: _Reference
    content: NoticeContent


class NoticeAnnounced(Reply):
    KIND: ClassVar[str] = "notice-announced.v1"
    notice: str


class NoticeFor(Part):
    """One recipient: the mailbox's handle (32 bytes, base64), a place among the recipients, and their own values."""

    mailbox: str
    position: Annotated[int, Field(ge=0, lt=MOST_RECIPIENTS)]
    values: Values = Field(default_factory=dict)


class DeliverNotices(Message):
    """Exchange → portal: an announced notice for these. The same position again changes nothing."""

    KIND: ClassVar[str] = "deliver-notices.v1"
    notice: _Reference
    recipients: Annotated[tuple[NoticeFor, ...], Field(min_length=1, max_length=CHUNK)]


class NoticesDelivered(Reply):
    """`unknown`: the positions whose mailbox has not reached the portal yet; they must be sent again."""

    KIND: ClassVar[str] = "notices-delivered.v1"
    unknown: tuple[int, ...]


class LookAtNotices(Message):
    """Exchange → portal: what became of these."""

    KIND: ClassVar[str] = "look-at-notices.v1"
    notices: Annotated[tuple[_Reference, ...], Field(min_length=1, max_length=100)]


class Opening(Part):
    """Somebody who allows it is told to have opened a notice."""

    position: int
    opened_at: AwareDatetime


class NoticeStands(Part):
    """How many have a notice in their inbox and how many opened it (null where fewer than 10 have it: `FEWEST_COUNTED`);
    and who opened it, of those alone who let that institution know.
    """

    notice: str
    delivered: int
    opened: int | None
    openings: tuple[Opening, ...]


class NoticesStand(Reply):
    KIND: ClassVar[str] = "notices-stand.v1"
    notices: tuple[NoticeStands, ...]


class AnswerNotice(Message):
    """Portal → exchange: a recipient answers a notice. `sealed` is a SaidText (HPKE, base64). Once a position and reference."""

    KIND: ClassVar[str] = "answer-notice.v1"
    reference: _Reference
    notice: _Reference
    position: Annotated[int, Field(ge=0, lt=MOST_RECIPIENTS)]
    sealed: str


class AnswerTaken(Reply):
    KIND: ClassVar[str] = "answer-taken.v1"
    reference: str


def answer_binding(reference: str) -> bytes:
    """What the sealed text of an answer is bound to."""
    return f"kumihimo/notice-answer/v1\n{reference}\n".encode()
