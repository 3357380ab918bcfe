"""What an inclusion proof costs (包含証明): one entry of a large log, read from the hub's stored tiles and hashed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import Engine, insert

from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import paired
from kumihimo.domain.kernel import SystemClock
from kumihimo.domain.sealing import SALT_BYTES
from kumihimo.domain.transparency.merkle import (
    HASH_SIZE,
    Frontier,
    inclusion_proof,
    leaf_hash,
    pair_up,
    verify_inclusion,
)
from kumihimo.domain.transparency.tiles import TILE_WIDTH, TiledTree, grow
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.roles.hub.store import MIGRATIONS, PublishedCheckpoint, TreeStore
from kumihimo.roles.hub.store.tables import entries

_AT_ONCE: Final = 65_536  # as the sequencer publishes
_MILLI: Final = 1e3


def measure(effort: Effort) -> Iterator[Measured]:
    """Median ms of an inclusion proof at 1,000,000 entries (quick: 10,000), another entry each time."""
    size, proofs = effort.pick(quick=10_000, full=1_000_000), effort.pick(quick=50, full=500)
    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/log.db")
        migrate(engine, MIGRATIONS)
        tree = TreeStore(engine)
        root = _fill(engine, tree, size)

        def prove() -> None:
            index = secrets.randbelow(size)
            inclusion_proof(TiledTree(tree, size), index, size)

        index = secrets.randbelow(size)
        (commitment,) = tree.entries(index, 1)
        verify_inclusion(leaf_hash(commitment), index, size, inclusion_proof(TiledTree(tree, size), index, size), root)
        found = paired(prove, _hash_three_tiles, proofs)
        engine.dispose()
    reference = Reference("hashing three full tiles", found.reference_seconds * _MILLI)
    yield Measured("log", "inclusion_proof", found.seconds * _MILLI, "ms", reference, found.time_ratio)


def _fill(engine: Engine, tree: TreeStore, size: int) -> bytes:
    """Make a log of `size` entries as the hub keeps it, in the steps in which it grows; its root."""
    now, frontier = SystemClock().now(), Frontier()
    for start in range(0, size, _AT_ONCE):
        commitments = [secrets.token_bytes(HASH_SIZE) for _ in range(min(_AT_ONCE, size - start))]
        rows = [
            {"entry_index": index, "commitment": one, "salt": bytes(SALT_BYTES), "record": "{}", "logged_at": now}
            for index, one in enumerate(commitments, start)
        ]
        with engine.begin() as conn:
            conn.execute(insert(entries), rows)
        leaves = [leaf_hash(one) for one in commitments]
        full = {tile: hashes for tile, hashes in grow(tree, start, leaves).items() if tile.is_full}
        frontier = frontier.extended(leaves)
        tree.publish(PublishedCheckpoint(frontier.size, frontier.root(), ""), full, now)
    return frontier.root()


def _hash_three_tiles() -> None:
    """Three levels of 256 lead from an entry of a million to the root; whoever proves from tiles hashes these."""
    for _ in range(3):
        pair_up([bytes(HASH_SIZE)] * TILE_WIDTH)
