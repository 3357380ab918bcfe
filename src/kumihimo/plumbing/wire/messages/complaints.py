"""Messages of complaints (苦情・申出): a resident does not recognise an access; the oversight body looks into it and answers.

The record goes along with its proof, so that the oversight body knows that it stands in the log. Who complains it does not learn:
the record names nobody, and what they wrote is sealed to it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply
from kumihimo.plumbing.wire.messages.notices import REFERENCE

_Reference = Annotated[str, Field(pattern=REFERENCE)]
_Said = Annotated[str, Field(min_length=1, max_length=2_000)]


def complaint_binding(reference: str, way: str) -> bytes:
    """What a sealed text of a complaint is bound to; `way` is `complained` or `answered`."""
    return f"kumihimo/complaint/v1\n{reference}\n{way}\n".encode()


class ComplaintState(StrEnum):
    """How a complaint stands."""

    RECEIVED = "received"
    IN_WORK = "in_work"
    JUSTIFIED = "justified"  # the access should not have been
    NOT_JUSTIFIED = "not_justified"


class Complain(Message):
    """Portal → oversight body: somebody does not recognise an access.

    `proof` is the access proof file (protocols.md, 15); `sealed` a SaidText (HPKE, base64). The same reference is the same one.
    """

    KIND: ClassVar[str] = "complain.v1"
    reference: _Reference
    proof: Annotated[str, Field(max_length=200_000)]
    sealed: str


class ComplaintTaken(Reply):
    KIND: ClassVar[str] = "complaint-taken.v1"
    reference: str


class LookAtComplaints(Message):
    """Portal → oversight body: how these stand."""

    KIND: ClassVar[str] = "look-at-complaints.v1"
    references: Annotated[tuple[_Reference, ...], Field(min_length=1, max_length=100)]


class ComplaintStands(Part):
    """How one stands; `sealed` is what the resident is told, a SaidText (HPKE, base64) for the portal."""

    reference: str
    state: ComplaintState
    changed_at: AwareDatetime
    sealed: str | None = None


class ComplaintsStand(Reply):
    KIND: ClassVar[str] = "complaints-stand.v1"
    complaints: tuple[ComplaintStands, ...]


class ShowComplaints(Message):
    """Officer → oversight body: all of them, the open ones first."""

    KIND: ClassVar[str] = "show-complaints.v1"


class ComplaintShown(Part):
    """A complaint as an officer sees it: the access it is about, and what was written."""

    reference: str
    log_index: int
    transaction: str | None
    requester: str | None
    provider: str | None
    affair: str | None
    items: tuple[str, ...]
    logged_at: AwareDatetime
    says: str
    complained_at: AwareDatetime
    state: ComplaintState
    changed_at: AwareDatetime
    answer: str | None


class Complaints(Reply):
    KIND: ClassVar[str] = "complaints.v1"
    complaints: tuple[ComplaintShown, ...]


class AnswerComplaint(Message):
    """Officer → oversight body: how it stands from now on, and what the resident is told."""

    KIND: ClassVar[str] = "answer-complaint.v1"
    reference: _Reference
    state: ComplaintState
    answer: _Said


class ComplaintAnswered(Reply):
    KIND: ClassVar[str] = "complaint-answered.v1"
    reference: str
    state: ComplaintState
