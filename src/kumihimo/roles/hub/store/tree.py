"""The log's tree at operator 1 (ハッシュ木の保管): full tiles and checkpoints as rows, everything else computed.

Everything here follows from the entries: a tile or checkpoint that was not written before a crash is made again, the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Engine, insert, select, update

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.merkle import HASH_SIZE, leaf_hash, pair_up
from kumihimo.domain.transparency.tiles import TILE_WIDTH, EntryBundle, Tile, pack_entries
from kumihimo.roles.hub.store import tables as t
from kumihimo.roles.hub.store.log_rows import next_index


@dataclass(frozen=True)
class PublishedCheckpoint:
    """A checkpoint as published: number of entries, root (32 bytes), the signed and perhaps cosigned note."""

    size: int
    root: bytes
    note: str


class TreeStore:
    """Reads the tree (as `tiles.TileSource`) and publishes checkpoints. Safe for many threads.

    Entries are only ever added: a tile of a given width never changes, partial or full, and may be remembered. All tiles but
    the full ones of the lowest level are: those are read by every proof.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tile_root = lru_cache(maxsize=65_536)(self._root_of_full_tile)
        self._remembered = lru_cache(maxsize=1_024)(self._tile)  # 8 KiB each

    def size(self) -> int:
        """How many entries are durable."""
        with self._engine.connect() as conn:
            return next_index(conn)

    def entries(self, start: int, count: int) -> list[bytes]:
        """The commitments (32 bytes each) at `start` and after, at most `count`."""
        at = t.entries.c.entry_index
        query = select(t.entries.c.commitment).where(at >= start, at < start + count).order_by(at)
        with self._engine.connect() as conn:
            return list(conn.execute(query).scalars())

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile. Raises Problem(log.unknown_entry) where the log does not reach so far."""
        read = self._tile if level == 0 and width == TILE_WIDTH else self._remembered
        return read(level, index, width)

    def _tile(self, level: int, index: int, width: int) -> bytes:
        stored = self._stored(level, index)
        if stored is not None:
            return stored[: width * HASH_SIZE]
        if level == 0:
            commitments = self.entries(index * TILE_WIDTH, width)
            if len(commitments) < width:
                raise _beyond(Tile(level, index, width).path)
            return b"".join(leaf_hash(commitment) for commitment in commitments)
        first = index * TILE_WIDTH
        return b"".join(self._tile_root(level - 1, below) for below in range(first, first + width))

    def bundle(self, place: EntryBundle) -> bytes:
        """The bytes of an entry bundle. Raises Problem(log.unknown_entry)."""
        commitments = self.entries(place.index * TILE_WIDTH, place.width)
        if len(commitments) < place.width:
            raise _beyond(place.path)
        return pack_entries(commitments)

    def latest(self) -> PublishedCheckpoint | None:
        """The newest checkpoint; None before the first."""
        columns = t.checkpoints.c.size, t.checkpoints.c.root, t.checkpoints.c.note
        with self._engine.connect() as conn:
            row = conn.execute(select(*columns).order_by(t.checkpoints.c.size.desc()).limit(1)).one_or_none()
        return None if row is None else PublishedCheckpoint(row.size, row.root, row.note)

    def published_at(self, size: int) -> datetime | None:
        """When the checkpoint over `size` entries was published; None when there is none."""
        with self._engine.connect() as conn:
            query = select(t.checkpoints.c.published_at).where(t.checkpoints.c.size == size)
            found: datetime | None = conn.execute(query).scalar_one_or_none()
            return found

    def publish(self, checkpoint: PublishedCheckpoint, full_tiles: Mapping[Tile, bytes], at: datetime) -> None:
        """Store a checkpoint together with the tiles that became full since the one before."""
        rows = [
            {"level": tile.level, "tile_index": tile.index, "hashes": hashes} for tile, hashes in full_tiles.items()
        ]
        values = {"size": checkpoint.size, "root": checkpoint.root, "note": checkpoint.note, "published_at": at}
        with self._engine.begin() as conn:
            if rows:
                conn.execute(insert(t.tiles), rows)
            conn.execute(insert(t.checkpoints), values)

    def cosigned(self, size: int, note: str) -> None:
        """Replace the note of a published checkpoint by one with more cosignatures."""
        with self._engine.begin() as conn:
            conn.execute(update(t.checkpoints).where(t.checkpoints.c.size == size).values(note=note))

    def _stored(self, level: int, index: int) -> bytes | None:
        query = select(t.tiles.c.hashes).where(t.tiles.c.level == level, t.tiles.c.tile_index == index)
        with self._engine.connect() as conn:
            found: bytes | None = conn.execute(query).scalar_one_or_none()
            return found

    def _root_of_full_tile(self, level: int, index: int) -> bytes:
        data = self.tile(level, index, TILE_WIDTH)
        return pair_up([data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)])


def _beyond(path: str) -> Problem:
    return Problem("log.unknown_entry", path, expected="a path within the newest checkpoint")
