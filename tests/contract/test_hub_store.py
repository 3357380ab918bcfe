"""The hub's store keeps its promises on both engines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Engine, ForeignKey, MetaData, Table, event, exc, func, insert, select

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import commit
from kumihimo.domain.transparency.merkle import leaf_hash
from kumihimo.domain.transparency.tiles import EntryBundle, Tile, unpack_entries
from kumihimo.plumbing.storage import downgrade, migrate, read_feed, require_current
from kumihimo.plumbing.wire.envelope import Envelope, Signature, Signed, b64, from_b64
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    LogPromise,
    LogRecord,
    Outcome,
    OversightRecord,
    WitnessedPromise,
)
from kumihimo.roles.hub.store import (
    MIGRATIONS,
    Append,
    LogStore,
    News,
    Passage,
    PublishedCheckpoint,
    Report,
    ReportedOutcome,
    SecondStore,
    Standing,
    Standings,
    TreeStore,
    feed,
    metadata,
)
from kumihimo.roles.hub.store.tables import entries, promises, standings

AT_COMMIT = {"deferrable": True, "initially": "DEFERRED"}
NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
OVERSEER = "oversight/body"


def envelope_of(promise: LogPromise) -> Envelope:
    signature = Signature(keyid="hub-1/operator", sig="AAAA")
    return Envelope(payloadType=promise.payload_type(), payload=b64(promise.to_bytes()), signatures=(signature,))


def record(transaction: str | None = None) -> LogRecord:
    return LogRecord(entry=EntryKind.REQUEST, logged_at=NOON, transaction=transaction)


def salt(n: int) -> bytes:
    return n.to_bytes(32, "big")


@pytest.fixture
def hub(engine: Engine) -> Engine:
    migrate(engine, MIGRATIONS)
    return engine


@pytest.fixture
def log(hub: Engine) -> Iterator[LogStore]:
    store = LogStore(hub, envelope_of, OVERSEER)
    yield store
    store.close()


def index_of(envelope: Envelope) -> int:
    return LogPromise.model_validate_json(envelope.payload_bytes()).index


def test_the_migrated_schema_is_the_one_the_program_uses(hub: Engine) -> None:
    require_current(hub, MIGRATIONS)
    with hub.connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "include_name": lambda name, kind, _: _is_ours(name, kind)}
        )
        assert compare_metadata(context, metadata) == []


def _is_ours(name: str | None, kind: str) -> bool:
    return kind != "table" or not str(name).startswith("schema_of__")


def test_a_migration_can_be_taken_back(hub: Engine) -> None:
    downgrade(hub, MIGRATIONS, "base")
    with pytest.raises(Problem, match=r"store\.not_migrated"):
        require_current(hub, MIGRATIONS)
    migrate(hub, MIGRATIONS)


def test_entries_are_numbered_without_gaps_whoever_comes_first(hub: Engine, log: LogStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        logged = list(pool.map(lambda n: log.append(Append(record(), salt(n))), range(200)))
    indexes = [index_of(entry.promise) for entry in logged if entry]
    assert sorted(indexes) == list(range(200))
    stored = TreeStore(hub).entries(0, 1_000)
    assert len(stored) == 200
    for entry in logged:
        assert entry is not None
        committed = commit(from_b64(entry.salt, "salt"), entry.record.to_bytes())
        assert stored[index_of(entry.promise)] == committed


def test_the_overseer_is_told_of_every_entry_in_the_order_of_the_log(hub: Engine, log: LogStore) -> None:
    logged = [log.append(Append(record(), salt(n))) for n in range(5)]
    with hub.connect() as conn:
        stored = read_feed(conn, feed, OVERSEER, 0, 10)
    told = [OversightRecord.model_validate(item.body) for item in log.told(stored)]
    assert [item.index for item in told] == [0, 1, 2, 3, 4]
    assert [item.logged for item in told] == logged


def test_many_entries_are_entered_in_their_order_and_each_can_be_promised_afterwards(
    hub: Engine, log: LogStore
) -> None:
    items = [Append(record(f"{n:032x}"), salt(n), mark=f"{n:032x}") for n in (0, 1, 2, 1, 3)]
    entered = log.enter_all(items)
    assert [one and one.index for one in entered] == [0, 1, 2, None, 3]
    assert TreeStore(hub).entries(0, 10) == [one.commitment for one in entered if one]
    assert log.enter_all(items) == [None] * 5
    for one in entered:
        if one is not None:
            promise = LogPromise.model_validate_json(log.promised(one).promise.payload_bytes())
            assert (promise.index, from_b64(promise.entry, "entry")) == (one.index, one.commitment)


def test_many_appended_at_once_each_get_the_answer_they_would_get_alone(log: LogStore) -> None:
    items = [Append(record(f"{n:032x}"), salt(n), mark=f"{n:032x}") for n in (0, 1, 1, 2)]
    answers = log.append_all(items)
    assert [one and index_of(one.promise) for one in answers] == [0, 1, None, 2]
    assert [one and one.record for one in answers] == [items[0].record, items[1].record, None, items[3].record]
    assert answers[3] == log.first_request(f"{2:032x}")
    assert log.append_all([]) == []


def test_a_caller_may_have_many_entries_under_way_and_each_is_answered_once_it_is_durable(
    hub: Engine, log: LogStore
) -> None:
    items = [Append(record(), salt(n), mark=f"{n % 30}") for n in range(60)]
    under_way = [log.enter(item) for item in items]
    for n, (item, answer) in enumerate(zip(items, under_way, strict=True)):
        index = answer.result(30)
        assert index == (n if n < 30 else None)
        if index is not None:
            assert TreeStore(hub).entries(index, 1) == [commit(item.salt, item.record.to_bytes())]


def test_the_overseer_gets_the_very_promise_that_the_requester_got(hub: Engine, log: LogStore) -> None:
    tokyo = LogRecord(entry=EntryKind.REQUEST, logged_at=NOON.astimezone(timezone(timedelta(hours=9))))
    logged = [log.append(Append(one, salt(n))) for n, one in enumerate((tokyo, record()))]
    with hub.connect() as conn:
        told = log.told(read_feed(conn, feed, OVERSEER, 0, 10))
    assert [OversightRecord.model_validate(item.body).logged for item in told] == logged


def test_one_transaction_number_is_used_once_even_at_the_same_moment(hub: Engine, log: LogStore) -> None:
    barrier = threading.Barrier(16)

    def use(n: int) -> bool:
        barrier.wait(30)
        return log.append(Append(record("ab" * 16), salt(n), mark="ab" * 16)) is not None

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(use, range(16))) == [False] * 15 + [True]
    assert TreeStore(hub).size() == 1


def test_a_failed_commit_leaves_no_entry_no_mark_and_no_news(hub: Engine, log: LogStore) -> None:
    log.append(Append(record(), salt(0)))

    claims = Table(
        "claim", MetaData(), Column("of", ForeignKey(standings.c.institution, **AT_COMMIT), primary_key=True)
    )
    claims.create(hub)

    def claim_something(conn: Connection) -> None:
        conn.execute(insert(claims).values(of="nobody"))

    event.listen(hub, "commit", claim_something)
    with pytest.raises(exc.IntegrityError):
        log.append(Append(record("ab" * 16), salt(1), mark="ab" * 16))
    event.remove(hub, "commit", claim_something)
    assert TreeStore(hub).size() == 1
    with hub.connect() as conn:
        assert len(read_feed(conn, feed, OVERSEER, 0, 10)) == 1
    again = log.append(Append(record("ab" * 16), salt(2), mark="ab" * 16))
    assert again is not None
    assert index_of(again.promise) == 1


def test_a_reported_outcome_is_kept_with_its_entry(log: LogStore) -> None:
    report = Report(Outcome.PROVIDED, "ab" * 32, envelope_of(LogPromise(index=9, entry="", logged_at=NOON)))
    logged = log.append(Append(record(), salt(0), "outcome/1/y-city/final", report))
    assert log.append(Append(record(), salt(1), "outcome/1/y-city/final", report)) is None
    known = log.reported(["outcome/1/y-city/final", "outcome/1/x-city/final"])
    assert known == {"outcome/1/y-city/final": ReportedOutcome(report, logged)}


def test_tiles_and_bundles_follow_from_the_entries(hub: Engine, log: LogStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: log.append(Append(record(), salt(n))), range(260)))
    tree = TreeStore(hub)
    commitments = tree.entries(0, 260)
    computed = b"".join(leaf_hash(entry) for entry in commitments)
    assert tree.tile(0, 0, 256) + tree.tile(0, 1, 4) == computed
    assert unpack_entries(tree.bundle(EntryBundle(1, 4)), 4) == tuple(commitments[256:])
    above = tree.tile(1, 0, 1)
    tree.publish(PublishedCheckpoint(260, bytes(32), "note\n"), {Tile(0, 0): tree.tile(0, 0, 256)}, NOON)
    assert (tree.tile(1, 0, 1), tree.tile(0, 0, 7)) == (above, computed[: 7 * 32])
    tree.cosigned(260, "note with a cosignature\n")
    assert tree.latest() == PublishedCheckpoint(260, bytes(32), "note with a cosignature\n")
    for beyond in (lambda: tree.tile(0, 1, 5), lambda: tree.bundle(EntryBundle(2, 1))):
        with pytest.raises(Problem, match=r"log\.unknown_entry"):
            beyond()


def passage(mark: str, index: int = 0, entry: str = "AA==") -> Passage:
    promise = LogPromise(index=index, entry=entry, logged_at=NOON)
    news = News("x-city/exchange", "codes", CodesIssued(codes=(BlindCode(ticket="t", ciphertext="c"),)))
    return Passage(mark, Signed(promise, envelope_of(promise)), (news,), NOON)


def test_operator_2_lets_one_thing_pass_once(hub: Engine) -> None:
    store = SecondStore(hub, OVERSEER)
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: store.passes(passage("ab")), range(8))) == [False] * 7 + [True]
    assert store.passes(passage("cd", 1))
    store.close()
    with hub.connect() as conn:
        assert [item.kind for item in read_feed(conn, feed, "x-city/exchange", 0, 10)] == ["codes", "codes"]
        seen = [WitnessedPromise.model_validate(item.body) for item in read_feed(conn, feed, OVERSEER, 0, 10)]
    assert [index_of(item.promise) for item in seen] == [0, 1]


def test_two_promises_for_one_index_are_both_kept_as_evidence(hub: Engine) -> None:
    store = SecondStore(hub, OVERSEER)
    for mark, entry in (("a", "AA=="), ("b", "AQ=="), ("c", "AQ==")):
        assert store.passes(passage(mark, 7, entry))
    store.close()
    with hub.connect() as conn:
        kept = conn.execute(select(promises.c.entry).where(promises.c.entry_index == 7).order_by(promises.c.entry))
        assert kept.scalars().all() == ["AA==", "AQ=="]
        assert conn.execute(select(func.count()).select_from(entries)).scalar_one() == 0


def test_a_suspension_outlives_the_process_until_it_is_lifted(hub: Engine) -> None:
    Standings(hub).put("x-city", Standing.SUSPENDED, "order 7", NOON)
    restarted = Standings(hub)
    restarted.require_active("y-city")
    with pytest.raises(Problem, match=r"institution\.suspended"):
        restarted.require_active("x-city")
    restarted.put("x-city", Standing.ACTIVE, "order 8", NOON)
    restarted.require_active("x-city")
    Standings(hub).require_active("x-city")
