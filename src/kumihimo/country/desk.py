"""Desks (業務システム): the client parties of a country, as the command line and the scenarios use them.

A desk speaks with its own certificate and key like any business system of that institution; it has no short cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from kumihimo.country import topology
from kumihimo.country.layout import RESIDENT, Country
from kumihimo.country.supervisor import is_up, not_running
from kumihimo.domain.kernel import FourItems, PartyId, Problem, SystemClock
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Message, Reply
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.freshness import (
    CopyAlarms,
    DeclareDelivery,
    DeliveryDeclared,
    ItemDelivered,
    ShowCopyAlarms,
)
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.plumbing.wire.messages.ledger import (
    Accesses,
    AccessShown,
    Addressee,
    Addressees,
    ArrivalsEntered,
    CodesRequested,
    FindAddressee,
    IssueMissingCodes,
    OpenPortalAccount,
    PortalAccountOpened,
    ReportArrivals,
    ReportEvent,
    ShowAccesses,
    TakeIn,
)
from kumihimo.plumbing.wire.messages.lives import (
    AskUnacknowledged,
    Contradiction,
    Contradictions,
    SettleTask,
    ShowContradictions,
    ShowTasks,
    Task,
    Tasks,
    Unacknowledged,
)
from kumihimo.plumbing.wire.messages.provision import (
    CopiesPlaced,
    CopyOf,
    Inquire,
    Inquired,
    PutCopies,
    Records,
    RecordShown,
    ShowRecords,
)
from kumihimo.plumbing.wire.messages.residents import (
    Arrival,
    AssignCorporateNumber,
    CorporateNumberAssigned,
    FourItemsPart,
    RegisterEventKind,
)

R = TypeVar("R", bound=Reply)
CODE_ISSUING_SECONDS = 300.0


def edge_of(country: Country, party: PartyId) -> Edge:
    """The edge of a party of this country, with the keys that lie in its folder."""
    identity = Identity(party, country.keys(party))
    return Edge(identity, Directory.load(country.directory, identity.anchors()), SystemClock())


@contextmanager
def expected_up(country: Country) -> Iterator[None]:
    """Says that the country is down (country.not_running) where somebody in it cannot be reached for that reason."""
    try:
        yield
    except Problem as problem:
        here = (country.folder / "root").exists()  # not only a client that was carried away from it
        if problem.code == "peer.unreachable" and here and not is_up(country):
            raise not_running(country) from problem
        raise


@dataclass(frozen=True)
class Caller:
    """A client party with its connections."""

    country: Country
    party: PartyId

    @cached_property
    def edge(self) -> Edge:
        return edge_of(self.country, self.party)

    @cached_property
    def client(self) -> PeerClient:
        return PeerClient(self.edge, timeout=CODE_ISSUING_SECONDS)

    def ask(self, audience: PartyId, path: str, kind: type[Message], reply: type[R], **fields: Any) -> R:
        """Send one message and return the verified reply. Raises Problem, also value.invalid for what no message may say."""
        try:
            message = self.edge.message(kind, audience, **fields)
        except ValidationError as error:
            raise not_to_be_said(error) from None
        with expected_up(self.country):
            return self.client.send(path, message, reply).value


def not_to_be_said(error: ValidationError) -> Problem:
    """What is wrong with a field, without the value: it may be a number."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return Problem("value.invalid", first["msg"], where=where, advice="Enter it again.")


class Desk(Caller):
    """The business systems of one institution."""

    @classmethod
    def of(cls, country: Country, institution: str) -> Self:
        """Raises Problem(institution.unknown) for all but the institutions that hold information."""
        if institution not in country.institutions():
            known = ", ".join(country.institutions())
            raise Problem("institution.unknown", repr(institution), expected=f"one of {known}")
        return cls(country, topology.desk_of(institution))

    @property
    def institution(self) -> str:
        return self.party.partition("/")[0]

    def find(self, items: FourItems) -> Addressee:
        """The one addressee with these four items. Raises Problem(addressee.unknown, resident.ambiguous)."""
        reply = self.ask(
            topology.ledger_of(self.institution),
            "/finds",
            FindAddressee,
            Addressees,
            four_items=FourItemsPart.of(items),
        )
        return _only(reply.addressees, self.institution)

    def addressee(self, addressee_number: str) -> Addressee:
        """The addressee with this addressee number. Raises Problem(addressee.unknown)."""
        ledger = topology.ledger_of(self.institution)
        reply = self.ask(ledger, "/finds", FindAddressee, Addressees, addressee_number=addressee_number)
        return _only(reply.addressees, self.institution)

    def issue_missing_codes(self, basis: str) -> CodesRequested:
        """Have the ledger get link codes for everybody who lacks one."""
        ledger = topology.ledger_of(self.institution)
        return self.ask(ledger, "/code-issues", IssueMissingCodes, CodesRequested, basis=basis)

    def report(
        self,
        event: RegisterEventKind,
        on: date,
        addressee_number: str,
        items: FourItems | None,
        reason: str,
        other: str | None = None,
    ) -> Addressee:
        """Report an event of an addressee, or of two in a merge, to the registry, through the own ledger."""
        part = FourItemsPart.of(items) if items is not None else None
        reply = self.ask(
            topology.ledger_of(self.institution), "/events", ReportEvent, Addressees,
            event=event, on=on, addressee_number=addressee_number, four_items=part, reason=reason,
            other_addressee_number=other,
        )  # fmt: skip
        return _only(reply.addressees, self.institution)

    def report_arrivals(self, arrivals: tuple[Arrival, ...]) -> ArrivalsEntered:
        """Have births and move-ins registered, numbered and entered, at most `ARRIVALS` at once."""
        ledger = topology.ledger_of(self.institution)
        return self.ask(ledger, "/arrivals", ReportArrivals, ArrivalsEntered, arrivals=arrivals)

    def take_in(self, number: str, basis: str) -> Addressee:
        """Enter a resident by Individual Number, whose four items the registry then tells."""
        ledger = topology.ledger_of(self.institution)
        reply = self.ask(ledger, "/take-ins", TakeIn, Addressees, basis=basis, individual_number=number)
        return _only(reply.addressees, self.institution)

    def unacknowledged(self, older_than_seconds: int = 0) -> Unacknowledged:
        """Who has not acknowledged events that this municipality reported."""
        ledger = topology.ledger_of(self.institution)
        return self.ask(
            ledger, "/unacknowledged", AskUnacknowledged, Unacknowledged, older_than_seconds=older_than_seconds
        )

    def tasks(self) -> tuple[Task, ...]:
        """What merges and splits ask a person to look at."""
        return self.ask(topology.ledger_of(self.institution), "/tasks", ShowTasks, Tasks).tasks

    def settle_task(self, task: int) -> tuple[Task, ...]:
        """A person has looked at it; what is left. Raises Problem(task.unknown)."""
        return self.ask(topology.ledger_of(self.institution), "/settled-tasks", SettleTask, Tasks, task=task).tasks

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Copies of one person under two addressee numbers that contradict each other."""
        exchange = topology.exchange_of(self.institution)
        return self.ask(exchange, "/contradictions", ShowContradictions, Contradictions).contradictions

    def corporate_number(self, registered_name: str, seat: str) -> CorporateNumberAssigned:
        """The Corporate Number of a body; for a tax office."""
        return self.ask(
            topology.NUMBERING, "/corporate-numbers", AssignCorporateNumber, CorporateNumberAssigned,
            registered_name=registered_name, seat=seat,
        )  # fmt: skip

    def records(self, addressee_number: str | None, transaction: str | None) -> tuple[RecordShown, ...]:
        """The institution's own access records, newest first."""
        return self.ask(
            topology.exchange_of(self.institution), "/records", ShowRecords, Records,
            addressee_number=addressee_number, transaction=transaction,
        ).records  # fmt: skip

    def open_portal_account(self, addressee_number: str) -> str:
        """Open a portal account for somebody identified at the counter; the account id."""
        ledger = topology.ledger_of(self.institution)
        reply = self.ask(
            ledger, "/portal-accounts", OpenPortalAccount, PortalAccountOpened, addressee_number=addressee_number
        )
        return reply.account

    def inquire(
        self,
        *,
        staff: str,
        case: str,
        addressee_number: str,
        provider: str,
        affair: str,
        items: tuple[str, ...],
        period: Period,
    ) -> Inquired:
        """Ask a provider about an addressee. Raises Problem; a refusal by the hub is an outcome, not a problem."""
        return self.ask(
            topology.exchange_of(self.institution), "/inquiries", Inquire, Inquired,
            staff=staff, case_reference=case, addressee_number=addressee_number, provider=provider, affair=affair,
            items=items, period=period,
        )  # fmt: skip

    def place_copies(self, copies: tuple[CopyOf, ...], waiting: int = 0) -> CopiesPlaced:
        """Place copies of information items in the own exchange; `waiting` more are to come."""
        return self.ask(
            topology.exchange_of(self.institution), "/copies", PutCopies, CopiesPlaced, copies=copies, waiting=waiting
        )

    def declare_delivery(self, item: str, waiting: int) -> ItemDelivered:
        """Say how far an item is delivered, also when nothing had changed."""
        exchange = topology.exchange_of(self.institution)
        return self.ask(exchange, "/deliveries", DeclareDelivery, DeliveryDeclared, item=item, waiting=waiting).item

    def copy_alarms(self) -> CopyAlarms:
        """How the copies of every item stand, and what is wrong with them."""
        return self.ask(topology.exchange_of(self.institution), "/copy-alarms", ShowCopyAlarms, CopyAlarms)


class ResidentsBrowser(Caller):
    """Stands in for a resident's browser until the portal has pages and the card exists."""

    @classmethod
    def of(cls, country: Country) -> ResidentsBrowser:
        return cls(country, RESIDENT)

    def accesses(self, account: str) -> tuple[AccessShown, ...]:
        """The access records of an account, newest first."""
        return self.ask(topology.PORTAL, "/accesses", ShowAccesses, Accesses, account=account).accesses


def _only(found: tuple[Addressee, ...], institution: str) -> Addressee:
    if not found:
        raise Problem(
            "addressee.unknown", f"nobody in the ledger of {institution} fits",
            advice="Compare what was asked for with the document: all of it must fit.",
        )  # fmt: skip
    if len(found) > 1:
        raise Problem("resident.ambiguous", f"{len(found)} addressees of {institution} fit")
    return found[0]
