"""Checking a whole log from outside (ログの検証): signatures, root from all entries, consistency with what was seen before.

Reads only what any party can fetch: the checkpoint, the tiles and the entry bundles. The last verified checkpoint is kept
beside the country, so that a log that was rewritten since cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kumihimo.country.desk import edge_of
from kumihimo.country.layout import MONITOR, RESIDENT, Country
from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.checkpoint import OpenedCheckpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import Frontier, leaf_hash, root_of
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.tiles import TILE_WIDTH, EntryBundle, TiledTree
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.remote_log import RemoteLog


@dataclass(frozen=True)
class LogVerified:
    """What was shown of a log; `seen_before` is the size of the state verified last time, None the first time."""

    size: int
    root: str
    witnesses: int
    seen_before: int | None


def verify_log(country: Country) -> LogVerified:
    """Verify the log of a running country.

    Raises Problem (log.checkpoint_invalid, log.inconsistent, log.proof_invalid, peer.unreachable).
    """
    reader = next((one for one in (RESIDENT, MONITOR) if country.keys(one).exists()), RESIDENT)
    client = PeerClient(edge_of(country, reader))
    log_key = VerifierKey.parse((country.folder / "log.vkey").read_text().strip())
    witness_key = VerifierKey.parse((country.folder / "witness.vkey").read_text().strip())
    log = RemoteLog(client)
    document = log.checkpoint()
    opened = open_checkpoint(document, log_key, [witness_key])
    checkpoint = opened.checkpoint
    seen = _seen_before(country.folder / "verified.checkpoint", log_key, witness_key)
    hashes = [leaf_hash(entry) for entry in _entries(log, checkpoint.size)]
    if len(hashes) != checkpoint.size or Frontier().extended(hashes).root() != checkpoint.root:
        raise Problem("log.inconsistent", f"{len(hashes)} entries do not give the root of the checkpoint")
    if root_of(TiledTree(log, checkpoint.size), checkpoint.size) != checkpoint.root:
        raise Problem("log.inconsistent", "the tiles do not give the root of the checkpoint")
    if seen is not None and Frontier().extended(hashes[: seen.checkpoint.size]).root() != seen.checkpoint.root:
        raise Problem("log.inconsistent", f"the first {seen.checkpoint.size} entries are not those verified before")
    (country.folder / "verified.checkpoint").write_text(document)
    return LogVerified(
        checkpoint.size, checkpoint.root.hex(), len(opened.cosigned), seen.checkpoint.size if seen else None
    )


def _entries(log: RemoteLog, size: int) -> Iterator[bytes]:
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        yield from log.entries(EntryBundle(index, min(TILE_WIDTH, size - index * TILE_WIDTH)))


def _seen_before(file: Path, log_key: VerifierKey, witness_key: VerifierKey) -> OpenedCheckpoint | None:
    return open_checkpoint(file.read_text(), log_key, [witness_key]) if file.exists() else None
