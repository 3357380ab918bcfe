"""Merkle tree (ハッシュ木): RFC 6962 section 2.1 and RFC 9162 section 2.1, with SHA-256.

The log of all requests (監査台帳) commits to its entries with one 32-byte root. An inclusion proof shows that one entry
is in it, a consistency proof that a later state only added to an earlier one. Whoever makes a proof needs no whole
tree, only somebody who can tell the hash of any complete subtree (`HashReader`); whoever checks one needs nothing but
the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from kumihimo.domain.kernel.errors import Problem

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


class HashReader(Protocol):
    """Whoever can tell the hash of any complete subtree of a log."""

    def subtree_hash(self, level: int, index: int) -> bytes:
        """The 32-byte hash over leaves `[index * 2**level, (index + 1) * 2**level)`, all of which must exist."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one entry, 32 bytes: SHA-256(0x00 || entry) (RFC 9162 section 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over two 32-byte hashes: SHA-256(0x01 || left || right) (RFC 9162 section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Join at least one hash of complete subtrees, biggest (leftmost) first and each smaller than the one before."""
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = node_hash(left, joined)
    return joined


def next_row(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes one level up; a last one without a right neighbour has none yet."""
    return [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=False)]


def pair_up(hashes: Sequence[bytes]) -> bytes:
    """Root of a complete subtree from its 2**k consecutive hashes."""
    row = hashes
    while len(row) > 1:
        row = next_row(row)
    return row[0]


@dataclass(frozen=True)
class Frontier:
    """What is needed to go on appending: the complete subtrees a tree of `size` leaves consists of, biggest first.

    One hash for each bit set in `size`, so an append costs O(log n) and the state of a log of a billion entries is
    under a kilobyte (RFC 9162 section 2.1.2).
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise Problem(
                "log.inconsistent",
                f"{len(self.hashes)} subtree hashes for a tree of {self.size} leaves",
                where="frontier",
                expected="one hash for each bit set in the size",
            )

    def extended(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after appending leaf hashes (32 bytes each) in order."""
        hashes = list(self.hashes)
        size = self.size
        for leaf in leaves:
            joined = leaf
            ones = size
            while ones & 1:
                joined = node_hash(hashes.pop(), joined)
                ones >>= 1
            hashes.append(joined)
            size += 1
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        """The root hash of the whole tree, 32 bytes."""
        return fold(self.hashes) if self.hashes else EMPTY_ROOT


def frontier_of(reader: HashReader, size: int) -> Frontier:
    """The frontier of a stored tree, to resume appending after a restart."""
    return Frontier(size, tuple(_complete_subtrees(reader, 0, size)))


def root_of_leaves(leaves: Iterable[bytes]) -> bytes:
    """Root of the tree over leaf hashes, 32 bytes each: MTH of RFC 9162 section 2.1.1."""
    return Frontier().extended(leaves).root()


def root_of(reader: HashReader, size: int) -> bytes:
    """Root of the first `size` leaves of a stored tree."""
    return frontier_of(reader, size).root()


def inclusion_proof(reader: HashReader, index: int, size: int) -> tuple[bytes, ...]:
    """PATH(index, D[0:size]) of RFC 9162 section 2.1.3.1, from the leaf's sibling up to the root's child.

    Raises Problem log.unknown_entry when the index is not below the size.
    """
    if not 0 <= index < size:
        raise Problem("log.unknown_entry", f"index {index} in a log of {size} entries", expected="0 ≤ index < size")
    start, end = 0, size
    proof: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_hash(reader, middle, end))
            end = middle
        else:
            proof.append(_range_hash(reader, start, middle))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(reader: HashReader, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """PROOF(old_size, D[0:new_size]) of RFC 9162 section 2.1.4.1; empty when the old size is 0 or equals the new one.

    Raises Problem log.unknown_entry when the sizes are negative or go backwards.
    """
    if not 0 <= old_size <= new_size:
        raise Problem("log.unknown_entry", f"a log cannot grow from {old_size} to {new_size} entries")
    if old_size == 0:
        return ()
    start, end = 0, new_size
    proof: list[bytes] = []
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            proof.append(_range_hash(reader, middle, end))
            end = middle
        else:
            proof.append(_range_hash(reader, start, middle))
            start = middle
    if start:
        # The old tree's last subtree is not the old tree itself, so the verifier does not know its hash yet.
        proof.append(_range_hash(reader, start, end))
    return tuple(reversed(proof))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash stands at `index` of the tree with that size and root (RFC 9162 section 2.1.3.2).

    Raises Problem log.proof_invalid naming what does not hold.
    """
    if not 0 <= index < size:
        raise _bad_proof(f"index {index} lies outside a log of {size} entries", "0 ≤ index < size")
    _require_hashes(proof)
    place, last = index, size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            raise _bad_proof(f"{len(proof)} hashes are more than index {index} of {size} entries needs", "fewer hashes")
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            place, last = _skip_missing_siblings(place, last)
        else:
            computed = node_hash(computed, sibling)
        place >>= 1
        last >>= 1
    if last != 0:
        raise _bad_proof(f"{len(proof)} hashes are fewer than index {index} of {size} entries needs", "more hashes")
    if computed != root:
        raise _bad_proof(
            f"the entry and the hashes given for index {index} do not lead to the root that was signed",
            "what leads to the signed root",
        )


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `new_size` contains that of `old_size` unchanged (RFC 9162 section 2.1.4.2).

    Raises Problem log.proof_invalid when the proof has not the shape these sizes need, and log.inconsistent when it has
    and the roots contradict it.
    """
    if not 0 <= old_size <= new_size:
        raise _bad_proof(f"a log cannot grow from {old_size} to {new_size} entries", "old size ≤ new size")
    _require_hashes(proof)
    if old_size in (0, new_size):
        if proof:
            raise _bad_proof(f"{len(proof)} hashes where growing from {old_size} to {new_size} needs none", "no hashes")
        known = new_root if old_size else EMPTY_ROOT
        if old_root != known:
            raise _contradiction(f"root {old_root.hex()} at {old_size} entries", known)
        return
    path = list(proof)
    if old_size.bit_count() == 1:
        path.insert(0, old_root)
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place >>= 1
        last >>= 1
    if not path:
        raise _bad_proof("the proof is empty", "at least one hash")
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise _bad_proof(
                f"{len(proof)} hashes are more than growing {old_size} to {new_size} needs", "fewer hashes"
            )
        if place & 1 or place == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            place, last = _skip_missing_siblings(place, last)
        else:
            new_computed = node_hash(new_computed, sibling)
        place >>= 1
        last >>= 1
    if last != 0:
        raise _bad_proof(f"{len(proof)} hashes are fewer than growing {old_size} to {new_size} needs", "more hashes")
    if old_computed != old_root:
        raise _contradiction(f"the proof starts from root {old_computed.hex()} at {old_size} entries", old_root)
    if new_computed != new_root:
        raise _contradiction(f"the proof leads to root {new_computed.hex()} at {new_size} entries", new_root)


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (> 1): where RFC 9162 divides a tree."""
    return 1 << (count - 1).bit_length() - 1


def _complete_subtrees(reader: HashReader, start: int, end: int) -> list[bytes]:
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(reader.subtree_hash(level, start >> level))
        start += 1 << level
    return hashes


def _range_hash(reader: HashReader, start: int, end: int) -> bytes:
    return fold(_complete_subtrees(reader, start, end))


def _skip_missing_siblings(place: int, last: int) -> tuple[int, int]:
    """On the right edge a node without a right sibling moves up unhashed, until it is itself a right child."""
    while place and not place & 1:
        place >>= 1
        last >>= 1
    return place, last


def _require_hashes(proof: Sequence[bytes]) -> None:
    for position, value in enumerate(proof):
        if len(value) != HASH_SIZE:
            raise _bad_proof(f"hash {position} of the proof has {len(value)} bytes", f"{HASH_SIZE} bytes")


def _bad_proof(detail: str, expected: str) -> Problem:
    return Problem("log.proof_invalid", detail, where="proof", expected=expected)


def _contradiction(detail: str, expected: bytes) -> Problem:
    return Problem(
        "log.inconsistent",
        detail,
        where="consistency proof",
        expected=f"root {expected.hex()}",
        advice="Keep both signed checkpoints: together they show that the log rewrote its history.",
    )
