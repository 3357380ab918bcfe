"""A log kept in memory as tiles, grown in batches as the hub grows it, and the keys of a log and its witnesses."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kumihimo.domain.transparency.merkle import leaf_hash
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.domain.transparency.tiles import Tile, TiledTree, grow


@dataclass
class TileShelf:
    """Tiles in a dict; serves a partial tile also from a wider one, as a store that drops old partial tiles does."""

    size: int = 0
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    reads: list[Tile] = field(default_factory=list)

    def tile(self, level: int, index: int, width: int) -> bytes:
        self.reads.append(Tile(level, index, width))
        return self.tiles[level, index][: 32 * width]

    def append(self, leaves: list[bytes]) -> None:
        for tile, data in grow(self, self.size, leaves).items():
            self.tiles[tile.level, tile.index] = data
        self.size += len(leaves)

    def tree(self, size: int | None = None) -> TiledTree:
        return TiledTree(self, self.size if size is None else size)


def numbered_leaves(start: int, end: int, kind: bytes = b"entry") -> list[bytes]:
    return [leaf_hash(b"%s %d" % (kind, number)) for number in range(start, end)]


@pytest.fixture(scope="session")
def leaves() -> Callable[..., list[bytes]]:
    """Leaf hashes of the entries numbered from `start` to `end`."""
    return numbered_leaves


@pytest.fixture
def new_log() -> Callable[[], TileShelf]:
    return TileShelf


@pytest.fixture(scope="session")
def log_of_300() -> TileShelf:
    """A log of 300 entries: one full tile and partial ones at two levels."""
    shelf = TileShelf()
    shelf.append(numbered_leaves(0, 300))
    return shelf


@pytest.fixture(scope="session")
def big_log() -> TileShelf:
    """A log of 66,000 entries: tiles at three levels."""
    shelf = TileShelf()
    shelf.append(numbered_leaves(0, 66_000))
    return shelf


@pytest.fixture(scope="session")
def log_key() -> NoteKey:
    return NoteKey.from_seed("log.kumihimo.example", bytes(range(32)))


@pytest.fixture(scope="session")
def oversight_key() -> NoteKey:
    return NoteKey.from_seed("oversight.kumihimo.example", bytes(range(32, 64)))


@pytest.fixture(scope="session")
def outsider_key() -> NoteKey:
    return NoteKey.from_seed("university.example", bytes(range(64, 96)))


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    folder = Path(__file__).parents[3] / "vectors" / "transparency"
    return lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
