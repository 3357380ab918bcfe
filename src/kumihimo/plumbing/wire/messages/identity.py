"""Messages between a desk and its addressee ledger about identity checks (本人確認の記録)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from kumihimo.domain.identity_check import Method, Printed, WhyNoPhoto
from kumihimo.plumbing.wire.envelope import Instant, Message, Part, Reply

MOST_DOCUMENTS = 8
Staff = Annotated[str, Field(min_length=1, max_length=100)]
Kind = Annotated[str, Field(min_length=1, max_length=60)]


class ReadFromCard(Part):
    """What a counter's terminal verified in the text application: the number, and the four items as the card writes them."""

    individual_number: str
    name: str
    address: str
    birth: date
    sex: str


class DocumentShown(Part):
    """A document that was looked at: its kind and what on it agrees with the person. Its number is not taken down."""

    kind: Kind
    agrees: tuple[Printed, ...]
    photo: bool = True
    expires: date | None = None
    issued: date | None = None


class RecordIdentityCheck(Message):
    """Desk → own ledger: an addressee was checked at the counter, by the card's chip or by documents (exactly one of them)."""

    KIND: ClassVar[str] = "record-identity-check.v1"
    addressee_number: str
    staff: Staff
    card: ReadFromCard | None = None
    documents: Annotated[tuple[DocumentShown, ...], Field(max_length=MOST_DOCUMENTS)] = ()
    why_no_photo: WhyNoPhoto | None = None


class ShowIdentityChecks(Message):
    """Desk → own ledger: the checks made of an addressee."""

    KIND: ClassVar[str] = "show-identity-checks.v1"
    addressee_number: str


class IdentityCheckShown(Part):
    """One check: what it rests on, who made it, and when. `result` is `verified`, or the problem that it ended in."""

    method: Method
    documents: tuple[str, ...]
    articles: tuple[str, ...]
    why_no_photo: WhyNoPhoto | None
    staff: str
    checked_at: Instant
    result: str


class IdentityChecks(Reply):
    """The checks made of an addressee, newest first; at most 1,000."""

    KIND: ClassVar[str] = "identity-checks.v1"
    addressee_number: str
    checks: tuple[IdentityCheckShown, ...]
