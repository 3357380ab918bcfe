"""The registry on both engines: whole towns at once, many writers at the same moment, nothing lost and nothing double."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
from at_once import at_once
from schema_equality import differences
from sqlalchemy import Engine, Table, func, select
from statement_watch import SMALLEST_LIMIT, watching

from kumihimo.domain.kernel import (
    Address,
    FixedClock,
    FourItems,
    Institution,
    InstitutionId,
    PersonName,
    Problem,
    SeededRandomness,
    Sex,
    SystemRandomness,
)
from kumihimo.plumbing.storage import append_feed, delete_feed, migrate, open_engine, read_feed
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind, ResidentSnapshot
from kumihimo.roles.numbering import store as numbering_store
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.registry.schema import MIGRATIONS, code_holder, feed, metadata, subscription
from kumihimo.roles.registry.service.look_up import LookUps
from kumihimo.roles.registry.service.residents import Reported, Residents
from kumihimo.roles.registry.store import Change, NewResident, RegistryStore, Resident, Taken

NOW = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
CLOCK = FixedClock(NOW)
MOVED_IN = Reported(RegisterEventKind.MOVE_IN, date(2026, 6, 1), None, None, "転入届")
CHANGE = Change("move_in", date(2026, 6, 1), NOW, "x-city", "転入届")


def items(given: str = "花子", family: str = "山田") -> FourItems:
    address = Address("甲県", "X市", "中央1丁目2番3号", "")
    return FourItems(PersonName(family, given, "ヤマダ", "ハナコ"), address, date(1984, 3, 15), Sex.FEMALE)


def institution(name: str) -> Institution:
    classes = frozenset({"municipality"} if name.endswith("city") else {"pension-service"})
    return Institution(InstitutionId(name), name, name, classes)


@pytest.fixture
def store(engine: Engine) -> RegistryStore:
    migrate(engine, MIGRATIONS)
    return RegistryStore(engine)


@pytest.fixture
def numbering(tmp_path: Path) -> Numbering:
    numbers = open_engine(f"sqlite:///{tmp_path}/numbering.db")
    migrate(numbers, numbering_store.MIGRATIONS)
    return Numbering(numbering_store.NumberingStore(numbers), SystemRandomness(), CLOCK)


def clerk(store: RegistryStore, numbering: Numbering, seed: int = 1) -> Residents:
    def numbers(city: str, codes: Sequence[str]) -> dict[str, str]:
        return {one.resident_code.digits: one.number.digits for one in numbering.assign(city, codes)}

    return Residents(store, institution, numbers, SeededRandomness(seed), CLOCK)


def born(store: RegistryStore, numbering: Numbering) -> Resident:
    (added,) = clerk(store, numbering).register_many("x-city", [(items(), MOVED_IN)])
    return added


def test_the_migrated_schema_is_the_one_the_tables_describe(engine: Engine) -> None:
    assert differences(engine, MIGRATIONS, metadata) == []


def test_a_feed_number_that_was_forgotten_is_never_given_out_again(store: RegistryStore) -> None:
    """The migration must keep SQLite from numbering anew, which no comparison of schemas shows."""
    with store.engine.begin() as conn:
        first = append_feed(conn, feed, "x-city/ledger", "resident", {}, NOW)
        delete_feed(conn, feed, "x-city/ledger", first)
        assert append_feed(conn, feed, "x-city/ledger", "resident", {}, NOW) > first


def test_a_town_of_ten_thousand_is_registered_in_bounded_statements(store: RegistryStore, numbering: Numbering) -> None:
    people = [(items(given=f"第{n}子"), MOVED_IN) for n in range(10_000)]
    with watching(store.engine) as watch:
        added = clerk(store, numbering).register_many("x-city", people)
    assert watch.calls < 60
    assert max(watch.bound) <= SMALLEST_LIMIT
    assert [one.four_items for one in added] == [items for items, _ in people]
    with watching(store.engine) as watch, store.transaction() as transaction:
        found = transaction.by_numbers([one.individual_number for one in added])
        transaction.subscribe_many([(one.id, "pension") for one in added])
        transaction.hold_codes(added, "pension", "番号法", NOW)
    assert watch.calls < 20
    assert max(watch.bound) <= SMALLEST_LIMIT
    assert found == {one.individual_number: one for one in added}
    with store.transaction() as transaction:
        assert transaction.count() == 10_000
        for one in (added[0], added[4_999], added[9_999]):
            assert transaction.by_code(one.resident_code) == one
            assert transaction.subscribers(one.id) == ["pension", "x-city"]
            assert transaction.code_holders(one.id) == ["pension"]
            (entry,) = transaction.history(one.id)
            assert (entry.version, entry.four_items, entry.recorded_at) == (1, one.four_items, NOW)


def test_many_clerks_register_at_once_and_no_number_is_wasted(store: RegistryStore, numbering: Numbering) -> None:
    clerks = [clerk(store, numbering, seed) for seed in range(6)]

    def work(one: Residents, seed: int) -> list[Resident]:
        return [
            resident
            for n in range(5)
            for resident in one.register_many("x-city", [(items(f"第{seed}の{n}"), MOVED_IN)])
        ]

    results = at_once([partial(work, one, seed) for seed, one in enumerate(clerks)])
    registered = [resident for one in results if isinstance(one, list) for resident in one]
    assert len(registered) == 30, results
    assert len({one.id for one in registered}) == len({one.individual_number for one in registered}) == 30
    assert numbering.counts() == (30, 30)


def test_a_resident_code_that_is_taken_stores_nothing_of_the_batch(store: RegistryStore, numbering: Numbering) -> None:
    known = born(store, numbering)
    new = [
        NewResident("12345678901", "621498320257", items(), "x-city"),
        NewResident(known.resident_code, "983205673214", items(), "x-city"),
    ]
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.add(new, [CHANGE, CHANGE])
    with store.transaction() as transaction:
        assert transaction.count() == 1
        assert transaction.by_number("621498320257") is None


def test_a_change_based_on_an_old_state_is_refused(store: RegistryStore, numbering: Numbering) -> None:
    before = born(store, numbering)
    after = replace(before, four_items=items(family="佐藤"), version=2)
    with store.transaction() as transaction:
        transaction.update(before, after, CHANGE)
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.update(before, replace(before, municipality="y-city", version=2), CHANGE)
    with store.transaction() as transaction:
        assert transaction.by_code(before.resident_code) == after
        assert [entry.version for entry in transaction.history(before.id)] == [1, 2]


def test_events_about_one_resident_at_once_happen_one_after_the_other_or_are_refused(
    store: RegistryStore, numbering: Numbering
) -> None:
    resident = born(store, numbering)
    kind, today = RegisterEventKind.NAME_CHANGE, date(2026, 6, 1)
    events = [Reported(kind, today, resident.resident_code, items(family=name), "") for name in "甲乙丙丁"]
    one = clerk(store, numbering)
    results = at_once([partial(one.report, "x-city", event) for event in events])
    done = [result for result in results if isinstance(result, ResidentSnapshot)]
    refused = [result for result in results if isinstance(result, Problem)]
    assert len(done) + len(refused) == len(events), results
    assert {problem.code for problem in refused} <= {"resident.event_invalid"}
    assert sorted(snapshot.version for snapshot in done) == list(range(2, 2 + len(done)))
    assert done
    with store.transaction() as transaction:
        assert len(transaction.history(resident.id)) == 1 + len(done)
    with store.engine.connect() as conn:
        told = [item.body["resident"]["version"] for item in read_feed(conn, feed, "x-city/ledger", 0, 100)]
    assert told == list(range(2, 2 + len(done)))


def test_an_institution_that_looks_somebody_up_many_times_at_once_is_subscribed_once(
    store: RegistryStore, numbering: Numbering
) -> None:
    resident = born(store, numbering)
    look_ups = LookUps(store, institution)
    results = at_once([partial(look_ups.find, "pension", number=resident.individual_number)] * 8)
    assert [len(one) for one in results if isinstance(one, tuple)] == [1] * 8, results
    assert count(store, subscription, "pension") == 1


def test_codes_issued_twice_at_once_have_one_holder(store: RegistryStore, numbering: Numbering) -> None:
    people = clerk(store, numbering).register_many("x-city", [(items(f"第{n}子"), MOVED_IN) for n in range(200)])

    def hold(some: list[Resident]) -> None:
        with store.transaction() as transaction:
            transaction.hold_codes(some, "pension", "番号法", NOW)

    results = at_once([partial(hold, some) for some in (people, people[::-1], people + people)])
    assert results == [None, None, None]
    assert count(store, code_holder, "pension") == 200


def count(store: RegistryStore, table: Table, name: str) -> int:
    with store.engine.connect() as conn:
        found = conn.scalar(select(func.count()).select_from(table).where(table.c.institution == name))
    return found or 0


def test_numbers_are_looked_up_many_at_a_time_and_only_those_that_are_somebody_s(
    store: RegistryStore, numbering: Numbering
) -> None:
    resident = born(store, numbering)
    asked = [resident.individual_number, *(f"{n:012d}" for n in range(12_000))]
    with watching(store.engine) as watch, store.transaction() as transaction:
        assert transaction.by_numbers(asked) == {resident.individual_number: resident}
        assert transaction.codes_in_use([resident.resident_code, *(f"{n:011d}" for n in range(12_000))]) == {
            resident.resident_code
        }
        assert transaction.by_numbers([]) == {}
    assert max(watch.bound) <= SMALLEST_LIMIT


def test_a_reader_is_not_held_up_by_a_writer(store: RegistryStore, numbering: Numbering) -> None:
    """Feeds are polled all the time: reading them must not queue behind registration."""
    born(store, numbering)
    finished = threading.Event()

    def read() -> None:
        with store.engine.connect() as conn:
            read_feed(conn, feed, "x-city/ledger", 0, 10)
        finished.set()

    with store.transaction() as transaction:
        transaction.add([NewResident("12345678901", "621498320257", items(), "x-city")], [CHANGE])
        reader = threading.Thread(target=read)
        reader.start()
        assert finished.wait(10)
    reader.join()
