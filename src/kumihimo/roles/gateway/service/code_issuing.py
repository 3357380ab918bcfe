"""Getting link codes (符号取得, 番号法第二十一条第二項): the ledger's part of the ticket protocol.

For everybody without a code the ledger draws a ticket, tells its own exchange whom the ticket is for and the registry whose
Individual Number it stands for. Neither of the two learns the other half, and the ledger never sees the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from kumihimo.domain.kernel import (
    AddresseeNumber,
    IndividualNumber,
    PartyId,
    Problem,
    RandomSource,
    institution_of,
    party_id,
)
from kumihimo.domain.kernel.errors import CATALOGUE
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.codes import (
    BATCH,
    CodesUnderWay,
    ExpectCodes,
    ExpectedCodes,
    IssueCodes,
    LackCodes,
    TicketFor,
    TicketOf,
    WhichLackCodes,
)
from kumihimo.plumbing.wire.messages.ledger import PortalAccountOpened, PortalTicket
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.gateway.service.lines import REGISTRY, Line
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.persons import Entry

TICKET_BYTES: Final = 32
MUNICIPALITY: Final = "municipality"
log = structlog.get_logger()


@dataclass(frozen=True)
class Requested:
    """How many codes are under way, and how many tickets the registry refused."""

    requested: int
    refused: int


@dataclass(frozen=True)
class CodeIssuing:
    """The ledger asking for codes of its own institution, and for the portal at a municipality's counter."""

    store: LedgerStore
    edge: Edge
    line: Line
    randomness: RandomSource

    def issue_missing(self, basis: str) -> Requested:
        """Ask for codes of everybody alive who has none and none under way.

        Raises Problem when exchange or registry cannot be reached or refuse; what was asked before stays asked, and
        asking again goes on where it stopped.
        """
        requested = refused = 0
        for batch in self.store.living(BATCH):
            done = self.issue_for(batch, basis)
            requested += done.requested
            refused += done.refused
        log.info("codes.requested", count=requested)
        return Requested(requested, refused)

    def issue_for(self, people: Sequence[tuple[AddresseeNumber, IndividualNumber]], basis: str) -> Requested:
        """Ask for codes of those among at most `BATCH` people who lack one. Raises Problem as `issue_missing`."""
        numbers = dict(people)
        lacking = self._lacking(numbers)
        if not lacking:
            return Requested(0, 0)
        answer = self._ask([(number, numbers[number]) for number in lacking], basis)
        return Requested(answer.accepted, len(answer.refused))

    def open_portal_account(self, entry: Entry) -> str:
        """Open a portal account for somebody identified at the counter; returns the account. Nothing of it is kept here.

        Raises Problem(peer.not_allowed) for an institution that is no municipality, resident.event_invalid for somebody
        dead, and what portal and registry refuse.
        """
        institution = self.edge.directory.institution_of(self.edge.party)
        if MUNICIPALITY not in institution.classes:
            raise Problem(
                "peer.not_allowed",
                f"{institution.id} is no municipality",
                expected="a municipality, which identifies people at its counter",
            )
        if not entry.person.alive:
            raise Problem("resident.event_invalid", "the resident has died", expected="a living resident")
        ticket = self._ticket()
        opening = self.edge.message(PortalTicket, PORTAL, ticket=ticket)
        account = self.line.send("/accounts", opening, PortalAccountOpened).value.account
        number = entry.person.individual_number.digits
        asking = self.edge.message(
            IssueCodes,
            REGISTRY,
            institution=PORTAL.partition("/")[0],
            basis="portal-account",
            tickets=(TicketOf(ticket=ticket, individual_number=number),),
        )
        answer = self.line.send("/code-issues", asking, CodesUnderWay).value
        for refusal in answer.refused:
            code = refusal.code if refusal.code in CATALOGUE else "internal"
            raise Problem(code, "the registry issues no code for this resident", advice="Look the resident up again.")
        return account

    def _lacking(self, numbers: Iterable[AddresseeNumber]) -> list[AddresseeNumber]:
        asking = self.edge.message(
            WhichLackCodes, self._exchange, addressee_numbers=tuple(number.digits for number in numbers)
        )
        answer = self.line.send("/lacking-codes", asking, LackCodes).value
        return [AddresseeNumber(digits) for digits in answer.addressee_numbers]

    def _ask(self, people: list[tuple[AddresseeNumber, IndividualNumber]], basis: str) -> CodesUnderWay:
        tickets = [self._ticket() for _ in people]
        announced = tuple(
            TicketFor(ticket=ticket, addressee_number=own.digits)
            for ticket, (own, _) in zip(tickets, people, strict=True)
        )
        self.line.send(
            "/expected-codes", self.edge.message(ExpectCodes, self._exchange, tickets=announced), ExpectedCodes
        )
        asked = tuple(
            TicketOf(ticket=ticket, individual_number=number.digits)
            for ticket, (_, number) in zip(tickets, people, strict=True)
        )
        message = self.edge.message(
            IssueCodes, REGISTRY, institution=institution_of(self.edge.party), basis=basis, tickets=asked
        )
        return self.line.send("/code-issues", message, CodesUnderWay).value

    @property
    def _exchange(self) -> PartyId:
        return party_id(institution_of(self.edge.party), "exchange")

    def _ticket(self) -> str:
        return b64(self.randomness.token_bytes(TICKET_BYTES))
