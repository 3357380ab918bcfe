"""Feeds over the wire: everything once, in order, to the right party only, and at once when there is news."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from small_country import EXCHANGE, HUB_2, OTHER, STRANGER, SmallCountry, running
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, select
from sqlalchemy.exc import OperationalError

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import (
    FeedItem,
    append_feed,
    cursor_table,
    feed_table,
    get_cursor,
    open_engine,
    read_feed,
    set_cursor,
    waiting_in_feed,
)
from kumihimo.plumbing.wire import feeds
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import parse_envelope
from kumihimo.plumbing.wire.feeds import PAGE, FeedDesk, FeedEntry, FeedPage, FeedReader

NOON = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
producing = MetaData()
feed = feed_table(producing)
consuming = MetaData()
cursors = cursor_table(consuming)
received = Table("received", consuming, Column("n", Integer, primary_key=True), Column("what", Text))

Run = Callable[[FastAPI, Edge], None]


@dataclass
class Producer:
    """Operator 2 with a feed, running."""

    edge: Edge
    engine: Engine
    desk: FeedDesk

    def tell(self, audience: str, kind: str, *bodies: int) -> list[int]:
        with self.engine.begin() as conn:
            told = [append_feed(conn, feed, audience, kind, {"n": n}, NOON) for n in bodies]
        self.desk.notify()
        return told

    def kept(self, audience: str) -> list[tuple[str, int]]:
        with self.engine.connect() as conn:
            return [(item.kind, item.body["n"]) for item in read_feed(conn, feed, audience, 0, 1000)]


@pytest.fixture
def producer(country: SmallCountry, tmp_path: Path, run: Run) -> Producer:
    edge = country.edge(HUB_2)
    engine = open_engine(f"sqlite:///{tmp_path}/producer.db")
    producing.create_all(engine)
    desk = FeedDesk(edge, engine, feed, forget=("codes",))
    app = application("producer")
    desk.mount(app)
    run(app, edge)
    return Producer(edge, engine, desk)


class Consumer:
    """An exchange that notes every item it is told, with a store of its own."""

    def __init__(self, edge: Edge, folder: Path, apply: Callable[[Connection, FeedItem], None] | None = None) -> None:
        self.engine = open_engine(f"sqlite:///{folder}/{edge.party.replace('/', '.')}.db")
        consuming.create_all(self.engine)
        self.client = PeerClient(edge)
        self.heard = threading.Event()
        self.reader = FeedReader(
            self.client, edge, HUB_2, self.engine, cursors, apply or note, after_commit=self.heard.set
        )

    def noted(self) -> list[int]:
        with self.engine.connect() as conn:
            return list(conn.scalars(select(received.c.n).order_by(received.c.n)))

    def cursor(self) -> int:
        with self.engine.connect() as conn:
            return get_cursor(conn, cursors, HUB_2)


def note(conn: Connection, item: FeedItem) -> None:
    conn.execute(received.insert().values(n=item.body["n"], what=item.kind))


@pytest.fixture
def consumer(country: SmallCountry, tmp_path: Path) -> Iterator[Consumer]:
    made = Consumer(country.edge(EXCHANGE), tmp_path)
    yield made
    made.client.close()


def page_of(client: PeerClient, edge: Edge, after: int = 0, **params: str | int) -> FeedPage:
    body = client.get(HUB_2, "/feed", {"after": after, **params})
    return edge.read(parse_envelope(body), FeedPage, HUB_2).value


def test_a_consumer_takes_every_item_once_and_in_order(
    country: SmallCountry, producer: Producer, tmp_path: Path
) -> None:
    order: list[int] = []
    consumer = Consumer(country.edge(EXCHANGE), tmp_path, lambda _conn, item: order.append(item.body["n"]))
    told = producer.tell(EXCHANGE, "access", *range(PAGE + 3))
    assert [consumer.reader.pull() for _ in range(3)] == [PAGE, 3, 0]
    assert order == list(range(PAGE + 3))
    assert consumer.cursor() == told[-1]
    consumer.client.close()


def test_only_the_own_items_and_those_for_everybody_are_seen(
    country: SmallCountry, producer: Producer, consumer: Consumer, tmp_path: Path
) -> None:
    producer.tell(EXCHANGE, "access", 1)
    producer.tell(OTHER, "access", 2)
    producer.tell("*", "access", 3)
    other = Consumer(country.edge(OTHER), tmp_path)
    consumer.reader.pull()
    other.reader.pull()
    assert (consumer.noted(), other.noted()) == ([1, 3], [2, 3])
    other.client.close()


def test_news_wakes_the_party_it_is_for_and_no_other(
    country: SmallCountry, producer: Producer, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: dict[str, int] = {}
    both_read = threading.Barrier(3)

    def counted(conn: Connection, table: Table, audience: str, after: int, limit: int) -> int:
        reads[audience] = reads.get(audience, 0) + 1
        there = waiting_in_feed(conn, table, audience, after, limit)
        if reads[audience] == 1:
            both_read.wait(30)
        return there

    monkeypatch.setattr(feeds, "waiting_in_feed", counted)
    other = PeerClient(country.edge(OTHER))
    with ThreadPoolExecutor(2) as pool:
        mine = pool.submit(page_of, consumer.client, country.edge(EXCHANGE), wait=30)
        others = pool.submit(page_of, other, country.edge(OTHER), wait=30)
        both_read.wait(30)
        with producer.engine.begin() as conn:
            append_feed(conn, feed, EXCHANGE, "access", {"n": 1}, NOON)
        producer.desk.notify(EXCHANGE)
        assert [entry.body["n"] for entry in mine.result(30).entries] == [1]
        assert reads[OTHER] == 1
        producer.tell(OTHER, "access", 2)
        assert [entry.body["n"] for entry in others.result(30).entries] == [2]
    other.close()


def test_what_follows_at_once_leaves_on_the_same_page(
    producer: Producer, consumer: Consumer, country: SmallCountry, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []

    def followed(conn: Connection, table: Table, audience: str, after: int, limit: int) -> int:
        found.append(waiting_in_feed(conn, table, audience, after, limit))
        producer.tell(EXCHANGE, "access", 2)
        return found[-1]

    producer.tell(EXCHANGE, "access", 1)
    monkeypatch.setattr(feeds, "waiting_in_feed", followed)
    page = page_of(consumer.client, country.edge(EXCHANGE), wait=30)
    assert [entry.body["n"] for entry in page.entries] == [1, 2]
    assert found == [1]


def test_what_leaves_may_be_written_out_only_when_it_is_fetched(
    country: SmallCountry, tmp_path: Path, run: Run
) -> None:
    edge = country.edge(HUB_2)
    engine = open_engine(f"sqlite:///{tmp_path}/told.db")
    producing.create_all(engine)
    desk = FeedDesk(
        edge, engine, feed, told=lambda items: [replace(one, body={"n": one.body["n"] * 10}) for one in items]
    )
    app = application("producer")
    desk.mount(app)
    run(app, edge)
    producer = Producer(edge, engine, desk)
    producer.tell(EXCHANGE, "access", 1, 2)
    client = PeerClient(country.edge(EXCHANGE))
    assert [entry.body["n"] for entry in page_of(client, country.edge(EXCHANGE)).entries] == [10, 20]
    assert producer.kept(EXCHANGE) == [("access", 1), ("access", 2)]
    client.close()


def test_a_party_that_left_the_directory_gets_no_feed(country: SmallCountry, producer: Producer) -> None:
    producer.tell(STRANGER, "access", 1)
    client = PeerClient(country.edge(STRANGER))
    with pytest.raises(Problem) as caught:
        client.get(HUB_2, "/feed")
    assert caught.value.code == "peer.unknown"
    client.close()


def test_news_reaches_a_waiting_consumer_at_once(
    country: SmallCountry, producer: Producer, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = country.edge(EXCHANGE)
    looked = threading.Event()

    def looking(conn: Connection, table: Table, audience: str, after: int, limit: int) -> int:
        there = waiting_in_feed(conn, table, audience, after, limit)
        looked.set()
        return there

    monkeypatch.setattr(feeds, "waiting_in_feed", looking)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(page_of, consumer.client, edge, wait=30)
        assert looked.wait(10)  # it found nothing, and now waits
        producer.tell(OTHER, "access", 1)  # news for somebody else is none
        producer.tell(EXCHANGE, "access", 2)
        entries = waiting.result(timeout=10).entries  # long before the 30 seconds are over
    assert [entry.body["n"] for entry in entries] == [2]


def test_a_consumer_that_waits_in_vain_gets_an_empty_page(
    country: SmallCountry, producer: Producer, consumer: Consumer
) -> None:
    page = page_of(consumer.client, country.edge(EXCHANGE), wait="0.05")
    assert (page.source, page.audience, page.after, page.entries) == (HUB_2, EXCHANGE, 0, ())


def test_a_reader_in_the_background_hears_what_is_told_while_it_waits(producer: Producer, consumer: Consumer) -> None:
    consumer.reader.start()
    try:
        for n in range(3):
            consumer.heard.clear()
            producer.tell(EXCHANGE, "access", n)
            assert consumer.heard.wait(10)
        assert consumer.noted() == [0, 1, 2]
    finally:
        consumer.reader.stop()
        producer.tell(EXCHANGE, "access", 99)


def test_what_may_not_be_kept_is_forgotten_once_the_consumer_has_it_and_nothing_else(
    country: SmallCountry, producer: Producer, consumer: Consumer
) -> None:
    producer.tell(EXCHANGE, "codes", 1)
    producer.tell(EXCHANGE, "access", 2)
    producer.tell(OTHER, "codes", 3)
    consumer.reader.pull()
    assert producer.kept(EXCHANGE) == [("codes", 1), ("access", 2)]  # the answer may have been lost on its way
    producer.tell(EXCHANGE, "codes", 4)
    consumer.reader.pull()
    assert producer.kept(EXCHANGE) == [("access", 2), ("codes", 4)]
    assert producer.kept(OTHER) == [("codes", 3)]


def test_what_could_not_be_forgotten_is_forgotten_the_next_time(
    producer: Producer, consumer: Consumer, country: SmallCountry, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge, forgotten = country.edge(EXCHANGE), feeds.delete_feed
    failing = [False, True, False]  # the second time: after something was forgotten already

    def sometimes(*args: Any) -> int:
        if failing.pop(0):
            raise OperationalError("DELETE", {}, Exception("the disk is full"))
        return forgotten(*args)

    monkeypatch.setattr(feeds, "delete_feed", sometimes)
    (first,) = producer.tell(EXCHANGE, "codes", 1)
    page_of(consumer.client, edge)
    (second,) = producer.tell(EXCHANGE, "codes", 2)
    page_of(consumer.client, edge, after=first)
    with pytest.raises(Problem):
        page_of(consumer.client, edge, after=second)
    assert producer.kept(EXCHANGE) == [("codes", 2)]
    page_of(consumer.client, edge, after=second)
    assert producer.kept(EXCHANGE) == []
    page_of(consumer.client, edge, after=second)
    assert failing == []  # and where there is nothing to forget, nobody looks


class Calendar:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


def test_a_portal_restored_from_a_backup_gets_again_what_it_had_taken_since(
    country: SmallCountry, tmp_path: Path, run: Run, consumer: Consumer
) -> None:
    """Operator 2 keeps what was taken for thirty days, and forgets it then."""
    calendar = Calendar()
    edge, engine = country.edge(HUB_2, calendar), open_engine(f"sqlite:///{tmp_path}/producer.db")
    producing.create_all(engine)
    desk = FeedDesk(edge, engine, feed, forget=("codes",), retain={"access": timedelta(days=30)})
    app = application("producer")
    desk.mount(app)
    run(app, edge)
    producer = Producer(edge, engine, desk)
    producer.tell(EXCHANGE, "access", 1, 2)
    consumer.reader.pull()
    backed_up = consumer.cursor()
    producer.tell(EXCHANGE, "codes", 3)
    producer.tell(EXCHANGE, "access", 4)
    assert consumer.reader.pull() == 2
    consumer.reader.pull()
    with consumer.engine.begin() as conn:  # the backup is put back
        conn.execute(received.delete().where(received.c.n > 2))
        set_cursor(conn, cursors, HUB_2, backed_up)
    assert consumer.reader.pull() == 1
    assert consumer.noted() == [1, 2, 4]  # the ticket is gone for good
    calendar.at += timedelta(days=30)
    consumer.reader.pull()
    assert producer.kept(EXCHANGE) == [("access", 1), ("access", 2), ("access", 4)]
    calendar.at += timedelta(hours=1)
    producer.tell(EXCHANGE, "access", 5)  # not taken yet: never forgotten, however old
    consumer.reader.pull()
    assert producer.kept(EXCHANGE) == [("access", 5)]


def test_a_producer_knows_how_far_its_readers_are_behind(producer: Producer, consumer: Consumer) -> None:
    producer.tell(EXCHANGE, "access", 1, 2)
    consumer.reader.pull()
    asked = producer.desk.asked()[EXCHANGE]
    assert (asked.after, producer.desk.waiting_after(EXCHANGE, asked.after)) == (0, 2)
    consumer.reader.pull()
    asked = producer.desk.asked()[EXCHANGE]
    assert producer.desk.waiting_after(EXCHANGE, asked.after) == 0


@pytest.mark.parametrize("params", [{"after": -1}, {"after": 2**63}, {"limit": 0}, {"limit": PAGE + 1}, {"wait": 31}])
def test_a_cursor_a_size_or_a_wait_out_of_range_is_refused(
    country: SmallCountry, producer: Producer, consumer: Consumer, params: dict[str, int]
) -> None:
    with pytest.raises(Problem) as caught:
        consumer.client.get(HUB_2, "/feed", params)
    assert caught.value.code == "message.malformed"
    assert next(iter(params)) in str(caught.value.where)


class PowerCut(BaseException):
    """The process ends here; nothing catches it."""


def test_a_consumer_that_dies_between_effect_and_cursor_applies_the_item_once(
    country: SmallCountry, producer: Producer, tmp_path: Path
) -> None:
    dying = True

    def apply(conn: Connection, item: FeedItem) -> None:
        note(conn, item)
        if dying and item.body["n"] == 2:
            raise PowerCut

    consumer = Consumer(country.edge(EXCHANGE), tmp_path, apply)
    producer.tell(EXCHANGE, "access", 1, 2, 3)
    with pytest.raises(PowerCut):
        consumer.reader.pull()
    assert (consumer.noted(), consumer.cursor()) == ([], 0)
    dying = False
    consumer.reader.pull()
    assert consumer.noted() == [1, 2, 3]
    consumer.client.close()


def test_an_item_that_cannot_be_applied_stops_the_feed_there_and_not_before(
    country: SmallCountry, producer: Producer, tmp_path: Path
) -> None:
    def apply(conn: Connection, item: FeedItem) -> None:
        if item.kind == "unreadable":
            raise Problem("codes.not_a_point", "32 bytes")
        note(conn, item)

    consumer = Consumer(country.edge(EXCHANGE), tmp_path, apply)
    *_, last_good = producer.tell(EXCHANGE, "access", 1, 2)
    producer.tell(EXCHANGE, "unreadable", 3)
    producer.tell(EXCHANGE, "access", 4)
    for _ in range(2):
        with pytest.raises(Problem) as caught:
            consumer.reader.pull()
        assert caught.value.code == "codes.not_a_point"
        assert (consumer.noted(), consumer.cursor()) == ([1, 2], last_good)
    consumer.client.close()


def page_server(edge: Edge, page: FeedPage) -> FastAPI:
    app = application("another page")

    @app.get("/feed")
    def feed_page() -> dict[str, object]:
        return edge.answer(page).model_dump()

    return app


@pytest.mark.parametrize(("audience", "after"), [(OTHER, 0), (EXCHANGE, 7)])
def test_a_page_for_another_party_or_another_cursor_is_refused(
    country: SmallCountry, consumer: Consumer, audience: PartyId, after: int
) -> None:
    edge = country.edge(HUB_2)
    entry = FeedEntry(seq=8, kind="access", at=NOON, body={"n": 8})
    page = FeedPage(source=HUB_2, audience=audience, after=after, entries=(entry,))
    with running(page_server(edge, page), edge), pytest.raises(Problem) as caught:
        consumer.reader.pull()
    assert caught.value.code == "message.replayed"
    assert consumer.noted() == []


def test_a_page_that_the_producer_did_not_sign_is_refused(country: SmallCountry, consumer: Consumer) -> None:
    page = FeedPage(source=HUB_2, audience=EXCHANGE, after=0, entries=())
    with running(page_server(country.edge(OTHER), page), country.edge(HUB_2)), pytest.raises(Problem) as caught:
        consumer.reader.pull()
    assert caught.value.code == "message.wrong_signer"


def test_a_producer_that_does_not_run_is_a_problem_and_moves_no_cursor(consumer: Consumer) -> None:
    with pytest.raises(Problem) as caught:
        consumer.reader.pull()
    assert caught.value.code == "peer.unreachable"
    assert consumer.cursor() == 0
