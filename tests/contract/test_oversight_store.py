"""The oversight body's store on both engines: the migrated schema is the declared one, and only one writer wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from kumihimo.domain.transparency.merkle import leaf_hash, root_of_leaves
from kumihimo.domain.transparency.tiles import Tile
from kumihimo.domain.transparency.witness import WitnessedState
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.service.growth import Growth, VerifiedState
from kumihimo.roles.oversight.store import (
    MIGRATIONS,
    Findings,
    Statements,
    StoredPromise,
    StoredRecord,
    VerifiedLog,
    WitnessStore,
    metadata,
)

ORIGIN = "log.example"
NOON = datetime(2026, 6, 3, 3, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
A, B, C = (bytes([one]) * 32 for one in (1, 2, 3))


@pytest.fixture
def store(engine: Engine) -> Engine:
    migrate(engine, MIGRATIONS)
    return engine


def grown(first: int, *entries: bytes) -> Growth:
    leaves = [leaf_hash(entry) for entry in entries]
    root = root_of_leaves(leaves)
    return Growth(
        VerifiedState(first + len(entries), root, "note"),
        first,
        entries,
        {Tile(0, 0, len(entries)): b"".join(leaves)},
    )


def test_the_migrated_schema_is_the_declared_one(store: Engine) -> None:
    with store.connect() as conn:
        differences = compare_metadata(MigrationContext.configure(conn), metadata)
    assert [one for one in differences if not _is_version_table(one)] == []
    downgrade(store, MIGRATIONS, "base")


def _is_version_table(difference: object) -> bool:
    return isinstance(difference, tuple) and difference[0] == "remove_table" and "schema_of__" in difference[1].name


def test_a_state_once_cosigned_is_replaced_only_by_who_knows_it(store: Engine) -> None:
    witness = WitnessStore(store)
    one, two = WitnessedState(1, A), WitnessedState(2, B)
    assert witness.state(ORIGIN) == WitnessedState()
    assert witness.swap(ORIGIN, WitnessedState(), one, NOON)
    assert not witness.swap(ORIGIN, WitnessedState(), two, NOON)
    assert not witness.swap(ORIGIN, WitnessedState(1, B), two, NOON)
    assert witness.swap(ORIGIN, one, two, NOON)
    assert witness.state(ORIGIN) == two
    assert witness.state("another.example") == WitnessedState()


@pytest.mark.parametrize("start", [WitnessedState(), WitnessedState(5, A)])
def test_of_many_writers_at_once_one_wins(store: Engine, start: WitnessedState) -> None:
    witness = WitnessStore(store)
    if start.size:
        witness.swap(ORIGIN, WitnessedState(), start, NOON)
    gate = Barrier(6)

    def race(number: int) -> bool:
        gate.wait()
        return witness.swap(ORIGIN, start, WitnessedState(9, bytes([number]) * 32), NOON)

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(race, range(6)))
    assert sum(won) == 1
    assert witness.state(ORIGIN).root == bytes([won.index(True)]) * 32


def test_verified_growth_is_kept_and_its_partial_tile_replaced(store: Engine) -> None:
    log = VerifiedLog(store, ORIGIN)
    log.adopt(grown(0, A), NOON)
    longer = grown(0, A, B)
    log.adopt(Growth(longer.state, 1, (B,), longer.tiles), LATER)
    assert log.state() == longer.state
    assert log.tile(0, 0, 2) == leaf_hash(A) + leaf_hash(B)
    assert log.root_at(1) == leaf_hash(A)
    assert log.root_at(2) == longer.state.root
    assert Findings(store).counts(ORIGIN).verified_at == LATER


def test_an_alarm_seen_again_is_one_alarm_with_its_first_evidence(store: Engine) -> None:
    findings = Findings(store)
    findings.raise_(Alarm(AlarmKind.SPLIT_VIEW, "two roots", "first"), NOON)
    findings.raise_(Alarm(AlarmKind.SPLIT_VIEW, "two roots", "second"), LATER)
    assert findings.alarms() == [Alarm(AlarmKind.SPLIT_VIEW, "two roots", "first")]
    assert findings.counts(ORIGIN).alarms == {"split_view": 1}


def test_records_and_promises_are_held_against_the_entries(store: Engine) -> None:
    findings = Findings(store)
    with store.begin() as conn:
        statements = Statements(conn)
        assert statements.next_index() == 0
        statements.take_record(StoredRecord(0, A, C, "{}", "{}"), NOON)
        statements.take_record(StoredRecord(1, C, C, "{}", "{}"), NOON)
        assert statements.next_index() == 2
        assert statements.commitment_of(1) == C
        assert statements.commitment_of(2) is None
        for index, commitment in ((0, A), (1, C), (7, A)):
            statements.take_promise(StoredPromise(index, commitment, "{}"), NOON)
    VerifiedLog(store, ORIGIN).adopt(grown(0, A, B, C), NOON)
    findings.compare_records(NOON, LATER)
    findings.compare_promises(None, LATER)
    assert findings.counts(ORIGIN).alarms == {"promise_broken": 1, "record_not_logged": 1}
    findings.compare_records(LATER, LATER)
    findings.compare_promises(LATER, LATER)
    counts = findings.counts(ORIGIN)
    assert counts.alarms == {
        "promise_broken": 1,
        "promise_overdue": 1,
        "record_missing": 1,
        "record_not_logged": 1,
    }
    assert (counts.records, counts.promises, counts.promises_kept) == (2, 3, 1)
