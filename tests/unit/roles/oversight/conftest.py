"""Operator 1 with a real log that can be made to lie, and the oversight body that watches it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from kumihimo.country.keys import PartyPlan, Root, write_directory, write_random_secret
from kumihimo.domain.kernel import FixedClock, Institution, InstitutionId, PartyId, Problem
from kumihimo.domain.sealing import commit
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import consistency_proof, leaf_hash, root_of
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.domain.transparency.tiles import EntryBundle, Tile, TiledTree, grow
from kumihimo.domain.transparency.witness import AddCheckpoint
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    LoggedRecord,
    LogPromise,
    LogRecord,
    OversightRecord,
    WitnessedPromise,
)
from kumihimo.roles.oversight.service.alarms import AlarmKind
from kumihimo.roles.oversight.service.intake import Intake
from kumihimo.roles.oversight.service.monitor import Monitor
from kumihimo.roles.oversight.service.witness import Witness
from kumihimo.roles.oversight.store import MIGRATIONS, Findings, Statements, VerifiedLog, WitnessStore

ORIGIN = "hub-1.kumihimo.internal/log"
NOON = datetime(2026, 6, 3, 3, 0, tzinfo=UTC)
HUB_1, HUB_2 = PartyId("hub-1/operator"), PartyId("hub-2/operator")
OVERSIGHT = PartyId("oversight/body")
PARTIES = (HUB_1, HUB_2, OVERSIGHT, PartyId("x-city/desk"), PartyId("x-city/exchange"), PartyId("oversight/officer"))


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and directory of a small country."""
    folder = tmp_path_factory.mktemp("country")
    root = Root(folder / "root", datetime.now(UTC))
    plans = tuple(PartyPlan(one, folder / one / "keys", f"https://{one}.invalid") for one in PARTIES)
    entries = tuple(root.equip(plan) for plan in plans)
    institutions = tuple(
        Institution(InstitutionId(one), one, one, frozenset()) for one in ("hub-1", "hub-2", "oversight", "x-city")
    )
    write_directory(folder / "directory.json", institutions, entries, plans)
    write_random_secret(folder / OVERSIGHT / "keys" / "witness.key")
    return folder


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def edge_of(country: Path, clock: FixedClock) -> Callable[[PartyId], Edge]:
    def edge(party: PartyId) -> Edge:
        identity = Identity(party, country / party / "keys")
        return Edge(identity, Directory.load(country / "directory.json", identity.anchors()), clock)

    return edge


@dataclass
class OperatorOne:
    """Logs records, promises them, publishes checkpoints; `altered` holds what it serves instead of the truth."""

    edge: Edge
    key: NoteKey
    entries_: list[bytes] = field(default_factory=list)
    told: list[OversightRecord] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    size: int = 0
    note: str = ""
    down: bool = False
    altered: dict[Tile | EntryBundle, Any] = field(default_factory=dict)

    def log(self, count: int = 1, **fields: Any) -> list[OversightRecord]:
        """Write entries and promise them; they are in the log once `publish` is called."""
        new = []
        for _ in range(count):
            index = len(self.entries_)
            at = self.edge.clock.now()
            record = LogRecord(entry=EntryKind.CODES, logged_at=at, institution="x-city", count=index, **fields)
            salt = hashlib.sha256(b"salt %d" % index).digest()
            entry = commit(salt, record.to_bytes())
            logged = LoggedRecord(record=record, salt=b64(salt), promise=self.promise(index, entry))
            self.entries_.append(entry)
            new.append(OversightRecord(index=index, logged=logged))
        self.told += new
        return new

    def promise(self, index: int, entry: bytes) -> Envelope:
        promise = LogPromise(index=index, entry=b64(entry), logged_at=self.edge.clock.now())
        return seal_envelope(promise, self.edge.identity)

    def publish(self) -> None:
        """Sign a checkpoint over all entries."""
        leaves = [leaf_hash(entry) for entry in self.entries_[self.size :]]
        for tile, data in grow(_Shelf(self.tiles), self.size, leaves).items():
            self.tiles[tile.level, tile.index] = data
        self.size = len(self.entries_)
        root = root_of(self.tree(), self.size)
        self.note = str(Checkpoint(ORIGIN, self.size, root).signed(self.key))

    def tree(self) -> TiledTree:
        return TiledTree(_Shelf(self.tiles), self.size)

    def rewrite(self, entries: list[bytes]) -> None:
        """Start over with another history, keys and promises as they were."""
        self.entries_, self.tiles, self.size = entries, {}, 0
        self.publish()

    def request(self, old: int) -> str:
        """The body that asks a witness to cosign the published checkpoint."""
        return str(AddCheckpoint(old, consistency_proof(self.tree(), old, self.size), self.note))

    def checkpoint(self) -> str:
        self._require_up()
        return self.note

    def tile(self, level: int, index: int, width: int) -> bytes:
        self._require_up()
        served = self.altered.get(Tile(level, index, width), self.tiles[level, index][: 32 * width])
        if isinstance(served, Problem):
            raise served
        return served

    def entries(self, place: EntryBundle) -> tuple[bytes, ...]:
        self._require_up()
        start = place.index * 256
        return self.altered.get(place, tuple(self.entries_[start : start + place.width]))

    def _require_up(self) -> None:
        if self.down:
            raise Problem("peer.unreachable", "hub-1/operator (ConnectError)")


@dataclass(frozen=True)
class _Shelf:
    tiles: dict[tuple[int, int], bytes]

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self.tiles[level, index][: 32 * width]


@pytest.fixture
def operator(edge_of: Callable[[PartyId], Edge]) -> OperatorOne:
    return OperatorOne(edge_of(HUB_1), NoteKey.from_seed(ORIGIN, bytes(range(32))))


@dataclass
class Overseer:
    """The oversight body's services over one store, with its clock in the test's hand."""

    engine: Engine
    edge: Edge
    clock: FixedClock
    operator: OperatorOne
    witness: Witness
    findings: Findings
    verified: VerifiedLog
    monitor: Monitor

    def hear(self, *told: OversightRecord, first_seq: int = 1) -> None:
        """Operator 1's feed brings records."""
        intake = Intake(self.edge)
        for seq, one in enumerate(told, first_seq):
            self._apply(intake.take_record, FeedItem(seq, "record", one.model_dump(mode="json"), self.clock.now()))

    def hear_promise(self, promise: Envelope, seq: int = 1) -> None:
        """Operator 2's feed brings a promise it saw."""
        body = WitnessedPromise(promise=promise).model_dump(mode="json")
        self._apply(Intake(self.edge).take_promise, FeedItem(seq, "promise", body, self.clock.now()))

    def _apply(self, take: Callable[[Statements, FeedItem], None], item: FeedItem) -> None:
        with self.engine.begin() as conn:
            take(Statements(conn), item)

    def grow_well(self, count: int) -> None:
        """Operator 1 logs, tells, publishes; one round of the monitor follows."""
        self.hear(*self.operator.log(count), first_seq=len(self.operator.told) - count + 1)
        self.operator.publish()
        self.monitor.check()

    def wait(self, seconds: float) -> None:
        """Time passes, with a round every second."""
        for _ in range(int(seconds)):
            self.clock.at += timedelta(seconds=1)
            self.monitor.check()

    def kinds(self) -> list[AlarmKind]:
        return [alarm.kind for alarm in self.findings.alarms()]


@pytest.fixture
def overseer(tmp_path: Path, operator: OperatorOne, edge_of: Callable[[PartyId], Edge], clock: FixedClock) -> Overseer:
    engine = open_engine(f"sqlite:///{tmp_path}/oversight.db")
    migrate(engine, MIGRATIONS)
    edge, key = edge_of(OVERSIGHT), operator.key.verifier_key
    signer = NoteKey.from_seed("oversight.kumihimo.internal/witness", bytes(range(32, 64)))
    findings, witnessed, verified = Findings(engine), WitnessStore(engine), VerifiedLog(engine, ORIGIN)
    return Overseer(
        engine=engine,
        edge=edge,
        clock=clock,
        operator=operator,
        witness=Witness(witnessed, findings, key, signer, clock),
        findings=findings,
        verified=verified,
        monitor=Monitor(operator, verified, witnessed, findings, key, [signer.witness_key], clock),
    )
