"""Persons as the ledger keeps them (宛名): number, four items and residence, as the registry last told them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kumihimo.domain.kernel import Address, AddresseeNumber, FourItems, IndividualNumber, PersonName, Sex
from kumihimo.plumbing.wire.messages.residents import Standing


@dataclass(frozen=True)
class Person:
    """One resident in one version; `residence` is the institution id of the municipality of residence."""

    individual_number: IndividualNumber
    four_items: FourItems
    residence: str
    version: int = 1
    alive: bool = True
    died_on: date | None = None
    former_numbers: tuple[IndividualNumber, ...] = ()
    standing: Standing = Standing.ACTIVE
    merged_into: IndividualNumber | None = None
    merged_numbers: tuple[IndividualNumber, ...] = ()

    def numbers(self) -> tuple[str, ...]:
        """Every number this registration has had, the present one first; those of merged registrations are not among them."""
        return (self.individual_number.digits, *(former.digits for former in self.former_numbers))


@dataclass(frozen=True)
class Entry:
    """A person with the institution's own number for them."""

    addressee_number: AddresseeNumber
    person: Person


def person_columns(person: Person) -> dict[str, Any]:
    """The columns of a person, without the institution's own."""
    items = person.four_items
    return {
        **items.name.to_dict(),
        **items.address.to_dict(),
        "birth": items.birth,
        "sex": items.sex.name.lower(),
        "name_key": items.name.key(),
        "address_key": items.address.key(),
        "individual_number": person.individual_number.digits,
        "residence": person.residence,
        "alive": person.alive,
        "died_on": person.died_on,
        "version": person.version,
        "standing": person.standing.value,
        "merged_into": person.merged_into.digits if person.merged_into is not None else None,
    }


def entry_of(row: Any) -> Entry:
    """An entry out of a row of the table `addressee`."""
    items = FourItems(
        PersonName(row.family, row.given, row.family_kana, row.given_kana),
        Address(row.prefecture, row.municipality, row.lines, row.building, row.code),
        row.birth,
        Sex.parse(row.sex),
    )
    person = Person(
        individual_number=IndividualNumber(row.individual_number),
        four_items=items,
        residence=row.residence,
        version=row.version,
        alive=row.alive,
        died_on=row.died_on,
        standing=Standing(row.standing),
        merged_into=IndividualNumber(row.merged_into) if row.merged_into is not None else None,
    )
    return Entry(AddresseeNumber(row.addressee_number), person)
