"""The addressee ledger's queries (団体内統合宛名台帳): give numbers in order of entry, follow the registry, find people.

Every public method is one transaction. What happens to a person is applied by the registry's version: an older or equal
version changes nothing, so that an event may come twice or late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, func, select

from kumihimo.domain.kernel.numbers import AddresseeNumber, IndividualNumber
from kumihimo.domain.kernel.person import FourItems
from kumihimo.plumbing.storage import get_cursor
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.gateway.store.ledger import addressee, feed_cursor, former_number, serial
from kumihimo.roles.gateway.store.merges import Merges
from kumihimo.roles.gateway.store.persons import Entry, Person, entry_of, person_columns
from kumihimo.roles.gateway.store.upserts import dialect_insert, upsert

_CHUNK: Final = 2_000


class LedgerStore:
    """One institution's ledger in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._merges = Merges(institution)

    @property
    def institution(self) -> str:
        """Whose ledger it is."""
        return self._institution

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
        lives_here = person.residence == self._institution and person.standing is Standing.ACTIVE
        if not self._merges.is_news(conn, person) or not lives_here:
            return False
        self._enter(conn, [person], at)
        return True

    def registration(self, conn: Connection, person: Person) -> Entry | None:
        """The entry of exactly this registration."""
        return self._pick(self._known(conn, person.numbers()), person)

    def follow_all(self, persons: Sequence[Person], at: datetime) -> None:
        """The same for what the registry answered, in a transaction of its own."""
        with self._engine.begin() as conn:
            for person in persons:
                self.follow(conn, person, at)

    def by_addressee_number(self, number: AddresseeNumber) -> Entry | None:
        """The entry with this addressee number, or the one it was merged into."""
        found = self._find(self._own().where(addressee.c.addressee_number == number.digits))
        return self.standing_for(found[0]) if found else None

    def registered_as(self, number: str) -> Entry | None:
        """The entry with exactly this addressee number."""
        found = self._find(self._own().where(addressee.c.addressee_number == number))
        return found[0] if found else None

    def by_individual_number(self, number: IndividualNumber) -> Entry | None:
        """The entry whose person has, or once had, this Individual Number, also on a registration that was merged."""
        with self._engine.connect() as conn:
            entry = self._known(conn, (number.digits,)).get(number.digits) or self._absorber(conn, number.digits)
        return self.standing_for(entry) if entry is not None else None

    def standing_for(self, entry: Entry) -> Entry:
        """The entry that stands for this one's person: itself, unless it was merged into another one of this ledger."""
        passed = {entry.addressee_number}
        with self._engine.connect() as conn:
            while entry.person.merged_into is not None:
                into = entry.person.merged_into.digits
                survivor = self._known(conn, (into,)).get(into) or self._absorber(conn, into)
                if survivor is None or survivor.addressee_number in passed:
                    break
                passed.add(survivor.addressee_number)
                entry = survivor
        return entry

    def _absorber(self, conn: Connection, number: str) -> Entry | None:
        """The entry into whose registration one was merged that had this number and is not here itself."""
        own = self._merges.survivor_of(conn, number)
        if own is None:
            return None
        row = conn.execute(self._own().where(addressee.c.addressee_number == own)).one_or_none()
        return entry_of(row) if row is not None else None

    def entries(self, numbers: Sequence[str]) -> list[Entry]:
        """The entries with exactly these addressee numbers."""
        return self._find(self._own().where(addressee.c.addressee_number.in_(numbers)))

    def count(self) -> int:
        """How many addressees there are."""
        query = select(func.count()).select_from(addressee).where(addressee.c.institution == self._institution)
        with self._engine.connect() as conn:
            return conn.execute(query).scalar_one()

    def by_four_items(self, items: FourItems) -> list[Entry]:
        """Entries with the same four items after normalisation; merged and cancelled registrations are nobody."""
        return self._find(
            self._own().where(
                addressee.c.name_key == items.name.key(),
                addressee.c.birth == items.birth,
                addressee.c.address_key == items.address.key(),
                addressee.c.sex == items.sex.name.lower(),
                addressee.c.standing == Standing.ACTIVE.value,
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
                    addressee.c.standing == Standing.ACTIVE.value,
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
        self._merges.register_anew(conn, [entry.addressee_number.digits for entry in entries])
        for entry in entries:
            if not _ordinary(entry.person):
                self._merged(conn, entry.addressee_number, entry.person)
        return entries

    def _merged(self, conn: Connection, own: AddresseeNumber, person: Person) -> None:
        """Note what a registration stands for, and that the exchange must hear of it and of those merged into it."""
        merged = [number.digits for number in person.merged_numbers]
        self._merges.absorb(conn, own.digits, merged)
        theirs = {entry.addressee_number.digits for entry in self._known(conn, merged).values()}
        self._merges.link_anew(conn, sorted({own.digits, *theirs}))

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
        former = {number.digits for number in person.former_numbers}
        if entry.person.individual_number != person.individual_number:
            former.add(entry.person.individual_number.digits)
        # A number may be taken back and changed again, so it can be former twice.
        upsert(conn, former_number, [self._former_row(entry, IndividualNumber(one), at) for one in sorted(former)])
        conn.execute(addressee.update().where(own).values(person_columns(person)))
        if _stands(person) != _stands(entry.person):
            self._merges.register_anew(conn, [entry.addressee_number.digits])
        if not (_ordinary(person) and _ordinary(entry.person)) or self._merges.has_absorbed(conn, entry):
            self._merged(conn, entry.addressee_number, person)
        return True

    def _former_row(self, entry: Entry, number: IndividualNumber, at: datetime) -> dict[str, Any]:
        return {
            "institution": self._institution,
            "individual_number": number.digits,
            "addressee_number": entry.addressee_number.digits,
            "replaced_at": at,
        }


def _stands(person: Person) -> tuple[object, ...]:
    """What of a person decides how the exchange is told they stand."""
    return person.alive, person.residence, person.standing


def _ordinary(person: Person) -> bool:
    """Whether a registration stands for its person and for nobody else's registration."""
    return person.standing is Standing.ACTIVE and not person.merged_numbers
