"""Orders and quotas on both engines: the migrations keep what was there, and two officers at once get two numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, inspect, select, text

from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.plumbing.wire.envelope import Envelope, Signature, Signed, b64
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord, Refusal
from kumihimo.plumbing.wire.messages.oversight import Measure, Order, Ordered, Quota
from kumihimo.roles.hub import store as hub
from kumihimo.roles.hub.store import tables
from kumihimo.roles.oversight import store as oversight

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
HUB_1, HUB_2 = "hub-1/operator", "hub-2/operator"


def signed(number: int, measure: Measure, institution: str | None, quota: Quota | None = None) -> Signed[Order]:
    ordered = Ordered(measure=measure, institution=institution, reason="a test", quota=quota)
    order = Order(number=number, ordered=ordered, ordered_at=NOON)
    envelope = Envelope(
        payloadType=order.payload_type(),
        payload=b64(order.to_bytes()),
        signatures=(Signature(keyid="oversight/body", sig="AAAA"),),
    )
    return Signed(order, envelope)


def test_the_hubs_migration_goes_up_and_down_with_data(engine: Engine) -> None:
    migrate(engine, hub.MIGRATIONS)
    downgrade(engine, hub.MIGRATIONS, "0001")
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO mark (mark, made_at) VALUES ('ab', '2026-11-02T03:00:00.000000Z')"))
    migrate(engine, hub.MIGRATIONS)
    with engine.connect() as conn:
        assert conn.execute(select(tables.marks.c.mark, tables.marks.c.requester)).all() == [("ab", None)]
    hub.Standings(engine).carry_out(signed(1, Measure.SUSPEND, "x-city"), NOON)
    downgrade(engine, hub.MIGRATIONS, "0001")
    with engine.connect() as conn:
        assert conn.execute(text("SELECT mark FROM mark")).scalars().all() == ["ab"]
        assert conn.execute(text("SELECT institution FROM standing")).scalars().all() == ["x-city"]
        assert "oversight_order" not in inspect(conn).get_table_names()


def test_the_oversight_bodys_migration_goes_up_and_down_with_data(engine: Engine) -> None:
    migrate(engine, oversight.MIGRATIONS)
    oversight.OrderStore(engine).give(lambda n: signed(n, Measure.LIFT, None).envelope, NOON)
    downgrade(engine, oversight.MIGRATIONS, "0001")
    with engine.connect() as conn:
        assert "given_order" not in inspect(conn).get_table_names()
    migrate(engine, oversight.MIGRATIONS)
    assert oversight.OrderStore(engine).all() == []


def test_orders_given_at_the_same_moment_have_numbers_of_their_own(engine: Engine) -> None:
    migrate(engine, oversight.MIGRATIONS)
    store = oversight.OrderStore(engine)
    with ThreadPoolExecutor(8) as pool:
        given = list(
            pool.map(lambda _: store.give(lambda n: signed(n, Measure.LIFT, None).envelope, NOON).number, range(16))
        )
    assert sorted(given) == list(range(1, 17))


def test_an_order_is_awaited_until_the_operator_has_carried_it_out(engine: Engine) -> None:
    migrate(engine, oversight.MIGRATIONS)
    store = oversight.OrderStore(engine)
    for _ in range(3):
        store.give(lambda n: signed(n, Measure.LIFT, None).envelope, NOON)
    for _ in range(2):
        store.carried_out(2, HUB_1, NOON)
    assert [one.number for one in store.awaited(HUB_1)] == [1, 3]
    assert [one.number for one in store.awaited(HUB_2)] == [1, 2, 3]
    assert [one.in_force for one in store.all()] == [(), (HUB_1,), ()]


def test_quotas_and_standings_come_from_the_highest_number_and_outlive_the_process(engine: Engine) -> None:
    migrate(engine, hub.MIGRATIONS)
    first, second = Quota(per_minute=1, per_day=2), Quota(per_minute=3, per_day=4)
    standings = hub.Standings(engine)
    standings.carry_out(signed(5, Measure.QUOTA, "x-city", second), NOON)
    standings.carry_out(signed(2, Measure.QUOTA, "x-city", first), NOON)
    standings.carry_out(signed(3, Measure.QUOTA, None, first), NOON)
    standings.carry_out(signed(6, Measure.LIFT, "x-city"), NOON)
    standings.carry_out(signed(4, Measure.SUSPEND, "x-city"), NOON)
    again = hub.Standings(engine)
    assert (again.quota("x-city"), again.quota("y-city")) == (second, first)
    again.require_active("x-city")


def test_what_counts_against_a_quota_is_found_again_in_the_log_and_at_operator_2(engine: Engine) -> None:
    migrate(engine, hub.MIGRATIONS)
    refusal = Refusal(code="quota.exceeded", reason_ja="", reason_en="")
    told: list[tuple[str, str | None, int, Refusal | None]] = [
        ("x-city", "aa", -30, None),
        ("x-city", "bb", -2, None),
        ("x-city", "bb", -1, None),  # the same request, refused in the end
        ("y-city", "cc", -1, Refusal(code="rules.not_in_force", reason_ja="", reason_en="")),
        ("x-city", "dd", 0, refusal),
    ]
    log = hub.LogStore(engine, lambda _promise: signed(1, Measure.LIFT, None).envelope, "oversight/body")
    for requester, transaction, hours, refused in told:
        at = NOON + timedelta(hours=hours)
        record = LogRecord(
            entry=EntryKind.REQUEST, logged_at=at, transaction=transaction, requester=requester, refusal=refused
        )
        log.append(hub.Append(record, bytes(32)))
    log.close()
    since = NOON - timedelta(days=1)
    expected = [("x-city", NOON - timedelta(hours=2)), ("y-city", NOON - timedelta(hours=1))]
    assert list(hub.requests_logged(engine, since)) == expected
    with engine.begin() as conn:
        rows = [("aa", -30, "x-city"), ("bb", -2, "x-city"), ("cc", -1, "y-city"), ("dd", 0, None)]
        values = [{"mark": m, "made_at": NOON + timedelta(hours=h), "requester": r} for m, h, r in rows]
        conn.execute(insert(tables.marks), values)
    assert list(hub.requests_passed(engine, since)) == expected
