"""Messages between a desk and its own addressee ledger (団体内統合宛名), and of portal accounts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.plumbing.wire.messages.residents import (
    ARRIVALS,
    Arrival,
    FourItemsPart,
    RegisterEventKind,
    RejectedArrival,
    Standing,
)


class TakeIn(Message):
    """Desk → ledger: find the resident in the registry by number or four items and give an addressee number."""

    KIND: ClassVar[str] = "take-in.v1"
    basis: str
    individual_number: str | None = None
    four_items: FourItemsPart | None = None


class FindAddressee(Message):
    """Desk → ledger: find an addressee by addressee number, Individual Number or four items."""

    KIND: ClassVar[str] = "find-addressee.v1"
    addressee_number: str | None = None
    individual_number: str | None = None
    four_items: FourItemsPart | None = None


class Addressee(Part):
    """One person as the institution knows them; the Individual Number is shown by its last four digits only."""

    addressee_number: str
    masked_number: str
    four_items: FourItemsPart
    alive: bool
    version: int
    standing: Standing = Standing.ACTIVE


class Addressees(Reply):
    KIND: ClassVar[str] = "addressees.v1"
    addressees: tuple[Addressee, ...]


class ReportEvent(Message):
    """Municipal desk → own ledger: something happened to an addressee; the ledger reports it to the registry by number."""

    KIND: ClassVar[str] = "report-event.v1"
    REPEATABLE: ClassVar[bool] = False
    event: RegisterEventKind
    on: date
    addressee_number: str
    four_items: FourItemsPart | None = None
    reason: str = ""
    other_addressee_number: str | None = None


class ReportArrivals(Message):
    """Municipal desk → own ledger: births and move-ins, to be registered, numbered and entered."""

    KIND: ClassVar[str] = "report-arrivals.v1"
    REPEATABLE: ClassVar[bool] = False
    arrivals: Annotated[tuple[Arrival, ...], Field(min_length=1, max_length=ARRIVALS)]


class ArrivalsEntered(Reply):
    """The new residents as addressees, in the order of those taken, and what was wrong with the others."""

    KIND: ClassVar[str] = "arrivals-entered.v1"
    addressees: tuple[Addressee, ...]
    rejected: tuple[RejectedArrival, ...] = ()


class IssueMissingCodes(Message):
    """Desk → ledger: get link codes for all addressees that lack one."""

    KIND: ClassVar[str] = "issue-missing-codes.v1"
    basis: str


class CodesRequested(Reply):
    KIND: ClassVar[str] = "codes-requested.v1"
    requested: int
    refused: int


class OpenPortalAccount(Message):
    """Municipal desk → ledger: the addressee, identified at the counter, opens a portal account."""

    KIND: ClassVar[str] = "open-portal-account.v1"
    addressee_number: str


class PortalTicket(Message):
    """Municipal ledger → portal: a new account; its link code will arrive under this ticket."""

    KIND: ClassVar[str] = "portal-ticket.v1"
    ticket: str


class PortalAccountOpened(Reply):
    KIND: ClassVar[str] = "portal-account-opened.v1"
    account: str


class ShowAccesses(Message):
    """The resident (here: a client of the portal) → portal: the access records of an account."""

    KIND: ClassVar[str] = "show-accesses.v1"
    account: str


class AccessShown(Part):
    """One access as the portal shows it; `sentence` in both languages; proof file once the log has it.

    `proof_problem` is the code of what stood against making a proof; None also while the log has not come so far yet.
    """

    transaction: str
    record: LogRecord
    outcome: LogRecord | None = None
    sentence_ja: str
    sentence_en: str
    proof: str | None = None  # the offline proof file, JSON
    outcome_proof: str | None = None
    proof_problem: str | None = None
    received_at: AwareDatetime


class Accesses(Reply):
    KIND: ClassVar[str] = "accesses.v1"
    account: str
    accesses: tuple[AccessShown, ...]
