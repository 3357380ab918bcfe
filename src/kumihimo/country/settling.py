"""Settling (定住): synthetic people enter the registers, and the institutions' ledgers and copies are filled.

The registry and the numbering authority decide as always; they are only called here without the wire between them, since
nobody is up yet. Institutions enter people in an order of their own, so that the running numbers of two ledgers tell nothing
about one another (I2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Engine

from kumihimo.country import topology
from kumihimo.country.layout import Country
from kumihimo.country.people.attributes import information_about
from kumihimo.country.people.items import InformationItem
from kumihimo.country.people.population import households
from kumihimo.country.people.residents import Household, Residence, SyntheticResident
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.country.stores import store_url
from kumihimo.domain.kernel import (
    FiscalYear,
    FourItems,
    IndividualNumber,
    PartyId,
    SystemClock,
    SystemRandomness,
)
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.deliveries import DeliveryStore
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.persons import Person
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.store import NumberingStore
from kumihimo.roles.registry.service.residents import Reported, Residents
from kumihimo.roles.registry.store import RegistryStore, Resident

BATCH = 1_000  # residents settled at once
DEPARTMENT = "子育て課"


class Settlers:
    """Fills the stores of a new country."""

    def __init__(self, country: Country) -> None:
        self._country = country
        self._engines: list[Engine] = []
        self._clock = SystemClock()
        self._randomness = SystemRandomness()
        numbering = Numbering(NumberingStore(self._engine(topology.NUMBERING)), self._randomness, self._clock)

        def numbers(municipality: str, codes: Sequence[str]) -> dict[str, str]:
            return numbering.assign(municipality, codes).digits()

        self._registry = RegistryStore(self._engine(topology.REGISTRY))
        self._residents = Residents(self._registry, topology.institution, numbers, self._randomness, self._clock)
        holders = topology.institutions()
        self._ledgers = {one: LedgerStore(self._engine(topology.ledger_of(one)), one) for one in holders}
        exchanges = {one: self._engine(topology.exchange_of(one)) for one in holders}
        self._copies = {one: CopyStore(engine, one) for one, engine in exchanges.items()}
        self._deliveries = {one: DeliveryStore(engine, one) for one, engine in exchanges.items()}
        self._inquiries = {one: InquiryStore(engine, one) for one, engine in exchanges.items()}

    def _engine(self, party: PartyId) -> Engine:
        engine = open_engine(store_url(self._country, party))
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        """Give every connection back."""
        for engine in self._engines:
            engine.dispose()

    def settle(self, step: Callable[[str, int, int], None]) -> None:
        """Settle everybody; `step(name, done, total)` is called as it goes on."""
        for one, store in self._inquiries.items():
            store.grant(STAFF, "*", topology.institutions()[one].name_ja + DEPARTMENT)
        done, total = 0, self._country.residents
        for batch in self._batches():
            people = [member for household in batch for member in household.members]
            settled = self._register(people)
            self._fill(batch, people, settled)
            done += len(people)
            step("people, numbers, ledgers, copies", done, total)
        for one, deliveries in self._deliveries.items():
            for item in topology.items_provided(one):  # also one that concerns nobody here
                deliveries.declare(item, 0, self._clock.now())

    def _batches(self) -> Iterator[list[Household]]:
        batch: list[Household] = []
        for household in households(self._country.residents, self._country.seed, today=self._country.founded):
            batch.append(household)
            if sum(len(one.members) for one in batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _register(self, people: list[SyntheticResident]) -> dict[int, Resident]:
        """Register everybody where they first lived, then report every later move and death; person → resident."""
        first: dict[str, list[SyntheticResident]] = defaultdict(list)
        for person in people:
            first[person.history[0].municipality].append(person)
        registered: dict[int, Resident] = {}
        for municipality, arrivals in first.items():
            reported = [(_items_at(p, p.history[0]), _arrival(p)) for p in arrivals]
            added = self._residents.register_many(municipality, reported)
            registered.update((person.number, resident) for person, resident in zip(arrivals, added, strict=True))
        for person in people:
            self._report_later_events(person, registered[person.number].resident_code)
        return registered

    def _report_later_events(self, person: SyntheticResident, code: str) -> None:
        for residence in person.history[1:]:
            moved = Reported(RegisterEventKind.MOVE, residence.since, code, _items_at(person, residence), "転入・転居")
            self._residents.report(residence.municipality, moved)
        if person.died is not None:
            died = Reported(RegisterEventKind.DEATH, person.died, code, None, "死亡届")
            self._residents.report(person.municipality, died)

    def _fill(self, batch: list[Household], people: list[SyntheticResident], settled: dict[int, Resident]) -> None:
        known: dict[str, dict[int, list[InformationItem]]] = {one: defaultdict(list) for one in self._ledgers}
        for person in people:
            for residence in person.history:
                known[residence.municipality][person.number] = []
        for household in batch:
            for item in information_about(household, self._country.seed, today=self._country.founded):
                known[item.provider][item.resident].append(item)
        by_number = {person.number: person for person in people}
        for institution, holdings in known.items():
            order = self._shuffled(list(holdings))
            persons = [_as_person(by_number[number], settled[number]) for number in order]
            entries = self._ledgers[institution].enter(persons, self._clock.now())
            copies = [
                _copy(entry.addressee_number.digits, item)
                for number, entry in zip(order, entries, strict=True)
                for item in holdings[number]
            ]
            self._copies[institution].put(copies, self._clock.now())
            self._subscribe(institution, [settled[number] for number in order], by_number, order)

    def _subscribe(
        self, institution: str, residents: list[Resident], people: dict[int, SyntheticResident], order: list[int]
    ) -> None:
        """Institutions other than the municipalities of residence, which the registry subscribes by itself."""
        pairs = [
            (resident.id, institution)
            for resident, number in zip(residents, order, strict=True)
            if all(residence.municipality != institution for residence in people[number].history)
        ]
        with self._registry.transaction() as transaction:
            transaction.subscribe_many(pairs)

    def _shuffled(self, numbers: list[int]) -> list[int]:
        return sorted(numbers, key=lambda _number: self._randomness.token_bytes(8))


def _items_at(person: SyntheticResident, residence: Residence) -> FourItems:
    items = person.four_items
    return FourItems(items.name, residence.address, items.birth, items.sex)


def _arrival(person: SyntheticResident) -> Reported:
    return Reported(RegisterEventKind.MOVE_IN, person.history[0].since, None, person.four_items, "初期登録")


def _as_person(person: SyntheticResident, resident: Resident) -> Person:
    """The person in the state after all reported events, as a ledger would have it by now."""
    events = len(person.history) - 1 + (person.died is not None)
    return Person(
        IndividualNumber.parse(resident.individual_number),
        person.four_items,
        person.municipality,
        resident.version + events,
        alive=person.died is None,
        died_on=person.died,
    )


def _copy(addressee_number: str, item: InformationItem) -> CopyOf:
    year = FiscalYear(item.fiscal_year) if item.fiscal_year is not None else None
    since = year.start if year else item.valid_from
    until = year.end if year else item.valid_to
    assert since is not None  # noqa: S101 - an item has a fiscal year or a first day
    dated = DatedItem(item=item.item, valid_from=since, valid_until=until, body=dict(item.body))
    return CopyOf(addressee_number=addressee_number, item=dated)
