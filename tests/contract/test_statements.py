"""A statement put into words once does, on both engines, what SQLAlchemy does each time: the same rows, types and errors."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import (
    Column,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    exc,
    func,
    insert,
    select,
    text,
    update,
)

from kumihimo.plumbing.storage import Statement, UtcDateTime, is_listed, listed

METADATA = MetaData()
VISIT = Table(
    "visit_of_statement",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("office", Text, nullable=False, unique=True),
    Column("at", UtcDateTime),
    Column("born", Date),
    Column("seal", LargeBinary),
)
NOON = datetime(2026, 11, 2, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=9)))
ROWS = [
    {"id": 1, "office": "税務課 100% %s :x ?", "at": NOON, "born": date(1970, 1, 1), "seal": bytes(range(256))},
    {"id": 2, "office": "b", "at": None, "born": None, "seal": None},
]
WRITE = Statement(insert(VISIT), VISIT.c.keys())
ALL = Statement(select(VISIT).order_by(VISIT.c.id))
ONE = Statement(select(VISIT.c.office, VISIT.c.at).where(VISIT.c.id == bindparam("visit")))
BEFORE = Statement(select(VISIT.c.id).where(VISIT.c.at < bindparam("now")))
AMONG = Statement(
    lambda dialect: (
        select(VISIT.c.id)
        .where(is_listed(dialect, VISIT.c.office, bindparam("offices", type_=Text)))
        .order_by(VISIT.c.id)
    )
)
RENAME = Statement(update(VISIT).where(VISIT.c.id == bindparam("visit")), ("office",))
FORGET = Statement(delete(VISIT).where(VISIT.c.id == bindparam("visit")))
WITH_CONSTANT = Statement(select(VISIT.c.id).where(VISIT.c.office == "b", VISIT.c.id == bindparam("visit")))
COUNTED = Statement(select(func.count().label("visits")).select_from(VISIT))


@pytest.fixture
def visits(engine: Engine) -> Engine:
    METADATA.create_all(engine)
    with engine.begin() as conn:
        WRITE.write_all(conn, ROWS)
    return engine


def test_rows_come_as_sqlalchemy_gives_them(visits: Engine) -> None:
    with visits.connect() as conn:
        found = ALL.rows(conn)
        assert [row._asdict() for row in found] == [dict(row._mapping) for row in conn.execute(select(VISIT))]
    assert (found[0].at, found[0].at.tzinfo) == (NOON, UTC)
    assert (found[0].born, bytes(found[0].seal), found[1].at) == (date(1970, 1, 1), bytes(range(256)), None)


def test_one_row_one_value_and_none(visits: Engine) -> None:
    with visits.connect() as conn:
        assert ONE.row(conn, visit=1).office == "税務課 100% %s :x ?"
        assert ONE.value(conn, visit=2) == "b"
        assert (ONE.row(conn, visit=3), ONE.value(conn, visit=3)) == (None, None)
        assert COUNTED.row(conn).visits == 2
        with pytest.raises(exc.InvalidRequestError, match="2 rows where one"):
            ALL.row(conn)


def test_values_are_converted_as_their_columns_say(visits: Engine) -> None:
    with visits.connect() as conn:
        assert BEFORE.rows(conn, now=NOON) == []
        assert BEFORE.rows(conn, now=NOON.astimezone(UTC) + timedelta(microseconds=1)) == [(1,)]
        with pytest.raises(ValueError, match="aware"):
            BEFORE.rows(conn, now=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
        assert AMONG.rows(conn, offices=listed(conn, VISIT.c.office, ["b", 'x","b', ROWS[0]["office"]])) == [(1,), (2,)]
        assert WITH_CONSTANT.rows(conn, visit=2) == [(2,)]
        with pytest.raises(KeyError):
            ONE.rows(conn)


def test_writing_tells_how_many_rows_it_changed(visits: Engine) -> None:
    with visits.begin() as conn:
        assert RENAME.write(conn, {"visit": 2, "office": "c"}) == 1
        assert FORGET.write(conn, {"visit": 9}) == 0
        FORGET.write_all(conn, [])
        FORGET.write_all(conn, [{"visit": 1}])
        assert ALL.rows(conn) == [(2, "c", None, None, None)]
    with visits.begin() as conn:
        FORGET.write_all(conn, [{"visit": 2}, {"visit": 3}])
        assert COUNTED.value(conn) == 0


def test_errors_are_those_of_sqlalchemy_and_tell_no_values(visits: Engine) -> None:
    secret = {"id": 7, "office": "b", "at": None, "born": None, "seal": b"123456789018"}
    with pytest.raises(exc.IntegrityError) as caught, visits.begin() as conn:
        WRITE.write(conn, secret)
    assert "123456789018" not in str(caught.value)
    with pytest.raises(exc.IntegrityError), visits.begin() as conn:
        WRITE.write_all(conn, [{**secret, "office": "new"}, {**secret, "id": 8}])
    with visits.connect() as conn:
        assert COUNTED.value(conn) == 2
    with visits.begin() as conn:
        conn.execute(text(f"DROP TABLE {VISIT.name}"))
    with pytest.raises((exc.OperationalError, exc.ProgrammingError)), visits.connect() as conn:
        ALL.rows(conn)


def test_what_writes_needs_a_writing_transaction(visits: Engine) -> None:
    with visits.connect() as conn, pytest.raises(exc.InvalidRequestError, match="inside engine"):
        FORGET.write(conn, {"visit": 1})
    if visits.dialect.name == "sqlite":
        with visits.connect() as conn:
            conn.execute(select(VISIT))
            with pytest.raises(exc.InvalidRequestError, match="inside engine"):
                FORGET.write_all(conn, [{"visit": 1}])
    with visits.connect() as conn:
        assert COUNTED.value(conn) == 2


def test_what_was_rolled_back_was_not_done(visits: Engine) -> None:
    with visits.connect() as conn:
        transaction = conn.begin()
        FORGET.write(conn, {"visit": 1})
        assert COUNTED.value(conn) == 1
        transaction.rollback()
        assert COUNTED.value(conn) == 2
