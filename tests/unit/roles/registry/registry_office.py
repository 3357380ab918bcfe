"""A registry with a real store and a real numbering authority, in a country of two cities, a pension service and a portal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from kumihimo.domain.kernel import (
    Address,
    Clock,
    FixedClock,
    FourItems,
    Institution,
    InstitutionId,
    PersonName,
    Problem,
    RandomSource,
    SeededRandomness,
    Sex,
)
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, read_feed
from kumihimo.plumbing.wire.messages.codes import BlindCode
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind, ResidentSnapshot
from kumihimo.roles.numbering import store as numbering_store
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.registry.schema import MIGRATIONS, feed
from kumihimo.roles.registry.service.code_issuing import CodeIssuing
from kumihimo.roles.registry.service.look_up import LookUps
from kumihimo.roles.registry.service.residents import NumberFor, Reported, Residents
from kumihimo.roles.registry.store import HistoryEntry, RegistryStore

NOW = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)  # noon in Japan
TODAY = date(2026, 6, 1)
BORN = date(1984, 3, 15)

_INSTITUTIONS = {
    name: Institution(InstitutionId(name), name, name, frozenset(classes))
    for name, classes in {
        "x-city": {"municipality", "welfare-authority"},
        "y-city": {"municipality"},
        "pension": {"pension-service"},
        "portal": {"portal"},
    }.items()
}


def institution(name: str) -> Institution:
    """The directory of these tests."""
    if name not in _INSTITUTIONS:
        raise Problem("institution.unknown", repr(name))
    return _INSTITUTIONS[name]


def hanako(
    *,
    family: str = "山田",
    given: str = "花子",
    municipality: str = "X市",
    lines: str = "中央1丁目2番3号",
    birth: date = BORN,
    sex: Sex = Sex.FEMALE,
) -> FourItems:
    name = PersonName(family, given, "ヤマダ", "ハナコ")
    return FourItems(name, Address("甲県", municipality, lines, ""), birth, sex)


def event(
    kind: RegisterEventKind,
    on: date = TODAY,
    code: str | None = None,
    items: FourItems | None = None,
    reason: str = "届出",
) -> Reported:
    return Reported(kind, on, code, items, reason)


@dataclass
class Hub:
    """Operator 1 as the registry sees it: takes batches, or is away."""

    batches: list[tuple[str, list[BlindCode]]] = field(default_factory=list)
    away: bool = False

    def take(self, name: str, codes: Sequence[BlindCode]) -> None:
        if self.away:
            raise Problem("operator.unreachable", "hub-1/operator")
        self.batches.append((name, list(codes)))


PERSON_SECRET = bytes(range(32))
DOMAIN_SECRET = (7).to_bytes(32, "little")


@dataclass
class Office:
    """The registry at work."""

    store: RegistryStore
    clock: FixedClock
    residents: Residents
    look_ups: LookUps
    issuing: CodeIssuing
    hub: Hub
    numbering: Numbering

    def born(self, items: FourItems | None = None, city: str = "x-city") -> ResidentSnapshot:
        """Somebody who is registered: born long ago, and reported only now."""
        return self.residents.report(city, event(RegisterEventKind.BIRTH, items=items or hanako()))

    def clerk(self, randomness: RandomSource | None = None, numbers: NumberFor | None = None) -> Residents:
        """The same registry with another generator, or another way to get numbers."""
        return Residents(
            self.store,
            institution,
            numbers or (lambda city, codes: numbers_of(self.numbering, city, codes)),
            randomness or SeededRandomness("another"),
            self.clock,
        )

    def history(self, snapshot: ResidentSnapshot) -> list[HistoryEntry]:
        with self.store.transaction() as transaction:
            found = transaction.by_number(snapshot.individual_number)
            assert found is not None
            return transaction.history(found.id)

    def heard(self, party: str) -> list[FeedItem]:
        with self.store.engine.connect() as conn:
            return read_feed(conn, feed, party, 0, 1000)

    def count(self) -> int:
        with self.store.transaction() as transaction:
            return transaction.count()


def numbers_of(numbering: Numbering, municipality: str, codes: Sequence[str]) -> dict[str, str]:
    return {one.resident_code.digits: one.number.digits for one in numbering.assign(municipality, codes)}


def open_office(folder: Path, url: str | None = None, clock: Clock | None = None) -> Office:
    """A registry on a fresh store, SQLite in `folder` unless another is named."""
    engine = open_engine(url or f"sqlite:///{folder}/registry.db")
    migrate(engine, MIGRATIONS)
    numbers = open_engine(f"sqlite:///{folder}/numbering.db")
    migrate(numbers, numbering_store.MIGRATIONS)
    fixed = FixedClock(NOW)
    numbering = Numbering(numbering_store.NumberingStore(numbers), SeededRandomness("numbers"), clock or fixed)
    store, hub, randomness = RegistryStore(engine), Hub(), SeededRandomness("registry")
    residents = Residents(
        store, institution, lambda city, codes: numbers_of(numbering, city, codes), randomness, clock or fixed
    )
    issuing = CodeIssuing(
        store, institution, PERSON_SECRET, lambda: DOMAIN_SECRET, hub.take, SeededRandomness("codes"), clock or fixed
    )
    return Office(store, fixed, residents, LookUps(store, institution), issuing, hub, numbering)
