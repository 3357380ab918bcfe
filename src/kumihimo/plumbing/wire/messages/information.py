"""Messages of self-disclosure (自己情報): the affairs the portal asks under, and corrections a person asks for.

The portal asks by the messages of every inquiry. A correction names the transaction by which the person saw what is wrong:
the provider knows from its own record whom that was about, so that nobody is identified anew.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply
from kumihimo.plumbing.wire.messages.by_hand import TRANSACTION

OWN: Final = "self-disclosure.own"
REPRESENTED: Final = "self-disclosure.represented"
MOST_SAID: Final = 2_000  # characters
_Said = Annotated[str, Field(min_length=1, max_length=MOST_SAID)]
_Reference = Annotated[str, Field(pattern=TRANSACTION)]


def correction_binding(reference: str, way: str) -> bytes:
    """What a sealed text of a correction is bound to; `way` is `asked` or `answered`."""
    return f"kumihimo/correction/v1\n{reference}\n{way}\n".encode()


class CorrectionState(StrEnum):
    """How an asked correction stands."""

    ASKED = "asked"
    CORRECTED = "corrected"
    NOT_CORRECTED = "not_corrected"


class SaidText(Part):
    """What is inside a sealed text."""

    says: _Said


class AskCorrection(Message):
    """Portal → provider's exchange: the person says that an item they were shown is wrong.

    `sealed` is a SaidText (HPKE, base64) for the exchange. The same reference again is the same correction.
    """

    KIND: ClassVar[str] = "ask-correction.v1"
    reference: _Reference
    transaction: _Reference
    item: Annotated[str, Field(max_length=80)]
    sealed: str


class CorrectionTaken(Reply):
    KIND: ClassVar[str] = "correction-taken.v1"
    reference: str


class LookAtCorrections(Message):
    """Portal → provider's exchange: how these stand."""

    KIND: ClassVar[str] = "look-at-corrections.v1"
    references: Annotated[tuple[_Reference, ...], Field(min_length=1, max_length=100)]


class CorrectionStands(Part):
    """How one stands; `sealed` is the answer, a SaidText (HPKE, base64) for the portal."""

    reference: str
    state: CorrectionState
    answered_at: AwareDatetime | None = None
    sealed: str | None = None


class CorrectionsStand(Reply):
    """Those that are known here."""

    KIND: ClassVar[str] = "corrections-stand.v1"
    corrections: tuple[CorrectionStands, ...]


class ShowCorrections(Message):
    """Desk → own exchange: corrections people asked for, the unanswered ones first, the oldest first."""

    KIND: ClassVar[str] = "show-corrections.v1"


class CorrectionShown(Part):
    """A correction as the desk sees it."""

    reference: str
    transaction: str
    addressee_number: str
    item: str
    says: str
    asked_at: AwareDatetime
    state: CorrectionState
    answer: str | None
    staff: str | None
    answered_at: AwareDatetime | None


class Corrections(Reply):
    KIND: ClassVar[str] = "corrections.v1"
    corrections: tuple[CorrectionShown, ...]


class AnswerCorrection(Message):
    """Desk → own exchange: whether it was corrected, and what the person is told."""

    KIND: ClassVar[str] = "answer-correction.v1"
    staff: str
    reference: _Reference
    corrected: bool
    answer: _Said


class CorrectionAnswered(Reply):
    KIND: ClassVar[str] = "correction-answered.v1"
    reference: str
    state: CorrectionState
