"""Numbering on both engines: one number a person, for ever, also when many are numbered at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import pytest
from at_once import at_once
from schema_equality import differences
from sqlalchemy import Engine, exc, select, text
from statement_watch import SMALLEST_LIMIT, watching

from kumihimo.domain.kernel import FixedClock, Problem, ResidentCode, SeededRandomness
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.roles.numbering.service import Assignments, Numbering
from kumihimo.roles.numbering.store import (
    MIGRATIONS,
    NumberingStore,
    Taken,
    Transaction,
    amendment,
    current_number,
    drawing,
    metadata,
    used_number,
)

CLOCK = FixedClock(datetime(2026, 6, 1, 3, 0, 0, 250, tzinfo=UTC))


@pytest.fixture
def store(engine: Engine) -> NumberingStore:
    migrate(engine, MIGRATIONS)
    return NumberingStore(engine)


def codes(count: int, seed: int = 1) -> list[str]:
    randomness = SeededRandomness(seed)
    return list(dict.fromkeys(ResidentCode.random(randomness).digits for _ in range(count)))


def office(store: NumberingStore, seed: int) -> Numbering:
    """One process of the numbering authority, with a generator of its own."""
    return Numbering(store, SeededRandomness(seed), CLOCK)


def assigned(results: list[Assignments | BaseException]) -> list[Assignments]:
    lists = [one for one in results if isinstance(one, Assignments)]
    assert len(lists) == len(results), results
    return lists


def test_the_migrated_schema_is_the_one_the_tables_describe(engine: Engine) -> None:
    assert differences(engine, MIGRATIONS, metadata) == []


def test_one_resident_code_has_one_current_number(store: NumberingStore) -> None:
    (code,) = map(int, codes(1))
    with store.transaction() as transaction:
        transaction.store({621498320257: code}, "x-city", CLOCK.now())
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.store({983205673214: code}, "x-city", CLOCK.now())
    with store.transaction() as transaction:
        assert transaction.counts() == (1, 1)
        assert transaction.current_numbers([code]) == {code: 621498320257}


def test_a_number_that_is_given_up_is_never_given_out_again(store: NumberingStore) -> None:
    (code,) = codes(1)
    (first,) = office(store, 7).assign("x-city", [code])
    with store.transaction() as transaction:
        transaction.end(first.value, "x-city", "漏えい", CLOCK.now())
    (second,) = office(store, 7).assign("x-city", [code])  # the same generator draws the same number first
    assert second.newly
    assert second.number != first.number
    with store.transaction() as transaction:
        assert transaction.counts() == (2, 1)


def test_two_offices_that_draw_the_same_numbers_at_once_never_give_one_twice(store: NumberingStore) -> None:
    batches = [codes(200, seed) for seed in (1, 2)]
    offices = [office(store, 7) for _ in batches]
    results = assigned(at_once([partial(o.assign, "x-city", b) for o, b in zip(offices, batches, strict=True)]))
    numbers = [one.number.digits for result in results for one in result]
    assert len(set(numbers)) == len(numbers) == 400
    with store.transaction() as transaction:
        assert transaction.counts() == (400, 400)


def test_one_person_numbered_by_many_at_once_gets_one_number(store: NumberingStore) -> None:
    batch = codes(1)
    offices = [office(store, seed) for seed in range(6)]
    results = assigned(at_once([partial(o.assign, "x-city", batch) for o in offices]))
    assert len({result[0].number.digits for result in results}) == 1
    assert sum(result[0].newly for result in results) == 1


def test_the_same_people_in_another_order_at_once_get_one_number_each(store: NumberingStore) -> None:
    batch = codes(1_000)
    offices = [office(store, seed) for seed in range(3)]
    orders = [batch, batch[::-1], batch[500:] + batch[:500]]
    results = assigned(at_once([partial(o.assign, "x-city", order) for o, order in zip(offices, orders, strict=True)]))
    given = [{one.resident_code.digits: one.number.digits for one in result} for result in results]
    assert given[0] == given[1] == given[2]
    with store.transaction() as transaction:
        assert transaction.counts() == (1_000, 1_000)


def test_two_batches_that_wait_for_each_other_end_with_one_of_them_stored(
    store: NumberingStore, engine: Engine
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: nobody waits for each other")
    first, second = map(int, codes(2))
    stored = threading.Barrier(2)

    def crosswise(mine: int, other: int, number: int) -> str:
        try:
            with store.transaction() as transaction:
                transaction.store({number: mine}, "x-city", CLOCK.now())
                stored.wait(30)
                transaction.store({number + 1: other}, "x-city", CLOCK.now())
        except Taken:
            return "taken"
        return "stored"

    results = at_once([lambda: crosswise(first, second, 10**11), lambda: crosswise(second, first, 2 * 10**11)])
    assert sorted(map(str, results)) == ["stored", "taken"]
    with store.transaction() as transaction:
        assert transaction.counts() == (2, 2)


def test_a_bulk_assignment_is_stored_as_it_was_answered(store: NumberingStore, engine: Engine) -> None:
    result = office(store, 7).assign("x-city", codes(300))
    with engine.connect() as conn:
        used = conn.execute(select(used_number)).all()
        current = conn.execute(select(current_number)).all()
        drawn = conn.execute(select(drawing)).one()
    answered = {int(one.code_digits): one.value for one in result}
    assert len(answered) == 300
    assert {row.resident_code: row.number for row in used} == answered
    assert {row.resident_code: row.number for row in current} == answered
    assert {(row.drawing, row.until) for row in used} == {(drawn.id, None)}
    assert (drawn.municipality, drawn.at) == ("x-city", CLOCK.now())


def test_a_second_request_adds_only_those_without_a_number(store: NumberingStore) -> None:
    numbering, batch = office(store, 7), codes(20)
    first = numbering.assign("x-city", batch[:10])
    both = numbering.assign("y-city", batch)
    assert [one.number for one in both[:10]] == [one.number for one in first]
    assert [one.newly for one in both] == [False] * 10 + [True] * 10
    assert numbering.counts() == (20, 20)


def test_ten_thousand_are_numbered_in_a_few_statements(store: NumberingStore, engine: Engine) -> None:
    batch = codes(10_000)
    with watching(engine) as watch:
        first = office(store, 7).assign("x-city", batch)
    assert watch.calls < 20
    assert max(watch.bound) <= SMALLEST_LIMIT
    assert [one.resident_code.digits for one in first] == batch
    assert len({one.number.digits for one in first}) == len(batch)
    with watching(engine) as watch:
        again = office(store, 8).assign("y-city", batch)
    assert watch.calls < 20
    assert [one.number for one in again] == [one.number for one in first]
    assert not any(one.newly for one in again)


def test_a_batch_that_fails_in_the_middle_leaves_no_number_behind(store: NumberingStore) -> None:
    taken, *others = codes(50)
    office(store, 1).assign("x-city", [taken])
    new = {10**11 + n: int(code) for n, code in enumerate([*others, taken])}
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.store(new, "x-city", CLOCK.now())
    with store.transaction() as transaction:
        assert transaction.counts() == (1, 1)
        assert transaction.already_used([10**11 + n for n in range(50)]) == set()


@pytest.mark.parametrize("count", [20, 5_000])
def test_a_few_with_a_number_in_a_large_new_batch_keep_theirs(
    store: NumberingStore, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = codes(count)
    kept = [batch[1], batch[-2]]  # of the large batch, none that is looked up first
    numbering = office(store, 7)
    before = numbering.assign("x-city", kept)
    asked: list[int] = []
    current = Transaction.current_numbers

    def counted(transaction: Transaction, resident_codes: Sequence[int]) -> dict[int, int]:
        asked.append(len(resident_codes))
        return current(transaction, resident_codes)

    monkeypatch.setattr(Transaction, "current_numbers", counted)
    after = numbering.assign("y-city", [*batch, *kept])
    assert asked == ([22] if count == 20 else [1_001, 5_002])
    given = after.digits()
    assert [given[code] for code in kept] == [one.number_digits for one in before]
    assert {one.code_digits for one in after if not one.newly} == {*kept}
    assert len({*given.values()}) == count
    assert numbering.counts() == (count, count)


def test_a_batch_that_is_sent_again_is_found_in_one_attempt(store: NumberingStore) -> None:
    batch = codes(3_000)
    first = office(store, 7).assign("x-city", batch)
    again = Numbering(store, NoRandomness(), CLOCK).assign("x-city", batch[::-1])
    assert [one.value for one in again] == [one.value for one in first][::-1]


class NoRandomness:
    """Nothing may be drawn."""

    def token_bytes(self, n: int) -> bytes:
        assert n == 0
        return b""

    def randbelow(self, n: int) -> int:
        raise AssertionError(n)


def test_an_ended_number_comes_back_only_where_no_other_is_in_force(store: NumberingStore) -> None:
    (code,) = map(int, codes(1))
    first, second = 621498320257, 983205673214
    with store.transaction() as transaction:
        transaction.store({first: code}, "x-city", CLOCK.now())
    with store.transaction() as transaction:
        transaction.end(first, "x-city", "漏えい", CLOCK.now())
        assert transaction.current_numbers([code]) == {}
        transaction.store({second: code}, "x-city", CLOCK.now())
    with pytest.raises(Taken), store.transaction() as transaction:
        transaction.restore(first, "x-city", "誤り", CLOCK.now())
    with store.transaction() as transaction:
        transaction.end(first, "x-city", "再度", CLOCK.now())  # ended already: the one in force stays
        assert transaction.current_numbers([code]) == {code: second}
        transaction.end(second, "x-city", "誤り", CLOCK.now())
        transaction.restore(first, "x-city", "誤り", CLOCK.now())
        assert transaction.current_numbers([code]) == {code: first}
        assert transaction.counts() == (2, 1)
        assert [act for act, _ in transaction.amendments(first)] == ["ended", "ended", "restored"]


def test_one_resident_code_is_not_given_two_numbers_at_once(store: NumberingStore) -> None:
    with pytest.raises(ValueError, match="two numbers"), store.transaction() as transaction:
        transaction.store({621498320257: 1, 983205673214: 1}, "x-city", CLOCK.now())
    with store.transaction() as transaction:
        assert transaction.counts() == (0, 0)


def test_numbers_amendments_and_ends_stay_as_they_were_down_and_up(store: NumberingStore, engine: Engine) -> None:
    numbering = office(store, 7)
    first = numbering.assign("x-city", codes(30))
    numbering.assign("y-city", codes(30, seed=2))
    numbering.replace("y-city", first[0].code_digits, first[0].number_digits, "漏えい")
    tables = (used_number, current_number, drawing, amendment)
    with engine.connect() as conn:
        before = {table.name: sorted(conn.execute(select(table)).all(), key=repr) for table in tables}
        who = select(used_number.c.number, drawing.c.municipality, drawing.c.at).join(
            drawing, drawing.c.id == used_number.c.drawing
        )
        drawn_for = {row.number: (row.municipality, row.at) for row in conn.execute(who)}
    assert len(drawn_for) == 61
    downgrade(engine, MIGRATIONS, "0003_partitions")
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT resident_code, number, until FROM assignment")).all()
        used = conn.execute(text("SELECT number FROM used_number")).scalars().all()
    assert {(f"{row.resident_code:011d}", row.number) for row in before["used_number"]} == {row[:2] for row in rows}
    assert [row.number for row in rows if row.until is not None] == [first[0].value]
    assert sorted(used) == sorted(drawn_for)
    with pytest.raises(exc.IntegrityError), engine.begin() as conn:
        conn.execute(text("UPDATE assignment SET until = NULL"))  # two in force for one code
    with pytest.raises(exc.IntegrityError), engine.begin() as conn:
        conn.execute(text("DELETE FROM assignment WHERE until IS NOT NULL"))  # amendments refer to it
    migrate(engine, MIGRATIONS)
    with engine.connect() as conn:
        for table in (used_number, current_number, amendment):
            kept = [column for column in table.columns if column.name != "drawing"]
            rows = conn.execute(select(*kept)).all()
            places = [before[table.name][0]._fields.index(column.name) for column in kept]
            assert {*map(tuple, rows)} == {tuple(row[place] for place in places) for row in before[table.name]}
        assert {row.number: (row.municipality, row.at) for row in conn.execute(who)} == drawn_for
    with pytest.raises(exc.IntegrityError), engine.begin() as conn:
        conn.execute(used_number.delete())
    assert differences(engine, MIGRATIONS, metadata) == []
    assert [one.value for one in numbering.assign("x-city", codes(30))][1:] == [one.value for one in first][1:]


def test_a_body_registered_at_two_desks_at_once_gets_one_corporate_number(store: NumberingStore) -> None:
    offices = [office(store, seed) for seed in range(4)]
    results = at_once([partial(o.assign_corporate, "株式会社組紐", "甲県X市中央1-2-3") for o in offices])
    pairs = [one for one in results if isinstance(one, tuple)]
    assert len(pairs) == 4, results
    assert len({number.digits for number, _ in pairs}) == 1
    assert sum(newly for _, newly in pairs) == 1


def test_two_bodies_never_share_a_corporate_number(store: NumberingStore) -> None:
    offices = [office(store, 7) for _ in range(3)]
    results = at_once([partial(o.assign_corporate, f"組紐{n}号社", "甲県X市") for n, o in enumerate(offices)])
    assert not [one for one in results if isinstance(one, Problem)]
    assert len({one[0].digits for one in results if isinstance(one, tuple)}) == 3
