"""The log as others read it (監査台帳の閲覧): tiles, bundles and checkpoints of operator 1, and what it promised about a record.

Whoever holds a record, its salt and operator 1's promise can check by themselves that all three belong together; where the
entry stands is then a matter between the promise and the log.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, Protocol

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.sealing import commit
from kumihimo.domain.transparency.tiles import EntryBundle, Tile, unpack_entries
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Signed, b64, from_b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogPromise

LOGGER: Final = OPERATORS[0]
PREFIX: Final = "/log"


class Fetch(Protocol):
    """Whoever can fetch a resource of a party: `PeerClient`."""

    def get(self, party: PartyId, path: str) -> bytes:
        """Raises Problem: what the party reported, or peer.unreachable."""
        ...


class LogSource(Protocol):
    """A log that can be read from outside; a `tiles.TileSource` with its entries and newest checkpoint."""

    def checkpoint(self) -> str: ...

    def tile(self, level: int, index: int, width: int) -> bytes: ...

    def entries(self, place: EntryBundle) -> tuple[bytes, ...]: ...


class RemoteLog:
    """The log that an operator serves in the form of C2SP tlog-tiles below `/log`."""

    def __init__(self, fetch: Fetch, operator: PartyId = LOGGER) -> None:
        self._fetch = fetch
        self._operator = operator

    def checkpoint(self) -> str:
        """The newest signed checkpoint, unchecked. Raises Problem(log.checkpoint_invalid) and those of the fetch."""
        data = self._fetch.get(self._operator, f"{PREFIX}/checkpoint")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Problem("log.checkpoint_invalid", "not UTF-8", where="checkpoint", expected="a signed note") from None

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The bytes served for a tile, unchecked. Raises Problem as the fetch does."""
        return self._fetch.get(self._operator, PREFIX + Tile(level, index, width).path)

    def entries(self, place: EntryBundle) -> tuple[bytes, ...]:
        """The entries served for a bundle. Raises Problem(message.malformed) and those of the fetch."""
        return unpack_entries(self._fetch.get(self._operator, PREFIX + place.path), place.width)


@dataclass(frozen=True)
class Promised:
    """A record's commitment (32 bytes), promised by operator 1 to stand at `index`, with the promise itself."""

    index: int
    commitment: bytes
    signed: Signed[LogPromise]


def check_logged(edge: Edge, logged: LoggedRecord) -> Promised:
    """Check that operator 1 promised to log this very record.

    Raises Problem(log.proof_invalid) when the promise is about another record or time, and those of a bad signature.
    """
    signed = edge.read(logged.promise, LogPromise, LOGGER)
    promise = signed.value
    commitment = commit(from_b64(logged.salt, "salt"), logged.record.to_bytes())
    if not hmac.compare_digest(b64(commitment), promise.entry):
        raise Problem("log.proof_invalid", "the promise is about another record", where="promise")
    if promise.logged_at != logged.record.logged_at:
        raise Problem("log.proof_invalid", "the promise states another time than the record", where="promise")
    return Promised(promise.index, commitment, signed)
