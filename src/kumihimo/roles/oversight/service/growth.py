"""Growth of the log (台帳の伸びの検証): whether a new checkpoint only added to what was verified before.

Everything is computed again from the entries: tiles and root must follow from them, and the tiles must show by a
consistency proof (RFC 9162 section 2.1.4) that the earlier state is contained. Which of the two fails tells what was done:
both, and history was rewritten; the entries alone, and an entry was dropped or altered; the tiles alone, and a tile was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import HASH_SIZE, consistency_proof, leaf_hash, root_of, verify_consistency
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.tiles import TILE_WIDTH, EntryBundle, Tile, TiledTree, TileSource, grow
from kumihimo.plumbing.wire.remote_log import LogSource
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind

# Not being able to answer is no misbehaviour by itself; silence that lasts is an alarm of its own.
TRANSIENT = frozenset(
    {"peer.unreachable", "operator.unreachable", "internal", "store.closed", "store.unavailable", "quota.exceeded"}
)


@dataclass(frozen=True)
class VerifiedState:
    """A state of the log that held: number of entries, root (32 bytes), and the signed note that said so."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True)
class Growth:
    """What a good checkpoint added: entries from index `first` on, and the tiles computed from them."""

    state: VerifiedState
    first: int
    entries: tuple[bytes, ...]
    tiles: Mapping[Tile, bytes]


class Fault(Exception):
    """The log did something it may not do."""

    def __init__(self, alarm: Alarm) -> None:
        super().__init__(alarm.what)
        self.alarm = alarm


def verify_growth(
    log: LogSource, own: TileSource, last: VerifiedState, log_key: VerifierKey, witness_keys: Sequence[VerifierKey]
) -> Growth | None:
    """Fetch the newest checkpoint and verify everything it adds to `last`; None when it adds nothing.

    `own` are the tiles computed here for `last`. Raises Fault; Problem of the kinds `TRANSIENT` when the log cannot be
    read just now.
    """
    document, new = _checkpoint(log, log_key, witness_keys)
    if new.size < last.size:
        what = f"a checkpoint of {new.size} entries after one of {last.size}"
        raise Fault(Alarm(AlarmKind.LOG_SHRUNK, what, _both(last.note, document)))
    if new.size == last.size:
        if new.root == last.root:
            return None
        raise _split(last, document, new)
    served = _Served(log)
    entries, old_part_holds = _entries(served, own, last.size, new.size)
    computed = grow(own, last.size, [leaf_hash(entry) for entry in entries])
    overlay = _Overlay(own, {(tile.level, tile.index): data for tile, data in computed.items()})
    entries_hold = old_part_holds and root_of(TiledTree(overlay, new.size), new.size) == new.root
    tiles_hold = _tiles_hold(served, last, new)
    if not entries_hold:
        if not tiles_hold:
            raise _split(last, document, new)
        what = f"entries {last.size} to {new.size - 1} do not lead to the root signed for {new.size} entries"
        raise Fault(Alarm(AlarmKind.ENTRIES_ALTERED, what, document))
    wrong = next((tile for tile, data in computed.items() if served.bytes_of(tile) != data), None)
    if wrong is not None or not tiles_hold:
        what = f"tile {wrong.path}" if wrong else f"tiles of {new.size} entries"
        raise Fault(Alarm(AlarmKind.TILE_ALTERED, f"{what} does not follow from the entries", document))
    return Growth(VerifiedState(new.size, new.root, document), last.size, entries, computed)


def _checkpoint(log: LogSource, log_key: VerifierKey, witnesses: Sequence[VerifierKey]) -> tuple[str, Checkpoint]:
    document = ""
    try:
        document = log.checkpoint()
        return document, open_checkpoint(document, log_key, witnesses).checkpoint
    except Problem as problem:
        if problem.code in TRANSIENT:
            raise
        if problem.code == "log.unknown_entry":  # a log that has not begun has no checkpoint yet
            raise Problem("peer.unreachable", "no checkpoint yet", where="checkpoint") from problem
        raise Fault(Alarm(AlarmKind.CHECKPOINT_INVALID, _in_short(problem), document or None)) from problem


def _entries(served: _Served, own: TileSource, old: int, new: int) -> tuple[tuple[bytes, ...], bool]:
    """The entries from `old` to `new`, and whether what stands before them in the first bundle is as verified."""
    entries: list[bytes] = []
    first = old // TILE_WIDTH
    known = old - first * TILE_WIDTH
    for index in range(first, -(-new // TILE_WIDTH)):
        entries.extend(served.entries(EntryBundle(index, min(TILE_WIDTH, new - index * TILE_WIDTH))))
    before = b"".join(leaf_hash(entry) for entry in entries[:known])
    return tuple(entries[known:]), not known or before == own.tile(0, first, known)


def _tiles_hold(served: _Served, last: VerifiedState, new: Checkpoint) -> bool:
    tree = TiledTree(served, new.size)
    try:
        proof = consistency_proof(tree, last.size, new.size)
        verify_consistency(last.size, last.root, new.size, new.root, proof)
    except Problem as problem:
        if problem.code in ("log.inconsistent", "log.proof_invalid"):
            return False
        raise
    return root_of(tree, new.size) == new.root


def _split(last: VerifiedState, document: str, new: Checkpoint) -> Fault:
    what = f"{new.size} entries with root {new.root.hex()} do not contain {last.size} with root {last.root.hex()}"
    return Fault(Alarm(AlarmKind.SPLIT_VIEW, what, _both(last.note, document)))


def _both(earlier: str, later: str) -> str:
    return f"{earlier}\n{later}"


def _in_short(problem: Problem) -> str:
    return f"{problem.code}: {problem.detail}"[:400]


@dataclass
class _Served:
    """What the log serves, each place fetched once; a refusal to serve is a fault."""

    log: LogSource
    _tiles: dict[Tile, bytes] = field(default_factory=dict)

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self.bytes_of(Tile(level, index, width))

    def bytes_of(self, tile: Tile) -> bytes:
        if tile not in self._tiles:
            try:
                self._tiles[tile] = self.log.tile(tile.level, tile.index, tile.width)
            except Problem as problem:
                raise _withheld(problem, tile.path) from problem
        return self._tiles[tile]

    def entries(self, place: EntryBundle) -> tuple[bytes, ...]:
        try:
            entries = self.log.entries(place)
        except Problem as problem:
            if problem.code == "message.malformed":
                what = f"{place.path} is no bundle of {place.width} entries"
                raise Fault(Alarm(AlarmKind.ENTRIES_ALTERED, what)) from problem
            raise _withheld(problem, place.path) from problem
        if any(len(entry) != HASH_SIZE for entry in entries):
            raise Fault(Alarm(AlarmKind.ENTRIES_ALTERED, f"{place.path} holds an entry that is no commitment"))
        return entries


def _withheld(problem: Problem, path: str) -> Exception:
    if problem.code in TRANSIENT:
        return problem
    return Fault(Alarm(AlarmKind.LOG_WITHHELD, f"{path} ({problem.code})"))


@dataclass(frozen=True)
class _Overlay:
    """The tiles of the last state with those that a growth replaces."""

    own: TileSource
    grown: Mapping[tuple[int, int], bytes]

    def tile(self, level: int, index: int, width: int) -> bytes:
        data = self.grown.get((level, index))
        return self.own.tile(level, index, width) if data is None else data[: width * HASH_SIZE]
