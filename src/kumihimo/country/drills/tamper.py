"""The drill of a dishonest operator (改ざん訓練): operator 1's store is altered behind its back, or by itself, in every way.

An entry, a tile, a checkpoint; the store of yesterday put back; all of it rewritten and signed anew with the log's own key; and
another history shown to a second witness. Each must be found by the oversight body or by whoever verifies the log, and be said in
a sentence.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kumihimo.country import topology
from kumihimo.country.desk import Caller
from kumihimo.country.drills.addresses import served, set_apart, take_over
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.drills.second_witness import add_witness
from kumihimo.country.layout import WITNESS, Country
from kumihimo.country.log_check import contradiction, notes_in, verify_log
from kumihimo.country.officer import Officer
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import Frontier, consistency_proof, leaf_hash
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.domain.transparency.tiles import TILE_WIDTH
from kumihimo.domain.transparency.witness import AddCheckpoint
from kumihimo.plumbing.storage import read_secret

FIND_SECONDS: Final = 60.0
ENTRIES: Final = TILE_WIDTH + 30  # more than one tile, so that a full one is stored
_HUB: Final = topology.HUB_1
Edit = Callable[[sqlite3.Connection, NoteKey], None]


@dataclass(frozen=True)
class Fraud:
    """One way of altering the store, down or `up` and in use, and the kinds of alarm one of which must follow."""

    name: str
    edit: Edit
    alarms: frozenset[str]
    up: bool = False


def play(ground: Ground) -> Iterator[Shown]:
    """Alter the store of operator 1 in every way, one after the other, and put it right again."""
    with ground.founded() as country:
        add_witness(country)
        ports = set_apart(country, _HUB)
        with served(country, WITNESS, "witness"), running(country):
            take_over(country, _HUB, "127.0.0.1", ports[_HUB])
            with served(country, _HUB, "hub"):
                issue_codes(country, ground.step)
                first_case.play(country)
                _fill(country)
                old = _copied(country)
                _reject(country, 3)
                verified = until(lambda: _settled(country), FIND_SECONDS, "a verified log")
                yield Shown("before", f"{verified} entries verified, cosigned by two witnesses, no alarm")
                yield Shown("split view", _split_view(country))
            for number, fraud in enumerate(FRAUDS):
                ground.step("frauds", number, len(FRAUDS))
                yield Shown(fraud.name, _found(country, fraud))
            yield Shown("older store", _rolled_back(country, old))


def _fill(country: Country) -> None:
    """Enough entries for a full tile: messages that nobody can read are logged, too."""
    _reject(country, ENTRIES)
    until(lambda: _settled(country), FIND_SECONDS, "a verified log with a full tile")


def _reject(country: Country, times: int) -> None:
    caller = Caller(country, topology.exchange_of("x-city"))
    for _ in range(times):
        caller.client.post(_HUB, "/inquiries", b"{}")
    caller.client.close()


def _size(country: Country) -> int:
    """Every entry there is, under a checkpoint or not yet."""
    with closing(sqlite3.connect(country.home(_HUB) / "store.db")) as store:
        row = store.execute("SELECT count(*) FROM entry").fetchone()
    return int(row[0] or 0)


def _settled(country: Country) -> int | None:
    status = Officer.of(country).status()
    if status["alarms"]:
        raise Problem("drill.failed", f"alarms {status['alarms_by_kind']}", expected="none yet")
    return verify_log(country).size if status["verified_size"] == status["records"] == _size(country) else None


def _alarms(country: Country) -> dict[str, dict[str, Any]]:
    return {f"{one['kind']} {one['what']}": one for one in Officer.of(country).findings()}


def _new_alarm(country: Country, before: set[str], kinds: frozenset[str]) -> dict[str, Any] | None:
    return next((one for key, one in _alarms(country).items() if key not in before and one["kind"] in kinds), None)


def _split_view(country: Country) -> str:
    """Operator 1 signs another history and has the second witness cosign it; the oversight body sees the true one."""
    before = set(_alarms(country))
    hub, key = Caller(country, _HUB), _log_key(country)

    def cosigned() -> bool | None:
        forged = _forked(country, key).encode()
        return True if hub.client.post(WITNESS, "/witness/add-checkpoint", forged).status_code == 200 else None

    until(cosigned, FIND_SECONDS, "a cosignature of the second witness, which sees nothing wrong")
    hub.client.close()
    _reject(country, 1)  # the true log reaches the same size, and the oversight body cosigns that
    found = until(lambda: _new_alarm(country, before, frozenset({"split_view"})), FIND_SECONDS, "an alarm")
    both = contradiction(country, notes_in(found["evidence"])) or _against(country, notes_in(found["evidence"]))
    return f"{found['sentence']} Evidence: {both}"


def _forked(country: Country, key: NoteKey) -> str:
    """The request for a cosignature of a history that has one other entry at its end."""
    with closing(sqlite3.connect(country.home(_HUB) / "store.db")) as store:
        size, note = store.execute("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        leaves = [leaf_hash(row[0]) for row in store.execute("SELECT commitment FROM entry ORDER BY entry_index")]
    open_checkpoint(note, VerifierKey.parse(str(key.verifier_key)))
    forked = [*leaves[:size], leaf_hash(bytes(32))]
    root = Frontier().extended(forked).root()
    proof = consistency_proof(_Hashes(forked), size, size + 1)
    return str(AddCheckpoint(size, proof, str(Checkpoint(key.name, size + 1, root).signed(key))))


@dataclass(frozen=True)
class _Hashes:
    """A history that is stored nowhere: subtrees computed from its leaves (a `merkle.HashReader`)."""

    leaves: list[bytes]

    def subtree_hash(self, level: int, index: int) -> bytes:
        return Frontier().extended(self.leaves[index << level : (index + 1) << level]).root()


def _against(country: Country, notes: tuple[str, ...]) -> str:
    """What the log, as everybody can read it, says to the evidence. Raises Problem(drill.failed) where it agrees."""
    try:
        verify_log(country, notes)
    except Problem as problem:
        if problem.code == "log.inconsistent":
            return problem.detail
        raise
    raise Problem("drill.failed", "the evidence contradicts nothing", expected="log.inconsistent")


def _found(country: Country, fraud: Fraud) -> str:
    """Alter the store while operator 1 is down, start it, and see who notices; the store is put right at the end."""
    before = set(_alarms(country))
    with _altered(country, lambda store: None if fraud.up else fraud.edit(store, _log_key(country))):
        try:
            with served(country, _HUB, "hub"):
                if fraud.up:
                    with closing(sqlite3.connect(country.home(_HUB) / "store.db", timeout=10)) as store, store:
                        fraud.edit(store, _log_key(country))
                noticed = _verified_wrong(country)
                alarm = until(lambda: _new_alarm(country, before, fraud.alarms), FIND_SECONDS, "an alarm")
        except Problem as problem:
            if problem.code == "drill.failed" and "log.inconsistent" in problem.detail:
                return "operator 1 itself refuses to start: its entries give another root than its checkpoint"
            raise
    return f"{alarm['sentence']} {alarm['what'][:60]}…; log verify: {noticed}"


def _rolled_back(country: Country, old: Path) -> str:
    before = set(_alarms(country))
    with _altered(country, lambda _store: None, old), served(country, _HUB, "hub"):
        noticed = _verified_wrong(country)
        alarm = until(
            lambda: _new_alarm(country, before, frozenset({"log_shrunk", "split_view"})), FIND_SECONDS, "an alarm"
        )
    return f"{alarm['sentence']} {alarm['what']}; log verify: {noticed}"


def _verified_wrong(country: Country) -> str:
    """What `kumihimo log verify` says. Raises Problem(drill.failed) where it finds nothing."""

    def wrong() -> str | None:
        try:
            verify_log(country)
        except Problem as problem:
            return (
                None
                if problem.code in ("peer.unreachable", "log.unknown_entry")
                else f"{problem.detail} ({problem.code})"
            )
        raise Problem("drill.failed", "kumihimo log verify found nothing wrong", expected="status 1")

    return until(wrong, FIND_SECONDS, "a log that can be read")


@contextmanager
def _altered(
    country: Country, edit: Callable[[sqlite3.Connection], None], instead: Path | None = None
) -> Iterator[None]:
    """The store of operator 1, which is down, altered or replaced for the length of a `with` block."""
    true = _copied(country)
    store = country.home(_HUB) / "store.db"
    try:
        if instead is not None:
            _put(instead, store)
        with closing(sqlite3.connect(store)) as opened, opened:
            edit(opened)
        yield
    finally:
        _put(true, store)


def _copied(country: Country) -> Path:
    source = country.home(_HUB) / "store.db"
    number = len(list(country.folder.glob("store.copy*")))
    target = country.folder / f"store.copy{number}"
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    target.chmod(0o600)
    return target


def _put(copy: Path, store: Path) -> None:
    for beside in ("-wal", "-shm"):
        store.with_name(f"{store.name}{beside}").unlink(missing_ok=True)
    shutil.copy(copy, store)


def _log_key(country: Country) -> NoteKey:
    name = VerifierKey.parse((country.folder / "log.vkey").read_text().strip()).name
    return NoteKey.from_seed(name, read_secret(country.keys(_HUB) / "log.key"))


def _entry(store: sqlite3.Connection, _key: NoteKey) -> None:
    store.execute("UPDATE entry SET commitment = ? WHERE entry_index = 7", (bytes(32),))


def _tile(store: sqlite3.Connection, _key: NoteKey) -> None:
    (hashes,) = store.execute("SELECT hashes FROM tile WHERE level = 0 AND tile_index = 0").fetchone()
    store.execute("UPDATE tile SET hashes = ? WHERE level = 0 AND tile_index = 0", (bytes(32) + hashes[32:],))


def _checkpoint(store: sqlite3.Connection, _key: NoteKey) -> None:
    size, note = store.execute("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    lines = note.split("\n")
    lines[2] = ("B" if lines[2].startswith("A") else "A") + lines[2][1:]
    store.execute("UPDATE checkpoint SET note = ? WHERE size = ?", ("\n".join(lines), size))


def _everything(store: sqlite3.Connection, key: NoteKey) -> None:
    """One entry, and all that follows from it: tiles, root, and the log's own signature under it."""
    _entry(store, key)
    leaves = [leaf_hash(row[0]) for row in store.execute("SELECT commitment FROM entry ORDER BY entry_index")]
    (size,) = store.execute("SELECT max(size) FROM checkpoint").fetchone()
    root = Frontier().extended(leaves[:size]).root()
    note = str(Checkpoint(key.name, size, root).signed(key))
    store.execute("UPDATE tile SET hashes = ? WHERE level = 0 AND tile_index = 0", (b"".join(leaves[:TILE_WIDTH]),))
    store.execute("UPDATE checkpoint SET root = ?, note = ? WHERE size = ?", (root, note, size))


FRAUDS: Final = (
    Fraud("entry", _entry, frozenset({"entries_altered"})),
    Fraud("tile", _tile, frozenset({"tile_altered"})),
    Fraud("tile, while up", _tile, frozenset({"tile_altered"}), up=True),
    Fraud("checkpoint", _checkpoint, frozenset({"checkpoint_invalid", "split_view"})),
    Fraud("all, signed anew", _everything, frozenset({"split_view"})),
)
DRILL = Drill("tamper", "Alter operator 1's log in every way, and show it in two versions.", play)
