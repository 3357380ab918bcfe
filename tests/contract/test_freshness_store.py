"""Deliveries, the register's word, and the books of audits and conditions, on both engines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from kumihimo.domain.kernel import AddresseeNumber
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.plumbing.wire.messages.freshness import Condition, CopyAlarmKind, RegisteredAs, RegisterSays
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.roles.gateway.store import exchange, ledger
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.deliveries import DeliveryStore
from kumihimo.roles.gateway.store.merges import Due, DueStore, Merges
from kumihimo.roles.gateway.store.registered import RegisteredStore
from kumihimo.roles.oversight.store import MIGRATIONS as OVERSIGHT
from kumihimo.roles.oversight.store import ConditionStore

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TAX, RECORD = "local-tax", "resident-record"


def number(serial: int) -> str:
    return AddresseeNumber.from_serial(serial).digits


def copies(*serials: int, item: str = TAX) -> list[CopyOf]:
    dated = DatedItem(item=item, valid_from=date(2025, 4, 1), valid_until=None, body={})
    return [CopyOf(addressee_number=number(one), item=dated) for one in serials]


@pytest.fixture
def store(engine: Engine) -> CopyStore:
    migrate(engine, exchange.MIGRATIONS)
    return CopyStore(engine, "y-city")


def test_a_delivery_is_whole_when_nothing_waits_and_the_limit_is_one_of_the_day(
    engine: Engine, store: CopyStore
) -> None:
    deliveries = DeliveryStore(engine, "y-city")
    assert store.deliver(copies(1, 2), 5, None, 3, NOON)
    assert not store.deliver(copies(3, 4), 0, None, 3, NOON)
    (tax,) = deliveries.delivered([TAX])
    assert (tax.complete_at, tax.waiting, tax.waiting_since) == (None, 2, NOON)
    assert store.by_item()[TAX][0] == 2  # nothing of what went over the limit was placed
    assert store.deliver(copies(3, 4), None, NOON, 3, NOON + DAY)
    (tax,) = deliveries.delivered([TAX])
    assert (tax.complete_at, tax.as_of, tax.waiting, tax.waiting_since) == (NOON + DAY, NOON, 0, None)
    deliveries.declare("pension", 9, NOON)
    assert deliveries.items() == [TAX, "pension"]
    assert DeliveryStore(engine, "x-city").items() == []


def test_what_the_register_says_is_held_against_copies_and_codes(engine: Engine, store: CopyStore) -> None:
    register = RegisteredStore(engine, "y-city")
    store.put([*copies(1, 2, 9), *copies(1, 2, 3, item=RECORD)], NOON)
    assert register.contradictions([RECORD], NOON + DAY, NOON.date()) == []  # nothing was told
    says = {
        1: RegisterSays.DEAD,
        2: RegisterSays.MOVED,
        3: RegisterSays.NOBODY,
        4: RegisterSays.RESIDENT,
        5: RegisterSays.MERGED,
    }
    told = [RegisteredAs(addressee_number=number(one), says=what) for one, what in says.items()]
    assert register.tell(told, NOON) == 5
    assert register.tell(told, NOON + DAY) == 5  # the same again dates nothing anew
    assert register.unknown([number(3), number(4), number(9)]) == {number(3), number(9)}
    found = {(one.kind, one.item): one.count for one in register.contradictions([RECORD], NOON + DAY, NOON.date())}
    assert found == {
        (CopyAlarmKind.COPIES_OF_THE_DEAD, RECORD): 1,
        (CopyAlarmKind.COPIES_OF_THE_MOVED, RECORD): 1,
        (CopyAlarmKind.COPIES_OF_NOBODY, TAX): 1,
        (CopyAlarmKind.COPIES_OF_NOBODY, RECORD): 1,
        (CopyAlarmKind.RESIDENTS_WITHOUT_COPY, RECORD): 1,
        (CopyAlarmKind.RESIDENTS_WITHOUT_CODE, None): 2,
    }
    told_since = {(one.kind, one.item) for one in register.contradictions([RECORD], NOON, NOON.date())}
    assert {kind for kind, _ in told_since} == {CopyAlarmKind.COPIES_OF_NOBODY}


def test_a_ledger_remembers_whom_it_must_tell_of_until_it_has(engine: Engine) -> None:
    migrate(engine, ledger.MIGRATIONS)
    merges, due = Merges("y-city"), DueStore(engine, "y-city")
    for _ in range(2):
        with engine.begin() as conn:
            merges.register_anew(conn, [number(1), number(2)])
    assert due.registers(10) == [Due(number(1), 2), Due(number(2), 2)]
    due.told_of([Due(number(1), 2), Due(number(2), 1)])  # number 2 changed meanwhile
    assert due.registers(10) == [Due(number(2), 2)]
    assert due.tell_all() == 1  # nobody was entered in this ledger


def test_copies_held_before_count_as_delivered_after_the_migration_and_come_back_down(engine: Engine) -> None:
    migrate(engine, exchange.MIGRATIONS)
    CopyStore(engine, "y-city").put(copies(1, 2), NOON)
    downgrade(engine, exchange.MIGRATIONS, "0006_rotation")
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM copy")).scalar_one() == 2
    migrate(engine, exchange.MIGRATIONS)
    (tax,) = DeliveryStore(engine, "y-city").delivered([TAX])
    assert (tax.complete_at, tax.waiting) == (NOON, 0)


def test_records_of_the_log_are_found_by_transaction_after_the_migration(engine: Engine) -> None:
    migrate(engine, OVERSIGHT)
    downgrade(engine, OVERSIGHT, "0002_hub")
    rows = {
        0: '{"entry":"request","transaction":"ab"}',
        1: '{"entry":"order","request_hash":"cd"}',
        2: '{"entry":"codes"}',
    }
    with engine.begin() as conn:
        insert = text("INSERT INTO record VALUES (:index, :none, :none, :record, '{}', '2026-06-01')")
        for index, record in rows.items():
            conn.execute(insert, {"index": index, "none": b"", "record": record})
    migrate(engine, OVERSIGHT)
    with engine.connect() as conn:
        found = conn.execute(text("SELECT log_index, about FROM record ORDER BY log_index")).all()
    assert [tuple(row) for row in found] == [(0, "ab"), (1, "order/cd"), (2, None)]


def test_a_condition_is_gone_when_its_institution_no_longer_says_so(engine: Engine) -> None:
    migrate(engine, OVERSIGHT)
    store = ConditionStore(engine)
    late = Condition(institution="y-city", kind="late", item=TAX, count=1, since=NOON, heard_at=NOON)
    other = Condition(institution="x-city", kind="unheard", item=None, count=1, since=None, heard_at=NOON)
    store.replace("y-city", [late])
    store.replace("x-city", [other])
    assert store.all() == (other, late)
    assert store.by_kind() == {("late", "y-city"): 1, ("unheard", "x-city"): 1}
    store.replace("y-city", [])
    assert store.all() == (other,)
