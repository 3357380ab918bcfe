"""The addressee ledger's queries (団体内統合宛名台帳): give numbers in order of entry, follow the registry, find people.

Every public method is one transaction. What happens to a person is applied by the registry's version: an older or equal
version changes nothing, so that an event may come twice or late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, select

from kumihimo.domain.kernel.numbers import AddresseeNumber, IndividualNumber
from kumihimo.domain.kernel.person import FourItems
from kumihimo.plumbing.storage import get_cursor
from kumihimo.roles.gateway.store.ledger import addressee, feed_cursor, former_number, serial
from kumihimo.roles.gateway.store.persons import Entry, Person, entry_of, person_columns
from kumihimo.roles.gateway.store.upserts import dialect_insert, upsert

_CHUNK: Final = 2_000


class LedgerStore:
    """One institution's ledger in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution

    def feed_position(self, source: str) -> int:
        """How far the feed of `source` has been applied."""
        with self._engine.connect() as conn:
            return get_cursor(conn, feed_cursor, source)

    def enter(self, persons: Sequence[Person], at: datetime) -> list[Entry]:
        """Give a number to everybody who has none, bring the others up to date; entries in the order of `persons`."""
        with self._engine.begin() as conn:
            return self._enter(conn, persons, at)

    def follow(self, conn: Connection, person: Person, at: datetime) -> bool:
        """Apply the registry's state of one person inside the feed reader's transaction; whether anything changed.

        Somebody new who lives here is entered: a municipality's ledger holds all its residents. Others are left alone.
        """
        known = self._known(conn, person.numbers())
        entry = self._pick(known, person)
        if entry is not None:
            return self._renew(conn, entry, person, at)
        if person.residence != self._institution:
            return False
        self._enter(conn, [person], at)
        return True

    def by_addressee_number(self, number: AddresseeNumber) -> Entry | None:
        """The entry with this addressee number."""
        found = self._find(self._own().where(addressee.c.addressee_number == number.digits))
        return found[0] if found else None

    def by_individual_number(self, number: IndividualNumber) -> Entry | None:
        """The entry whose person has, or once had, this Individual Number."""
        with self._engine.connect() as conn:
            return self._known(conn, (number.digits,)).get(number.digits)

    def by_four_items(self, items: FourItems) -> list[Entry]:
        """Entries with the same four items after normalisation."""
        return self._find(
            self._own().where(
                addressee.c.name_key == items.name.key(),
                addressee.c.birth == items.birth,
                addressee.c.address_key == items.address.key(),
                addressee.c.sex == items.sex.name.lower(),
            )
        )

    def living(self, batch: int) -> Iterator[list[tuple[AddresseeNumber, IndividualNumber]]]:
        """Addressee and Individual Number of everybody alive, in batches, each read in a transaction of its own."""
        last = ""
        columns = select(addressee.c.addressee_number, addressee.c.individual_number)
        while True:
            query = (
                columns.where(
                    addressee.c.institution == self._institution,
                    addressee.c.alive,
                    addressee.c.addressee_number > last,
                )
                .order_by(addressee.c.addressee_number)
                .limit(batch)
            )
            with self._engine.connect() as conn:
                rows = conn.execute(query).all()
            if not rows:
                return
            last = rows[-1].addressee_number
            yield [(AddresseeNumber(own), IndividualNumber(number)) for own, number in rows]

    def _own(self) -> Select[Any]:
        return select(addressee).where(addressee.c.institution == self._institution)

    def _find(self, query: Select[Any]) -> list[Entry]:
        with self._engine.connect() as conn:
            return [entry_of(row) for row in conn.execute(query.order_by(addressee.c.addressee_number))]

    def _enter(self, conn: Connection, persons: Sequence[Person], at: datetime) -> list[Entry]:
        self._lock(conn)
        known = self._known(conn, [number for person in persons for number in person.numbers()])
        fresh: dict[str, Person] = {}
        for person in persons:
            entry = self._pick(known, person)
            if entry is None:
                fresh.setdefault(person.individual_number.digits, person)
            elif self._renew(conn, entry, person, at):
                known[person.individual_number.digits] = Entry(entry.addressee_number, person)
        entered = self._insert(conn, list(fresh.values()), at)
        known.update((entry.person.individual_number.digits, entry) for entry in entered)
        return [entry for person in persons if (entry := self._pick(known, person)) is not None]

    def _insert(self, conn: Connection, persons: Sequence[Person], at: datetime) -> list[Entry]:
        if not persons:
            return []
        first = self._next_serials(conn, len(persons))
        entries = [Entry(AddresseeNumber.from_serial(first + place), one) for place, one in enumerate(persons)]
        rows = [
            {
                "institution": self._institution,
                "addressee_number": entry.addressee_number.digits,
                "since": at,
                **person_columns(entry.person),
            }
            for entry in entries
        ]
        conn.execute(addressee.insert(), rows)
        former = [self._former_row(entry, number, at) for entry in entries for number in entry.person.former_numbers]
        upsert(conn, former_number, former)
        return entries

    def _lock(self, conn: Connection) -> None:
        """Let one transaction at a time enter people, from before it looks who is known: no gaps, no twins."""
        insert = dialect_insert(conn, serial).values(institution=self._institution, last=0)
        conn.execute(insert.on_conflict_do_nothing())
        conn.execute(select(serial.c.last).where(serial.c.institution == self._institution).with_for_update())

    def _next_serials(self, conn: Connection, count: int) -> int:
        """Reserve `count` serials and return the first."""
        mine = serial.c.institution == self._institution
        reserve = serial.update().where(mine).values(last=serial.c.last + count).returning(serial.c.last)
        return int(conn.execute(reserve).scalar_one()) - count + 1

    def _known(self, conn: Connection, numbers: Sequence[str]) -> dict[str, Entry]:
        """Entries by each of these numbers they have or once had."""
        found: dict[str, Entry] = {}
        for start in range(0, len(numbers), _CHUNK):
            chunk = numbers[start : start + _CHUNK]
            for row in conn.execute(self._own().where(addressee.c.individual_number.in_(chunk))):
                found[row.individual_number] = entry_of(row)
            joined = (
                select(addressee, former_number.c.individual_number.label("former"))
                .join(
                    former_number,
                    (former_number.c.institution == addressee.c.institution)
                    & (former_number.c.addressee_number == addressee.c.addressee_number),
                )
                .where(
                    former_number.c.institution == self._institution,
                    former_number.c.individual_number.in_(chunk),
                )
            )
            for row in conn.execute(joined):
                found.setdefault(row.former, entry_of(row))
        return found

    @staticmethod
    def _pick(known: dict[str, Entry], person: Person) -> Entry | None:
        """The entry of this person; where the ledger knows them twice, the one with the present number, then the newest."""
        return next((known[number] for number in person.numbers() if number in known), None)

    def _renew(self, conn: Connection, entry: Entry, person: Person, at: datetime) -> bool:
        if person.version <= entry.person.version:
            return False
        own = (addressee.c.institution == self._institution) & (
            addressee.c.addressee_number == entry.addressee_number.digits
        )
        if entry.person.individual_number != person.individual_number:
            row = self._former_row(entry, entry.person.individual_number, at)
            # A number may be taken back and changed again, so it can be former twice.
            upsert(conn, former_number, [row])
        conn.execute(addressee.update().where(own).values(person_columns(person)))
        return True

    def _former_row(self, entry: Entry, number: IndividualNumber, at: datetime) -> dict[str, Any]:
        return {
            "institution": self._institution,
            "individual_number": number.digits,
            "addressee_number": entry.addressee_number.digits,
            "replaced_at": at,
        }
