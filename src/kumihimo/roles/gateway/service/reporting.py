"""Reporting to the registry (住民異動の届出): what happens to a municipality's residents, told by addressee number.

The desk names people by the municipality's own number; the Individual Number is looked up here and goes to the registry only
(住民基本台帳法第三十条の六). New residents are entered at once, so that the desk can go on with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.plumbing.wire.messages.ledger import Addressee, ReportArrivals, ReportEvent
from kumihimo.plumbing.wire.messages.residents import (
    ArrivalsRegistered,
    RegisterArrivals,
    RegisterEvent,
    RegisterEventAccepted,
    RejectedArrival,
)
from kumihimo.roles.gateway.service.addressees import Addressees, person_of, shown
from kumihimo.roles.gateway.service.lines import REGISTRY
from kumihimo.roles.gateway.store.persons import Entry


@dataclass(frozen=True)
class Reporting:
    """The municipality's reports around one ledger."""

    addressees: Addressees

    def report(self, message: ReportEvent) -> Addressee:
        """Report an event of an addressee and follow it in the ledger.

        Raises Problem(addressee_number.*, addressee.unknown, peer.unreachable), and what the registry refuses.
        """
        entry = self.addressees.entry(message.addressee_number)
        edge = self.addressees.edge
        other = message.other_addressee_number
        event = edge.message(
            RegisterEvent,
            REGISTRY,
            event=message.event,
            on=message.on,
            individual_number=entry.person.individual_number.digits,
            four_items=message.four_items,
            reason=message.reason,
            other_number=self._registered(other).person.individual_number.digits if other is not None else None,
        )
        accepted = self.addressees.line.send("/events", event, RegisterEventAccepted).value
        (now,) = self.addressees.store.enter([person_of(accepted.resident)], edge.clock.now())
        self.addressees.store.follow_all([person_of(one) for one in accepted.others], edge.clock.now())
        return shown(self.addressees.store.standing_for(now))

    def _registered(self, addressee_number: str) -> Entry:
        """The entry with this addressee number itself, so that a merge names who is meant. Raises Problem."""
        number = AddresseeNumber.parse(addressee_number, "other_addressee_number")
        found = self.addressees.store.registered_as(number.digits)
        if found is None:
            raise Problem("addressee.unknown", str(number), "other_addressee_number", "a number of this ledger")
        return found

    def arrive(self, message: ReportArrivals) -> tuple[tuple[Addressee, ...], tuple[RejectedArrival, ...]]:
        """Have births and move-ins registered and numbered, and enter them. Raises Problem as `report`."""
        edge = self.addressees.edge
        reply = self.addressees.line.send(
            "/arrivals", edge.message(RegisterArrivals, REGISTRY, arrivals=message.arrivals), ArrivalsRegistered
        ).value
        persons = [person_of(resident) for resident in reply.residents]
        entries = self.addressees.store.enter(persons, edge.clock.now()) if persons else []
        return tuple(shown(entry) for entry in entries), reply.rejected
