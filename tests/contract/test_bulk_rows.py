"""Many rows are inserted at once, on both engines, as one by one: all of them, in order, or none."""

from __future__ import annotations

import traceback
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    exc,
    select,
)
from statement_watch import SMALLEST_LIMIT, watching

from kumihimo.plumbing.storage import (
    NewItem,
    UtcDateTime,
    among,
    append_feed,
    append_feed_all,
    feed_table,
    insert_rows,
    read_feed,
)

METADATA = MetaData()
RESIDENTS = Table(
    "resident_row",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("code", String(11), nullable=False, unique=True),
    Column("level", SmallInteger),
    Column("born", Date),
    Column("seal", LargeBinary),
    Column("note", Text),
    Column("at", UtcDateTime),
)
FEED = feed_table(METADATA)
COLUMNS = ("code", "level", "born", "seal", "note", "at")
NOON = datetime(2026, 11, 2, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=9)))
ROWS = [
    ("00000000011", 3, date(1970, 1, 1), bytes(range(256)), '吉田,"\\\t\n{}', NOON),
    ("00000000022", None, None, None, None, None),
    ("00000000033", -1, date(2026, 2, 28), b"", "", NOON.astimezone(UTC)),
]


@pytest.fixture
def tables(engine: Engine) -> Engine:
    METADATA.create_all(engine)
    return engine


def test_rows_come_back_as_they_went_in(tables: Engine) -> None:
    with tables.begin() as conn:
        insert_rows(conn, RESIDENTS, COLUMNS, ROWS)
        insert_rows(conn, RESIDENTS, COLUMNS, [])
    with tables.connect() as conn:
        rows = conn.execute(select(*(RESIDENTS.c[name] for name in COLUMNS)).order_by(RESIDENTS.c.seq)).all()
    assert [tuple(row) for row in rows] == ROWS


@pytest.mark.parametrize("count", [1, 5, 17, 5_000])
def test_few_and_many_rows_come_back_alike_with_what_is_the_same_in_all(tables: Engine, count: int) -> None:
    notes = ("plain", "", None, "tab\there", "line\nend\r", r"back\slash \N", '"quoted", {1}', "字")
    rows = [(f"{n:011d}", n % 7 or None, bytes([n % 256]), notes[n % len(notes)]) for n in range(count)]
    same = {"born": date(2026, 4, 1), "at": NOON}
    with watching(tables) as watch, tables.begin() as conn:
        insert_rows(conn, RESIDENTS, ("code", "level", "seal", "note"), rows, same)
    assert max(watch.bound, default=0) <= SMALLEST_LIMIT
    assert watch.calls < 20
    names = ("code", "level", "seal", "note", "born", "at")
    with tables.connect() as conn:
        stored = conn.execute(select(*(RESIDENTS.c[name] for name in names)).order_by(RESIDENTS.c.seq)).all()
    assert [tuple(row) for row in stored] == [(*row, *same.values()) for row in rows]


def test_rows_are_found_by_a_great_many_values_of_a_column(tables: Engine) -> None:
    rows = [(f"{n}'\"\\,{{}}%", n) for n in range(300)]
    with tables.begin() as conn:
        insert_rows(conn, RESIDENTS, ("code", "level"), rows)
    with tables.connect() as conn, watching(tables) as watch:
        asked = [*(code for code, _ in rows[:200]), *(f"{n}" for n in range(40_000))]
        texts = conn.scalars(select(RESIDENTS.c.level).where(among(conn, RESIDENTS.c.code, asked))).all()
        integers = conn.scalars(
            select(RESIDENTS.c.code).where(among(conn, RESIDENTS.c.level, range(250, 32_000)))
        ).all()
        assert conn.scalars(select(RESIDENTS.c.seq).where(among(conn, RESIDENTS.c.code, []))).all() == []
        assert conn.scalars(select(RESIDENTS.c.seq).where(among(conn, RESIDENTS.c.level, []))).all() == []
    assert sorted(texts) == list(range(200))
    assert sorted(integers) == sorted(code for code, _ in rows[250:])
    assert max(watch.bound) == 1


def test_a_failing_statement_does_not_repeat_what_was_to_be_stored(tables: Engine) -> None:
    for count in (2, 40):
        rows = [(f"{n:011d}", "secret") for n in [*range(count - 1), 0]]
        with pytest.raises(exc.IntegrityError) as caught, tables.begin() as conn:
            insert_rows(conn, RESIDENTS, ("code", "note"), rows)
        assert "secret" not in str(caught.value)


def test_one_row_that_cannot_be_stored_fails_them_all(tables: Engine) -> None:
    with pytest.raises(exc.IntegrityError), tables.begin() as conn:
        insert_rows(conn, RESIDENTS, ("code",), [("1",), ("2",), ("1",)])
    with tables.begin() as conn:
        assert conn.execute(select(RESIDENTS)).all() == []
        insert_rows(conn, RESIDENTS, ("code",), [("1",)])


MEASURES = Table(
    "measure_row",
    METADATA,
    Column("small", SmallInteger),
    Column("plain", Integer),
    Column("wide", BigInteger),
)
EDGES = [
    (-(2**15), -(2**31), -(2**63)),
    (2**15 - 1, 2**31 - 1, 2**63 - 1),
    (0, -1, 1),
]


@pytest.mark.parametrize("count", [3, 30, 20_000])
@pytest.mark.parametrize("gap", [False, True])
def test_integers_come_back_to_the_last_bit_also_beside_nothing(tables: Engine, count: int, gap: bool) -> None:
    rows: list[tuple[int | None, ...]] = [EDGES[n % 3] for n in range(count)]
    if gap:
        rows[-1] = (None, None, None)
    with tables.begin() as conn:
        insert_rows(conn, MEASURES, ("small", "plain", "wide"), rows)
        insert_rows(conn, MEASURES, ("small", "wide"), [(row[0], row[2]) for row in rows], {"plain": 7})
    with tables.connect() as conn:
        stored = conn.execute(select(MEASURES)).all()
    assert sorted(map(tuple, stored), key=repr) == sorted([*rows, *((row[0], 7, row[2]) for row in rows)], key=repr)


@pytest.mark.parametrize("count", [2, 30])
def test_the_first_and_the_last_day_and_instant_come_back(tables: Engine, count: int) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    days = [date.min, date.max, None]
    instants = [first, last, None, datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
    rows = [(f"{n:011d}", days[n % 3], instants[n % 4]) for n in range(count)]
    with tables.begin() as conn:
        insert_rows(conn, RESIDENTS, ("code", "born", "at"), rows)
    with tables.connect() as conn:
        stored = conn.execute(
            select(RESIDENTS.c.code, RESIDENTS.c.born, RESIDENTS.c.at).order_by(RESIDENTS.c.seq)
        ).all()
    assert [tuple(row) for row in stored] == rows


WRONG = {
    "16 bits": ("level", 2**15),
    "16 bits below": ("level", -(2**15) - 1),
    "64 bits": ("seq", 2**63),
    "text for an integer": ("level", "secret"),
    "a fraction for an integer": ("level", 0.5),
    "an integer for bytes": ("seal", 3),
    "an integer for text": ("note", 3),
    "text for a day": ("born", "1970-01-01"),
    "half a character": ("note", "secret\ud800"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_value_its_column_does_not_hold_is_refused_and_nothing_is_copied(tables: Engine, wrong: str) -> None:
    if tables.dialect.name == "sqlite":
        pytest.skip("SQLite is not copied to")
    column, value = WRONG[wrong]
    names = tuple(name for name in ("seq", "code", "level", "born", "seal", "note") if name in {"code", column})
    rows: list[tuple[object, ...]] = []
    for n in range(8_200):
        row = {"seq": n, "code": f"{n:011d}"} if column == "seq" else {"code": f"{n:011d}", column: None}
        rows.append(tuple(row[name] for name in names))
    last = {"code": "9" * 11, column: value}
    rows.append(tuple(last[name] for name in names))
    with pytest.raises(ValueError, match=rf"resident_row\.{column}: .*does not hold") as caught, tables.begin() as conn:
        insert_rows(conn, RESIDENTS, names, rows)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    with tables.begin() as conn:
        assert conn.execute(select(RESIDENTS)).all() == []
        insert_rows(conn, RESIDENTS, ("code",), [(f"{n:011d}",) for n in range(20)])


def test_a_row_that_is_there_already_fails_the_whole_copy(tables: Engine) -> None:
    with tables.begin() as conn:
        insert_rows(conn, MEASURES, ("plain",), [(1,)])
        insert_rows(conn, RESIDENTS, ("code",), [("00000009999",)])
    many = range(20_000)
    with pytest.raises(exc.IntegrityError), tables.begin() as conn:  # noqa: PT012 - all of it is one transaction
        insert_rows(conn, MEASURES, ("plain",), [(n,) for n in many])
        insert_rows(conn, RESIDENTS, ("code",), [(f"{n:011d}",) for n in many])
    with tables.connect() as conn:
        assert conn.execute(select(MEASURES.c.plain)).scalars().all() == [1]
        assert conn.execute(select(RESIDENTS.c.code)).scalars().all() == ["00000009999"]


def test_an_instant_without_time_zone_and_columns_in_another_order_are_refused(tables: Engine) -> None:
    with tables.begin() as conn:
        with pytest.raises(ValueError, match="no time zone"):
            insert_rows(conn, RESIDENTS, ("code", "at"), [("1", datetime(2026, 11, 2))])  # noqa: DTZ001
        with pytest.raises(ValueError, match="in its order"):
            insert_rows(conn, RESIDENTS, ("at", "code"), [(NOON, "1")])


def test_many_items_of_a_feed_stand_in_one_order_with_single_ones(tables: Engine) -> None:
    with tables.begin() as conn:
        append_feed(conn, FEED, "a/b", "one", {"n": 0}, NOON)
        many = [NewItem("a/b", "many", body, NOON) for body in ({"n": 1}, {"n": 2, "字": "藤"})]
        append_feed_all(conn, FEED, [*many, NewItem("c/d", "many", {}, NOON)])
        append_feed_all(conn, FEED, [])
        append_feed(conn, FEED, "a/b", "one", {"n": 3}, NOON)
    with tables.connect() as conn:
        items = read_feed(conn, FEED, "a/b", 0, 10)
    assert [item.body["n"] for item in items] == [0, 1, 2, 3]
    assert [item.kind for item in items] == ["one", "many", "many", "one"]
    assert items[2].body["字"] == "藤"
    assert all(item.at == NOON for item in items)
