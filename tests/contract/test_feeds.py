"""Feeds between roles: nothing is missed, nothing is read by the wrong party, and read tickets can be forgotten."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, MetaData

from kumihimo.plumbing.storage import (
    FeedItem,
    append_feed,
    count_feed,
    cursor_table,
    delete_feed,
    expire_feed,
    feed_table,
    get_cursor,
    read_feed,
    set_cursor,
)

metadata = MetaData()
feed = feed_table(metadata)
cursors = cursor_table(metadata)
NOON = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)


@pytest.fixture
def registry(engine: Engine) -> Engine:
    metadata.create_all(engine)
    return engine


def _append(engine: Engine, audience: str, kind: str = "moved", **body: object) -> int:
    with engine.begin() as conn:
        return append_feed(conn, feed, audience, kind, body, NOON)


def _read(engine: Engine, audience: str, after: int = 0, limit: int = 1000) -> list[FeedItem]:
    with engine.connect() as conn:
        return read_feed(conn, feed, audience, after, limit)


def test_a_city_reads_its_own_items_and_those_for_everybody_in_order(registry: Engine) -> None:
    first = _append(registry, "x-city", "moved", to="甲県Y市")
    _append(registry, "y-city", "born")
    last = _append(registry, "*", "holiday", on="2026-04-29")
    assert _read(registry, "x-city") == [
        FeedItem(first, "moved", {"to": "甲県Y市"}, NOON),
        FeedItem(last, "holiday", {"on": "2026-04-29"}, NOON),
    ]


def test_a_reader_goes_on_after_its_cursor_in_pages(registry: Engine) -> None:
    numbers = [_append(registry, "x-city", page=page) for page in range(5)]
    after, pages = 0, []
    while items := _read(registry, "x-city", after, limit=2):
        pages.append([item.seq for item in items])
        after = items[-1].seq
    assert pages == [numbers[0:2], numbers[2:4], numbers[4:5]]


def test_an_item_appears_only_when_the_change_it_tells_of_is_committed(registry: Engine) -> None:
    with registry.connect() as conn:
        transaction = conn.begin()
        append_feed(conn, feed, "x-city", "moved", {}, NOON)
        assert _read(registry, "x-city") == []
        transaction.rollback()
    assert _read(registry, "x-city") == []


def test_forgetting_read_tickets_leaves_other_parties_and_later_items(registry: Engine) -> None:
    read = [_append(registry, "x-city", ticket=n) for n in range(2)]
    everybody = _append(registry, "*")
    other = _append(registry, "y-city")
    later = _append(registry, "x-city", ticket=2)
    with registry.begin() as conn:
        assert delete_feed(conn, feed, "x-city", everybody) == len(read)
    assert [item.seq for item in _read(registry, "x-city")] == [everybody, later]
    assert [item.seq for item in _read(registry, "y-city")] == [everybody, other]


def test_only_what_was_taken_and_is_old_enough_expires_a_page_at_a_time(registry: Engine) -> None:
    def tell(audience: str, kind: str, at: datetime) -> int:
        with registry.begin() as conn:
            return append_feed(conn, feed, audience, kind, {}, at)

    def expire(limit: int) -> int:
        with registry.begin() as conn:
            return expire_feed(conn, feed, "portal", taken, "access", NOON, limit)

    old = NOON - timedelta(seconds=1)
    for _ in range(3):
        tell("portal", "access", old)
    outcome, other, young = (
        tell("portal", "outcome", old),
        tell("x-city", "access", old),
        tell("portal", "access", NOON),
    )
    taken = tell("portal", "access", NOON)
    untaken = tell("portal", "access", old)
    assert [expire(2), expire(2), expire(2)] == [2, 1, 0]
    assert [item.seq for item in _read(registry, "portal")] == [outcome, young, taken, untaken]
    assert [item.seq for item in _read(registry, "x-city")] == [other]
    with registry.connect() as conn:
        assert [count_feed(conn, feed, "portal", after) for after in (0, taken, untaken)] == [4, 1, 0]


def test_a_forgotten_number_is_never_given_out_again(registry: Engine) -> None:
    forgotten = _append(registry, "x-city")
    with registry.begin() as conn:
        delete_feed(conn, feed, "x-city", forgotten)
    assert _append(registry, "x-city") > forgotten


def test_a_slow_clerk_s_item_is_never_passed_over(registry: Engine) -> None:
    """The clerk who drew the lower number commits later: until then no higher number may be visible."""
    drawn, may_commit = threading.Event(), threading.Event()
    numbers: dict[str, int] = {}

    def slow() -> None:
        with registry.begin() as conn:
            numbers["slow"] = append_feed(conn, feed, "x-city", "moved", {}, NOON)
            drawn.set()
            may_commit.wait(30)

    def quick() -> None:
        numbers["quick"] = _append(registry, "x-city")

    slow_clerk, quick_clerk = threading.Thread(target=slow), threading.Thread(target=quick)
    slow_clerk.start()
    assert drawn.wait(30)
    quick_clerk.start()
    quick_clerk.join(0.5)
    seen_meanwhile = [item.seq for item in _read(registry, "x-city")]
    may_commit.set()
    slow_clerk.join()
    quick_clerk.join()
    assert seen_meanwhile == []
    assert [item.seq for item in _read(registry, "x-city")] == [numbers["slow"], numbers["quick"]]


def test_a_reader_beside_many_writers_meets_every_item_once_and_in_order(registry: Engine) -> None:
    writers, each = 4, 40
    threads = [
        threading.Thread(target=lambda: [_append(registry, "x-city") for _ in range(each)]) for _ in range(writers)
    ]
    for thread in threads:
        thread.start()
    met: list[int] = []
    while len(met) < writers * each:
        running = any(thread.is_alive() for thread in threads)
        items = _read(registry, "x-city", after=met[-1] if met else 0, limit=7)
        met += [item.seq for item in items]
        if not running and not items:
            break
    for thread in threads:
        thread.join()
    assert met == [item.seq for item in _read(registry, "x-city")]
    assert len(met) == writers * each


def test_a_body_that_is_not_json_is_refused(registry: Engine) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        _append(registry, "x-city", income=float("nan"))
    assert _read(registry, "x-city") == []


def test_a_cursor_starts_at_zero_and_keeps_the_last_number_per_feed(registry: Engine) -> None:
    with registry.begin() as conn:
        assert get_cursor(conn, cursors, "registry") == 0
        set_cursor(conn, cursors, "registry", 7)
        set_cursor(conn, cursors, "hub", 2**40)
        set_cursor(conn, cursors, "registry", 9)
    with registry.connect() as conn:
        assert get_cursor(conn, cursors, "registry") == 9
        assert get_cursor(conn, cursors, "hub") == 2**40


def test_a_cursor_moves_only_with_the_work_it_stands_for(registry: Engine) -> None:
    with registry.connect() as conn:
        transaction = conn.begin()
        set_cursor(conn, cursors, "registry", 7)
        transaction.rollback()
    with registry.connect() as conn:
        assert get_cursor(conn, cursors, "registry") == 0
