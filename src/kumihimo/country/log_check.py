"""Checking a whole log from outside (ログの検証): signatures, root from all entries, consistency with what was seen before.

Reads only what any party can fetch: the checkpoint, the tiles and the entry bundles. The last verified checkpoint is kept
beside the country, so that a log that was rewritten since cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kumihimo.country.desk import edge_of
from kumihimo.country.layout import MONITOR, RESIDENT, Country
from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import Frontier, leaf_hash
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.tiles import TILE_WIDTH, EntryBundle, grow
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.remote_log import RemoteLog


@dataclass(frozen=True)
class LogVerified:
    """What was shown of a log; `seen_before` is the size of the state verified last time, None the first time."""

    size: int
    root: str
    witnesses: int
    seen_before: int | None


def verify_log(country: Country, against: Sequence[str] = ()) -> LogVerified:
    """Verify the log of a running country.

    `against` are signed checkpoints from elsewhere (kept, or of a witness), each of which must be a state of this log.

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
    for tile, computed in grow(log, 0, hashes).items():
        if log.tile(tile.level, tile.index, tile.width) != computed:
            raise Problem("log.inconsistent", f"{tile.path} does not follow from the entries")
    if seen is not None:
        _require_contained(seen.checkpoint, hashes, "verified before")
    for note in against:
        _require_contained(open_checkpoint(note, log_key).checkpoint, hashes, "signed in the checkpoint from elsewhere")
    (country.folder / "verified.checkpoint").write_text(document)
    return LogVerified(
        checkpoint.size, checkpoint.root.hex(), len(opened.cosigned), seen.checkpoint.size if seen else None
    )


def contradiction(country: Country, notes: Sequence[str]) -> str | None:
    """What signed checkpoints alone show, without the log: two roots for as many entries. None where they do not.

    Raises Problem(message.wrong_signer, log.checkpoint_invalid): not signed by this country's log.
    """
    log_key = VerifierKey.parse((country.folder / "log.vkey").read_text().strip())
    roots: dict[int, bytes] = {}
    for note in notes:
        checkpoint = open_checkpoint(note, log_key).checkpoint
        other = roots.setdefault(checkpoint.size, checkpoint.root)
        if other != checkpoint.root:
            return f"{checkpoint.size} entries with root {other.hex()}, and with root {checkpoint.root.hex()}"
    return None


def notes_in(text: str) -> tuple[str, ...]:
    """The signed notes that stand in a text one after the other, with an empty line between them."""
    notes: list[str] = []
    for block in text.strip("\n").split("\n\n"):
        if block.startswith("\u2014 ") and notes:
            notes[-1] += f"\n{block}\n"
        else:
            notes.append(f"{block}\n")
    return tuple(notes)


def _require_contained(state: Checkpoint, hashes: Sequence[bytes], known: str) -> None:
    if len(hashes) < state.size:
        raise Problem(
            "log.inconsistent", f"{len(hashes)} entries", expected=f"at least the {state.size} that were {known}",
            advice="Keep both checkpoints: the log was put back to an earlier state, or shows another history.",
        )  # fmt: skip
    if Frontier().extended(hashes[: state.size]).root() != state.root:
        raise Problem(
            "log.inconsistent", f"the first {state.size} entries are not those {known}",
            advice="Keep both checkpoints: the log has signed two histories that contradict each other.",
        )  # fmt: skip


def _entries(log: RemoteLog, size: int) -> Iterator[bytes]:
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        yield from log.entries(EntryBundle(index, min(TILE_WIDTH, size - index * TILE_WIDTH)))


def _seen_before(file: Path, log_key: VerifierKey, witness_key: VerifierKey) -> OpenedCheckpoint | None:
    return open_checkpoint(file.read_text(), log_key, [witness_key]) if file.exists() else None
