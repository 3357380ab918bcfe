"""The log as verified here (検証済みの台帳): entries, the tiles computed from them, and the last state that held."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select, update

from kumihimo.domain.transparency.merkle import EMPTY_ROOT, HASH_SIZE, root_of
from kumihimo.domain.transparency.tiles import TiledTree
from kumihimo.roles.oversight.service.growth import Growth, VerifiedState
from kumihimo.roles.oversight.store import tables as t
from kumihimo.roles.oversight.store.tables import EntryState

_CHUNK = 5_000


class VerifiedLog:
    """One log's verified part; a `tiles.TileSource` for it. One writer at a time."""

    def __init__(self, engine: Engine, origin: str) -> None:
        self._engine = engine
        self._origin = origin

    def state(self) -> VerifiedState:
        """The last state that held; that of an empty log before the first."""
        columns = t.verified.c.size, t.verified.c.root, t.verified.c.note
        with self._engine.connect() as conn:
            row = conn.execute(select(*columns).where(t.verified.c.origin == self._origin)).one_or_none()
        return VerifiedState(0, EMPTY_ROOT, "") if row is None else VerifiedState(row.size, row.root, row.note)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile, as computed here; fewer when the verified part is shorter."""
        query = select(t.own_tile.c.hashes).where(t.own_tile.c.level == level, t.own_tile.c.tile_index == index)
        with self._engine.connect() as conn:
            hashes: bytes = conn.execute(query).scalar_one_or_none() or b""
        return hashes[: width * HASH_SIZE]

    def entries(self, start: int, count: int) -> tuple[bytes, ...]:
        """The commitments at `start` and after, at most `count`, as they were verified."""
        at = t.log_entry.c.log_index
        query = select(t.log_entry.c.commitment).where(at >= start, at < start + count).order_by(at)
        with self._engine.connect() as conn:
            return tuple(conn.execute(query).scalars())

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` entries, which must be verified already. Raises Problem(log.unknown_entry)."""
        return root_of(TiledTree(self, self.state().size), size)

    def adopt(self, growth: Growth, at: datetime) -> None:
        """Take in a growth that was found good, all of it or nothing."""
        with self._engine.begin() as conn:
            self._add_entries(conn, growth, at)
            for tile, hashes in growth.tiles.items():
                place = {"level": tile.level, "tile_index": tile.index}
                conn.execute(delete(t.own_tile).filter_by(**place))
                conn.execute(insert(t.own_tile).values(**place, hashes=hashes))
            new = growth.state
            values = {"size": new.size, "root": new.root, "note": new.note, "verified_at": at}
            known = t.verified.c.origin == self._origin
            if conn.execute(update(t.verified).where(known).values(values)).rowcount == 0:
                conn.execute(insert(t.verified).values(origin=self._origin, **values))

    def _add_entries(self, conn: Connection, growth: Growth, at: datetime) -> None:
        rows = [
            {"log_index": index, "commitment": entry, "state": EntryState.AWAITED.value, "verified_at": at}
            for index, entry in enumerate(growth.entries, growth.first)
        ]
        for start in range(0, len(rows), _CHUNK):
            conn.execute(insert(t.log_entry), rows[start : start + _CHUNK])
