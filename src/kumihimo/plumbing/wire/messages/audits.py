"""Messages of the opening audit (開示監査): what an order names, what the institution opens, what the auditor found.

番号法 第六章 (報告及び立入検査). An order of the oversight body (`audit` in messages/oversight.py) goes to both operators first
and is logged; the institution opens nothing without both having seen it. Places of persons in a batch are counted from 0.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field, model_validator

from kumihimo.plumbing.wire.envelope import Document, Envelope, Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord

MOST_AUDITED = 100


class Audited(Part):
    """One inquiry about one person; `position` is the person's place where a transaction number covers a batch."""

    transaction: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    position: Annotated[int, Field(ge=0, lt=2**32)] = 0


class AuditOrdered(Part):
    """What an audit order demands: which inquiries, by when, and whether the addressee numbers go to the officer."""

    inquiries: Annotated[tuple[Audited, ...], Field(min_length=1, max_length=MOST_AUDITED)]
    disclose: bool
    due_at: AwareDatetime

    @model_validator(mode="after")
    def _each_once(self) -> AuditOrdered:
        if len(set(self.inquiries)) != len(self.inquiries):
            raise ValueError("an inquiry is named twice")
        return self


class OpenInquiries(Message):
    """Oversight body → exchange: open these inquiries.

    `order` is the signed order, `logged` its entry in the log with operator 1's promise, `seen` operator 2's signed
    `OrderCarriedOut`: without all three the exchange opens nothing.
    """

    KIND: ClassVar[str] = "open-inquiries.v1"
    order: Envelope
    logged: LoggedRecord
    seen: Envelope


class OpeningOf(Part):
    """What is sealed to the oversight body: link code and randomness (32 bytes each, base64), epoch of the domain.

    `held`: this is the code that the addressee has in the exchange today; not after a re-coding or a change of domain.
    """

    code: str
    randomness: str
    epoch: int
    held: bool


class DisclosedAddressee(Part):
    """What is sealed to the officer where the order says so: whom the institution's own record names."""

    addressee_number: str
    case_reference: str


class Opened(Part):
    """One inquiry opened, or the code of the problem for which it was not."""

    inquiry: Audited
    opening: str | None = None
    disclosed: str | None = None
    problem: str | None = None


class InquiriesOpened(Reply):
    """Exchange → oversight body: one for each inquiry of the order, in its order."""

    KIND: ClassVar[str] = "inquiries-opened.v1"
    order_hash: str
    opened: tuple[Opened, ...]


class KeyOf(Message):
    """Oversight body → each operator: the public key of a domain, computed without its institution (decision 0006)."""

    KIND: ClassVar[str] = "key-of.v1"
    label: str


class DomainKey(Reply):
    KIND: ClassVar[str] = "domain-key.v1"
    label: str
    key: str


class Verdict(StrEnum):
    """What came of the audit of one inquiry."""

    OPENED = "opened"  # code and randomness give the logged hash
    CONTRADICTED = "contradicted"  # they do not: the institution claims what it did not ask
    REFUSED = "refused"  # the institution answered and did not open it
    LATE = "late"  # no answer by the day of the order


class AuditFinding(Document):
    """What the auditor found of one inquiry, signed by the oversight body. It names no person.

    `person` numbers the different link codes of one order from 1, so that inquiries about one person can be told. `proof` is
    an offline proof file: the log holds the record whose `subject_hash` was recomputed. `answer_hash` is the digest of
    what the institution signed, which the body keeps where the verdict is not `opened`.
    """

    KIND: ClassVar[str] = "audit-finding.v1"
    number: int
    order_hash: str
    institution: str
    inquiry: Audited
    verdict: Verdict
    log_index: int
    subject_hash: str
    proof: str
    answer_hash: str | None = None
    problem: str | None = None
    person: int | None = None
    epoch: int | None = None
    held: bool | None = None
    found_at: AwareDatetime


class ShowAudits(Message):
    """Oversight officer → oversight body: audits, newest first; one of them when its order is named."""

    KIND: ClassVar[str] = "show-audits.v1"
    number: int | None = None


class FindingShown(Part):
    """A signed finding, and what the institution sealed to the officer with it."""

    finding: Envelope
    disclosed: str | None = None


class AuditShown(Part):
    """An audit: its order, whether anything is still awaited, and what was found."""

    number: int
    order_hash: str
    institution: str
    reason: str
    demanded: AuditOrdered
    concluded: bool
    findings: tuple[FindingShown, ...]


class Audits(Reply):
    KIND: ClassVar[str] = "audits.v1"
    audits: tuple[AuditShown, ...]
