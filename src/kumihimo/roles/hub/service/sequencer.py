"""Sequencer (チェックポイントの発行): about once a second, what was appended becomes tiles and a signed, cosigned checkpoint.

C2SP tlog-tiles and tlog-checkpoint. Entries are durable before it sees them and everything it makes follows from them, so
it holds nothing that a crash could lose; only this part of the hub must not run twice.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import structlog

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import Frontier, frontier_of, leaf_hash
from kumihimo.domain.transparency.note import NoteKey, SignedNote
from kumihimo.domain.transparency.tiles import Tile, TiledTree, TileSource, grow
from kumihimo.plumbing.wire.edge import Background
from kumihimo.roles.hub.service.witnessing import Witness
from kumihimo.roles.hub.store import PublishedCheckpoint

MOST_AT_ONCE: Final = 65_536
STOP_SECONDS: Final = 5.0
log = structlog.get_logger()


class Tree(TileSource, Protocol):
    """The stored tree: `store.TreeStore`."""

    def size(self) -> int: ...
    def entries(self, start: int, count: int) -> list[bytes]: ...
    def latest(self) -> PublishedCheckpoint | None: ...
    def publish(self, checkpoint: PublishedCheckpoint, full_tiles: Mapping[Tile, bytes], at: datetime) -> None: ...
    def cosigned(self, size: int, note: str) -> None: ...


class Sequencer(Background):
    """Publishes checkpoints in a thread of its own, every `seconds` when there is something new.

    `round_ended` is when a round last ended without an error, whether there was something new or not.
    """

    def __init__(self, tree: Tree, key: NoteKey, witnesses: Sequence[Witness], clock: Clock, seconds: float) -> None:
        self._tree = tree
        self._key = key
        self._witnesses = tuple(witnesses)
        self._clock = clock
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self.round_ended: datetime | None = None
        self._published = tree.latest()
        self._frontier = self._recovered()
        self._missing: tuple[Witness, ...] = self._witnesses if self._published else ()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the checkpoint under way be finished; entries after it are published at the next start."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    @property
    def missing_cosignatures(self) -> int:
        """How many witnesses have not cosigned the newest checkpoint."""
        return len(self._missing)

    def tick(self) -> PublishedCheckpoint | None:
        """Publish a checkpoint over the entries so far, or add what cosignatures the last one still lacks.

        Returns what is published now; None while the log is empty.
        """
        start = self._frontier.size
        entries = self._tree.entries(start, min(self._tree.size() - start, MOST_AT_ONCE))
        if entries:
            self._publish([leaf_hash(entry) for entry in entries])
        elif self._published is not None and self._missing:
            self._complete(self._published)
        return self._published

    def _publish(self, leaves: Sequence[bytes]) -> None:
        start, frontier = self._frontier.size, self._frontier.extended(leaves)
        full = {tile: hashes for tile, hashes in grow(self._tree, start, leaves).items() if tile.is_full}
        checkpoint = Checkpoint(self._key.name, frontier.size, frontier.root())
        note, missing = self._cosign(checkpoint.signed(self._key), frontier.size, self._witnesses)
        published = PublishedCheckpoint(frontier.size, checkpoint.root, str(note))
        self._tree.publish(published, full, self._clock.now())
        self._published, self._frontier, self._missing = published, frontier, missing
        log.info("checkpoint", size=frontier.size, cosigned=len(self._witnesses) - len(missing))

    def _complete(self, published: PublishedCheckpoint) -> None:
        asked = self._missing
        note, self._missing = self._cosign(SignedNote.parse(published.note), published.size, asked)
        if len(self._missing) < len(asked):
            self._tree.cosigned(published.size, str(note))
            self._published = PublishedCheckpoint(published.size, published.root, str(note))

    def _cosign(
        self, note: SignedNote, size: int, witnesses: Sequence[Witness]
    ) -> tuple[SignedNote, tuple[Witness, ...]]:
        missing = []
        for witness in witnesses:
            cosigned = witness.cosigned(note, size, self._tree, self._clock.now())
            if cosigned is None:
                missing.append(witness)
            else:
                note = cosigned
        return note, tuple(missing)

    def _recovered(self) -> Frontier:
        if self._published is None:
            return Frontier()
        frontier = frontier_of(TiledTree(self._tree, self._published.size), self._published.size)
        if frontier.root() != self._published.root:
            raise Problem(
                "log.inconsistent",
                f"the stored entries give another root than the checkpoint of {self._published.size} entries",
                advice="Stop and restore the store from a backup; the published checkpoint cannot be taken back.",
            )
        return frontier

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self.tick()
                self.round_ended = self._clock.now()
            except Exception:
                # Entries stay durable; the next round publishes them. Silence here would hide a log that stands still.
                log.exception("checkpoint failed", size=self._frontier.size)
