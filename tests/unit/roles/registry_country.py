"""A registry with lives, numbering and look-ups on real stores, for tests that play whole sequences of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from kumihimo.domain.kernel import (
    Address,
    FixedClock,
    FourItems,
    Institution,
    InstitutionId,
    PersonName,
    SeededRandomness,
    Sex,
)
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, read_feed
from kumihimo.plumbing.wire.messages.residents import ResidentSnapshot
from kumihimo.roles.gateway.service.addressees import person_of
from kumihimo.roles.gateway.store import ledger
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.persons import Entry
from kumihimo.roles.numbering import store as numbering_store
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.registry import schema
from kumihimo.roles.registry.service.announcing import snapshot
from kumihimo.roles.registry.service.lives import Lives, Numbered
from kumihimo.roles.registry.service.look_up import LookUps
from kumihimo.roles.registry.service.residents import Residents
from kumihimo.roles.registry.store import RegistryStore, Resident
from kumihimo.roles.registry.store_lives import LivesStore

NOW = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)


def prepare(folder: Path, ledgers: Sequence[str]) -> None:
    """Empty stores of registry, numbering authority and ledgers."""
    packages = {"numbering": numbering_store.MIGRATIONS, "registry": schema.MIGRATIONS}
    for name, package in (packages | dict.fromkeys(ledgers, ledger.MIGRATIONS)).items():
        engine = open_engine(f"sqlite:///{folder}/{name}.db")
        migrate(engine, package)
        engine.dispose()


def institution(name: str) -> Institution:
    classes = frozenset({"municipality"} if name.endswith("city") else {"pension-service"})
    return Institution(InstitutionId(name), name, name, classes)


def items_of(n: int) -> FourItems:
    """The four items of the n-th person."""
    name = PersonName("山田", f"第{n}子", "ヤマダ", "ハナコ")
    return FourItems(name, Address("甲県", "X市", f"中央{n}番", ""), date(1984, 3, 15), Sex.FEMALE)


@dataclass
class Authority:
    """The numbering authority without the wire."""

    numbering: Numbering

    def replaced(self, municipality: str, held: Numbered, reason: str) -> str:
        return self.numbering.replace(municipality, *held, reason).digits

    def amended(self, municipality: str, reason: str, end: Sequence[Numbered], restore: Sequence[Numbered]) -> None:
        self.numbering.amend(municipality, reason, end, restore)


class RegistryCountry:
    """Registry and numbering at work."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock(NOW)
        numbers = open_engine(f"sqlite:///{folder}/numbering.db")
        self._numbers = numbers
        self.numbering = Numbering(numbering_store.NumberingStore(numbers), SeededRandomness("numbers"), self.clock)
        engine = open_engine(f"sqlite:///{folder}/registry.db")
        self.store = RegistryStore(engine)
        self.lives_store = LivesStore(self.store)
        self.residents = Residents(self.store, institution, self._drawn, SeededRandomness("registry"), self.clock)
        self.look_ups = LookUps(self.store, institution)
        self.authority = Authority(self.numbering)
        self.lives = Lives(self.lives_store, institution, self.authority, self.residents.drawn, self.clock)

    def _drawn(self, municipality: str, codes: Sequence[str]) -> dict[str, str]:
        return {one.resident_code.digits: one.number.digits for one in self.numbering.assign(municipality, codes)}

    def everybody(self) -> list[Resident]:
        """Every registration there ever was, as it is now."""
        with self.store.engine.connect() as conn:
            numbers = list(conn.scalars(select(schema.resident.c.individual_number).order_by(schema.resident.c.id)))
        with self.lives_store.transaction() as transaction:
            found = [transaction.registration(number) for number in numbers]
        return [one for one in found if one is not None]

    def snapshot(self, one: Resident) -> ResidentSnapshot:
        with self.store.transaction() as transaction:
            return snapshot(transaction, one, with_code=True)

    def survivor(self, one: Resident) -> Resident | None:
        """Who stands for a registration's person."""
        with self.store.transaction() as transaction:
            return transaction.by_code(one.resident_code)

    def subscriptions(self, name: str) -> set[int]:
        chosen = select(schema.subscription.c.resident).where(schema.subscription.c.institution == name)
        with self.store.engine.connect() as conn:
            return set(conn.scalars(chosen))

    def heard(self, party: str) -> list[FeedItem]:
        with self.store.engine.connect() as conn:
            return read_feed(conn, schema.feed, party, 0, 10_000)

    def assignments(self) -> list[tuple[str, str, datetime | None]]:
        """(number, resident code, end) of every number ever assigned, with the number as text."""
        with self._numbers.connect() as conn:
            rows = conn.execute(select(numbering_store.used_number)).all()
        return [(f"{row.number:012d}", f"{row.resident_code:011d}", row.until) for row in rows]

    def dump(self) -> dict[str, list[Any]]:
        """Everything in the registry, and the assignments."""
        with self.store.engine.connect() as conn:
            tables = schema.metadata.sorted_tables
            rows = {table.name: [tuple(row) for row in conn.execute(select(table))] for table in tables}
        return rows | {"assignments": self.assignments()}

    @staticmethod
    def entry_of(engine: Any, name: str, told: ResidentSnapshot) -> Entry | None:
        """The entry of exactly this registration in a ledger."""
        with engine.connect() as conn:
            return LedgerStore(engine, name).registration(conn, person_of(told))
