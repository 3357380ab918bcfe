"""A portal with its store, an operator 1 whose log it reads, and an operator 2 that sends it codes and records."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kumihimo.country.keys import PartyPlan, Root, write_directory
from kumihimo.country.topology import institution
from kumihimo.domain.codes import Point, encrypt, person_point, public_key, random_scalar
from kumihimo.domain.kernel import FixedClock, PartyId, Problem, ResidentCode, SeededRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.domain.sealing import commit
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import leaf_hash, root_of
from kumihimo.domain.transparency.note import NoteKey, SignedNote
from kumihimo.domain.transparency.tiles import Tile, TiledTree, grow, pack_entries, parse_path
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Part, b64, seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued
from kumihimo.plumbing.wire.messages.inquiry import (
    EntryKind,
    LoggedRecord,
    LogPromise,
    LogRecord,
    Outcome,
    Period,
    PortalAccess,
    PortalOutcome,
)
from kumihimo.plumbing.wire.messages.ledger import AccessShown
from kumihimo.plumbing.wire.remote_log import RemoteLog
from kumihimo.roles.portal.service.accesses import AccessRecords
from kumihimo.roles.portal.service.accounts import Accounts
from kumihimo.roles.portal.service.intake import Intake
from kumihimo.roles.portal.service.proofs import Proofs
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.sentences import Names, names_from
from kumihimo.roles.portal.store import MIGRATIONS, PortalStore

ORIGIN = "hub-1.kumihimo.internal/log"
MORNING = datetime(2026, 6, 3, 1, 24, tzinfo=UTC)  # 10:24 in Japan
HUB_1, PORTAL = PartyId("hub-1/operator"), PartyId("portal/portal")
PARTIES = (
    HUB_1,
    PartyId("hub-2/operator"),
    PORTAL,
    PartyId("portal/resident"),
    PartyId("x-city/ledger"),
    PartyId("x-city/desk"),
    PartyId("y-city/ledger"),
    PartyId("tax-office/ledger"),
)
INSTITUTIONS = tuple(
    institution(one) for one in ("hub-1", "hub-2", "portal", "x-city", "y-city", "tax-office", "health-insurer")
)


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and directory of a small country."""
    folder = tmp_path_factory.mktemp("country")
    root = Root(folder / "root", datetime.now(UTC))
    plans = tuple(PartyPlan(one, folder / one / "keys", "https://127.0.0.1:9") for one in PARTIES)
    entries = tuple(root.equip(plan) for plan in plans)
    write_directory(folder / "directory.json", INSTITUTIONS, entries, plans)
    return folder


@pytest.fixture(scope="session")
def names() -> Names:
    return names_from(INSTITUTIONS, RuleBook.load())


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(MORNING)


@pytest.fixture
def edge_of(country: Path, clock: FixedClock) -> Callable[[str], Edge]:
    def edge(party: str) -> Edge:
        identity = Identity(PartyId(party), country / party / "keys")
        return Edge(identity, Directory.load(country / "directory.json", identity.anchors()), clock)

    return edge


@dataclass
class Operators:
    """Both operators as the portal meets them: a log with promises, and a feed of codes, accesses and outcomes."""

    first: Edge
    secret: bytes
    log_key: NoteKey
    witness: NoteKey
    entries: list[bytes] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    size: int = 0
    note: str = ""
    fetched: list[str] = field(default_factory=list)
    down: bool = False

    def logged(self, record: LogRecord) -> LoggedRecord:
        """Write a record into the log; a checkpoint covers it after `publish`."""
        salt = hashlib.sha256(b"salt %d" % len(self.entries)).digest()
        entry = commit(salt, record.to_bytes())
        promise = LogPromise(index=len(self.entries), entry=b64(entry), logged_at=record.logged_at)
        self.entries.append(entry)
        return LoggedRecord(record=record, salt=b64(salt), promise=seal_envelope(promise, self.first.identity))

    def blind(self, code: bytes) -> str:
        """A link code as only the portal can open it."""
        return b64(encrypt(code, public_key(self.secret), random_scalar()))

    def code(self, ticket: str, code: bytes) -> CodesIssued:
        return CodesIssued(codes=(BlindCode(ticket=ticket, ciphertext=self.blind(code)),))

    def access(self, code: bytes, record: LogRecord) -> PortalAccess:
        return PortalAccess(
            transaction=record.transaction or "", subject=self.blind(code), logged=self.logged(record)
        )  # fmt: skip

    def outcome(self, record: LogRecord, outcome: Outcome) -> PortalOutcome:
        """What came of a request, logged now."""
        changes = {"entry": EntryKind.OUTCOME, "granted": None, "outcome": outcome}
        return PortalOutcome(
            transaction=record.transaction or "", logged=self.logged(record.model_copy(update=changes))
        )  # fmt: skip

    def publish(self, *, witnesses: tuple[NoteKey, ...] | None = None) -> None:
        """A checkpoint over everything, cosigned by the witness unless others are named."""
        leaves = [leaf_hash(entry) for entry in self.entries[self.size :]]
        for tile, data in grow(self, self.size, leaves).items():
            self.tiles[tile.level, tile.index] = data
        self.size = len(self.entries)
        checkpoint = Checkpoint(ORIGIN, self.size, root_of(TiledTree(self, self.size), self.size))
        cosigners = (self.witness,) if witnesses is None else witnesses
        note: SignedNote = checkpoint.signed(self.log_key)
        self.note = str(note.with_signatures([one.cosign(checkpoint.text, MORNING) for one in cosigners]))

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self.tiles[level, index][: 32 * width]

    def get(self, party: PartyId, path: str) -> bytes:
        """What the log serves."""
        assert party == HUB_1
        self.fetched.append(path)
        if self.down:
            raise Problem("peer.unreachable", "hub-1/operator (ConnectError)")
        if path == "/log/checkpoint":
            return self.note.encode()
        place = parse_path(path.removeprefix("/log"))
        if isinstance(place, Tile):
            return self.tile(place.level, place.index, place.width)
        return pack_entries(self.entries[place.index * 256 : place.index * 256 + place.width])


@dataclass
class Portal:
    """The portal's services over one store."""

    store: PortalStore
    accounts: Accounts
    records: AccessRecords
    intake: Intake
    clock: FixedClock

    def hear(self, *told: Part) -> None:
        """Operator 2's feed brings items."""
        kinds = {CodesIssued: "codes", PortalAccess: "access", PortalOutcome: "outcome"}
        for seq, one in enumerate(told, 1):
            item = FeedItem(seq, kinds[type(one)], one.model_dump(mode="json"), self.clock.now())
            with self.store.transaction() as transaction:
                self.intake.apply(transaction, item)

    def shown(self, account: str) -> tuple[AccessShown, ...]:
        return self.records.show(account)


@pytest.fixture
def operators(edge_of: Callable[[str], Edge]) -> Operators:
    witness = NoteKey.from_seed("oversight.kumihimo.internal/witness", bytes(range(32, 64)))
    return Operators(
        edge_of("hub-1/operator"), random_scalar(), NoteKey.from_seed(ORIGIN, bytes(range(32))), witness
    )  # fmt: skip


@pytest.fixture
def portal(
    tmp_path: Path, operators: Operators, edge_of: Callable[[str], Edge], clock: FixedClock, names: Names
) -> Portal:
    engine = open_engine(f"sqlite:///{tmp_path}/portal.db")
    migrate(engine, MIGRATIONS)
    store = PortalStore(engine)
    proofs = Proofs(RemoteLog(operators), operators.log_key.verifier_key, [operators.witness.witness_key])
    return Portal(
        store=store,
        accounts=Accounts(store, SeededRandomness(3), clock),
        records=AccessRecords(store, RecordList(store, lambda: names, proofs)),
        intake=Intake(edge_of("portal/portal"), lambda _epoch: operators.secret, str),
        clock=clock,
    )


@pytest.fixture(scope="session")
def code_of() -> Callable[[int], Point]:
    """The portal's link code of the n-th resident."""
    return lambda number: person_point(bytes(32), ResidentCode.random(SeededRandomness(number)).digits, 0)


@pytest.fixture(scope="session")
def ticket_of() -> Callable[[int], str]:
    return lambda number: b64(hashlib.sha256(b"ticket %d" % number).digest())


@pytest.fixture(scope="session")
def request_of() -> Callable[..., LogRecord]:
    """A granted request by X City to Y City, with changes."""

    def make(number: int = 1, **changes: Any) -> LogRecord:
        fields: dict[str, Any] = {
            "entry": EntryKind.REQUEST,
            "logged_at": MORNING,
            "transaction": f"{number:032x}",
            "requester": "x-city",
            "provider": "y-city",
            "affair": "child-allowance.payment",
            "items": ("local-tax",),
            "period": Period(),
            "granted": True,
            "rules": ("act-2016/74/169",),
            "articles": ("番号法 別表第二 74の項",),
        }
        return LogRecord(**{**fields, **changes})

    return make
