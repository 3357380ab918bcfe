"""Addressees (団体内統合宛名): taking residents in from the registry, following what happens to them, finding them again.

The registry is asked by number or by all four items, never by name alone (the wrong links found in 2023 came from look-ups
without the address); when it knows nobody, or more than one, nobody is taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kumihimo.domain.kernel import AddresseeNumber, Clock, FourItems, IndividualNumber, Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.ledger import Addressee, FindAddressee, TakeIn
from kumihimo.plumbing.wire.messages.residents import (
    FourItemsPart,
    LookUp,
    LookUpResult,
    ResidentSnapshot,
)
from kumihimo.roles.gateway.service.lines import REGISTRY, Line
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.persons import Entry, Person

RESIDENT_EVENTS: Final = "resident"


@dataclass(frozen=True)
class Addressees:
    """The service around one ledger."""

    store: LedgerStore
    edge: Edge
    line: Line

    @property
    def clock(self) -> Clock:
        return self.edge.clock

    def take_in(self, message: TakeIn) -> tuple[Addressee, ...]:
        """Find one resident in the registry and enter them, once.

        Raises Problem(value.invalid, number.format, number.check_digit, resident.unknown, resident.ambiguous,
        peer.unreachable), and what the registry refuses.
        """
        criterion = _one_of(individual_number=message.individual_number, four_items=message.four_items)
        number, items = message.individual_number, message.four_items
        asked: dict[str, Any] = {"basis": message.basis}
        match criterion:
            case "individual_number":
                asked["individual_number"] = IndividualNumber.parse(number or "", criterion).digits
            case _:
                asked["four_items"] = FourItemsPart.of(_read(items))
        position = self.store.feed_position(REGISTRY)
        person = self._look_up(asked)
        (entry,) = self.store.enter([person], self.clock.now())
        if self.store.feed_position(REGISTRY) != position:
            # An event of this person may have come, and been passed over, between the look-up and the entry.
            by_number = {"basis": message.basis, "individual_number": person.individual_number.digits}
            (entry,) = self.store.enter([self._look_up(by_number)], self.clock.now())
        return (shown(entry),)

    def find(self, message: FindAddressee) -> tuple[Addressee, ...]:
        """Entries by addressee number, by Individual Number (also a former one) or by four items; may be none.

        Raises Problem(value.invalid) unless exactly one of them is given, and the problems of a mistyped one.
        """
        criterion = _one_of(
            addressee_number=message.addressee_number,
            individual_number=message.individual_number,
            four_items=message.four_items,
        )
        match criterion:
            case "addressee_number":
                number = AddresseeNumber.parse(message.addressee_number or "", criterion)
                found = [self.store.by_addressee_number(number)]
            case "individual_number":
                digits = IndividualNumber.parse(message.individual_number or "", criterion)
                found = [self.store.by_individual_number(digits)]
            case _:
                return tuple(shown(entry) for entry in self.store.by_four_items(_read(message.four_items)))
        return tuple(shown(entry) for entry in found if entry is not None)

    def entry(self, addressee_number: str) -> Entry:
        """The entry with this addressee number. Raises Problem(addressee_number.format|check_digit, addressee.unknown)."""
        number = AddresseeNumber.parse(addressee_number, "addressee_number")
        found = self.store.by_addressee_number(number)
        if found is None:
            raise Problem("addressee.unknown", str(number), "addressee_number", "a number of this ledger")
        return found

    def _look_up(self, asked: Mapping[str, Any]) -> Person:
        message = self.edge.message(LookUp, REGISTRY, **asked)
        found = self.line.send("/look-ups", message, LookUpResult).value.residents
        if len(found) > 1:
            raise Problem(
                "resident.ambiguous",
                f"{len(found)} residents fit",
                expected="one resident",
                advice="Ask for the Individual Number and take the person in by it.",
            )
        if not found:
            raise Problem(
                "resident.unknown",
                "the registry knows nobody like that",
                expected="a resident",
                advice="Compare number or four items with the document.",
            )
        return person_of(found[0])


def person_of(snapshot: ResidentSnapshot) -> Person:
    """The registry's state of a resident, read. Raises Problem."""
    return Person(
        individual_number=IndividualNumber.parse(snapshot.individual_number, "individual_number"),
        four_items=snapshot.four_items.read(),
        residence=snapshot.municipality,
        version=snapshot.version,
        alive=snapshot.alive,
        died_on=snapshot.died_on,
        former_numbers=tuple(
            IndividualNumber.parse(number, "former_numbers")
            for number in snapshot.former_numbers
            if number not in snapshot.merged_numbers
        ),
        standing=snapshot.standing,
        merged_into=IndividualNumber.parse(snapshot.merged_into, "merged_into") if snapshot.merged_into else None,
        merged_numbers=tuple(IndividualNumber.parse(number, "merged_numbers") for number in snapshot.merged_numbers),
    )


def shown(entry: Entry) -> Addressee:
    """An entry as a desk may see it."""
    return Addressee(
        addressee_number=entry.addressee_number.digits,
        masked_number=str(entry.person.individual_number),
        four_items=FourItemsPart.of(entry.person.four_items),
        alive=entry.person.alive,
        version=entry.person.version,
        standing=entry.person.standing,
    )


def _read(part: FourItemsPart | None) -> FourItems:
    assert part is not None  # noqa: S101 - chosen by _one_of
    return part.read()


def _one_of(**criteria: object) -> str:
    given = [name for name, value in criteria.items() if value is not None]
    if len(given) != 1:
        names: Iterable[str] = criteria
        raise Problem(
            "value.invalid",
            f"{len(given)} criteria: {', '.join(given)}" if given else "no criterion",
            expected=f"exactly one of {', '.join(names)}",
        )
    return given[0]
