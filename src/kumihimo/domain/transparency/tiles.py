"""Tiles (タイル): the log as a finite set of files that never change (C2SP tlog-tiles).

A tile holds up to 256 consecutive hashes of one tree level; tile level L holds the hashes of subtrees of 256**L leaves.
Anybody who can fetch tiles can compute every proof, so the log answers no questions: a resident or the oversight body
(第三者機関) who checks an access does not tell the log which access is being checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.merkle import HASH_SIZE, HashReader, next_row, pair_up

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 0xFFFF
_PATH: Final = re.compile(
    r"/tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
)


class TileSource(Protocol):
    """Whoever has the tiles of a log: a store, or a fetch from another party."""

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` (1 to 256) hashes of a tile, exactly `width * 32` bytes."""
        ...


@dataclass(frozen=True, order=True)
class Tile:
    """One Merkle tile by place: level 0 to 63, index within the level, number of hashes in it (256 when full)."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it is served below the log's prefix: `/tile/<L>/<N>[.p/<W>]`."""
        return f"/tile/{self.level}/{_numbered(self.index, self.width)}"


@dataclass(frozen=True, order=True)
class EntryBundle:
    """One bundle of entries by place: index and number of entries in it (256 when full)."""

    index: int
    width: int = TILE_WIDTH

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it is served below the log's prefix: `/tile/entries/<N>[.p/<W>]`."""
        return f"/tile/entries/{_numbered(self.index, self.width)}"


def parse_path(path: str) -> Tile | EntryBundle:
    """Read a path back; exactly one spelling of each place is accepted. Raises Problem log.unknown_entry."""
    if matched := _PATH.fullmatch(path):
        kind, number, partial = matched.groups()
        index = int(number.replace("/", "").replace("x", ""))
        width = int(partial or TILE_WIDTH)
        place = EntryBundle(index, width) if kind == "entries" else Tile(int(kind), index, width)
        if place.path == path:
            return place
    raise Problem(
        "log.unknown_entry",
        f"{path[:80]!r} is not the path of a tile or an entry bundle",
        expected="/tile/<L>/<N>[.p/<W>] or /tile/entries/<N>[.p/<W>]",
    )


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes (0 to 256) a tile has in a log of `size` entries."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def tiles_for(size: int) -> Iterator[Tile]:
    """All tiles of a log of `size` entries, full and partial, level by level."""
    return grown_places(0, size)


def grown_places(old_size: int, new_size: int) -> Iterator[Tile]:
    """Tiles that a log of `new_size` entries has and one of `old_size` had not: full ones and the right edge."""
    for level in range(MAX_LEVEL + 1):
        shift = TILE_HEIGHT * level
        old_count, new_count = old_size >> shift, new_size >> shift
        if new_count == 0:
            return
        if old_count == new_count:
            continue
        for index in range(old_count // TILE_WIDTH, -(-new_count // TILE_WIDTH)):
            yield Tile(level, index, min(TILE_WIDTH, new_count - index * TILE_WIDTH))


def completed_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """Only the tiles that become full while the log grows; they never change again."""
    return (tile for tile in grown_places(old_size, new_size) if tile.is_full)


def completed_bundles(old_size: int, new_size: int) -> Iterator[EntryBundle]:
    """The entry bundles that become full while the log grows."""
    return (EntryBundle(index) for index in range(old_size // TILE_WIDTH, new_size // TILE_WIDTH))


def grow(source: TileSource, old_size: int, new_leaves: Sequence[bytes]) -> dict[Tile, bytes]:
    """Contents of all tiles that change when leaf hashes (32 bytes each) are appended to a log of `old_size` entries.

    Reads at most one partial tile a level from the source. The result holds the full tiles and, for each level that
    grew, the partial tile at the right edge: what a log of the new size needs beside the tiles it has.
    """
    written: dict[Tile, bytes] = {}
    fresh: Sequence[bytes] = new_leaves
    for level in range(MAX_LEVEL + 1):
        if not fresh:
            break
        first, partial = divmod(old_size >> TILE_HEIGHT * level, TILE_WIDTH)
        begun = read_tile(source, Tile(level, first, partial)) if partial else []
        row = [*begun, *fresh]
        above = []
        for index, offset in enumerate(range(0, len(row), TILE_WIDTH), start=first):
            hashes = row[offset : offset + TILE_WIDTH]
            written[Tile(level, index, len(hashes))] = b"".join(hashes)
            if len(hashes) == TILE_WIDTH:
                above.append(pair_up(hashes))
        fresh = above
    return written


def read_tile(source: TileSource, tile: Tile) -> list[bytes]:
    """The hashes of one tile. Raises Problem log.proof_invalid when the source gives another number of bytes."""
    data = source.tile(tile.level, tile.index, tile.width)
    if len(data) != tile.width * HASH_SIZE:
        raise Problem(
            "log.proof_invalid",
            f"{len(data)} bytes",
            where=tile.path,
            expected=f"{tile.width * HASH_SIZE} bytes",
        )
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def tile_from(reader: HashReader, tile: Tile) -> bytes:
    """The bytes of a tile, computed from subtree hashes."""
    first = tile.index * TILE_WIDTH
    return b"".join(reader.subtree_hash(TILE_HEIGHT * tile.level, place) for place in range(first, first + tile.width))


@dataclass
class TiledTree:
    """A log of `size` entries read through its tiles; a `HashReader` for roots and proofs.

    Keeps the tiles it has read and hashed, so use one for a proof or a group of proofs and let it go. It does not by itself check
    tiles against a checkpoint: proofs made from wrong tiles simply do not verify.
    """

    source: TileSource
    size: int
    _read: dict[Tile, list[list[bytes]]] = field(default_factory=dict, repr=False)

    def subtree_hash(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree; raises Problem log.unknown_entry when it is not complete at this size."""
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise Problem(
                "log.unknown_entry",
                f"no complete subtree of 2^{level} entries numbered {index} in a log of {self.size} entries",
            )
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, offset = divmod(index << height, TILE_WIDTH)
        tile = Tile(tile_level, tile_index, tile_width(tile_level, tile_index, self.size))
        rows = self._read.get(tile)
        if rows is None:
            rows = self._read[tile] = [read_tile(self.source, tile)]
        while len(rows) <= height:
            rows.append(next_row(rows[-1]))
        return rows[height][offset >> height]


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: up to 256 entries, each after its length as a big-endian uint16.

    Raises Problem value.invalid for an entry over 65,535 bytes or more than 256 entries.
    """
    if len(entries) > TILE_WIDTH:
        raise Problem("value.invalid", f"{len(entries)} entries", where="entry bundle", expected="at most 256")
    for position, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY:
            raise Problem(
                "value.invalid", f"{len(entry)} bytes", where=f"entry {position}", expected=f"at most {MAX_ENTRY} bytes"
            )
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(bundle: bytes, width: int) -> tuple[bytes, ...]:
    """The `width` entries of a bundle. Raises Problem message.malformed when it is cut short or holds more."""
    entries = []
    at = 0
    for _ in range(width):
        length = int.from_bytes(bundle[at : at + 2], "big")
        entries.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(bundle):
        raise Problem(
            "message.malformed",
            f"{len(bundle)} bytes",
            where="entry bundle",
            expected=f"{at} bytes for {width} entries",
        )
    return tuple(entries)


def _numbered(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join(groups) + suffix
