"""Patrol (巡回検査): entries and tiles that were verified long ago are looked at again, one bundle a round.

The monitor reads what is new; what was changed behind its back in old parts of the log would be seen only by whoever reads
them. A log of a million entries is gone through in about an hour.
"""

from __future__ import annotations

from typing import Final

import structlog

from kumihimo.domain.kernel import Clock, Problem
from kumihimo.domain.transparency.tiles import TILE_WIDTH, EntryBundle, Tile
from kumihimo.plumbing.wire.remote_log import LogSource
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.service.growth import TRANSIENT
from kumihimo.roles.oversight.store import Findings, VerifiedLog

_UNREADABLE: Final = "message.malformed"
log = structlog.get_logger()


class Patrol:
    """Goes round and round the verified part of one log."""

    def __init__(self, source: LogSource, own: VerifiedLog, findings: Findings, clock: Clock) -> None:
        self._source = source
        self._own = own
        self._findings = findings
        self._clock = clock
        self._next = 0

    def round(self) -> None:
        """Look at the next bundle and its tile; what is not as it was verified is an alarm."""
        size = self._own.state().size
        if self._next * TILE_WIDTH >= size:
            self._next = 0
        if size == 0:
            return
        index = self._next
        self._next += 1
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        place, tile = EntryBundle(index, width), Tile(0, index, width)
        if self._read(place) != self._own.entries(index * TILE_WIDTH, width):
            what = f"entries {place.path} are not those that were verified before"
            self._raise(Alarm(AlarmKind.ENTRIES_ALTERED, what, self._own.state().note))
        if self._served(tile) != self._own.tile(0, index, width):
            what = f"tile {tile.path} is not the one that was verified before"
            self._raise(Alarm(AlarmKind.TILE_ALTERED, what, self._own.state().note))

    def _read(self, place: EntryBundle) -> tuple[bytes, ...] | None:
        try:
            return self._source.entries(place)
        except Problem as problem:
            return self._fault(problem)

    def _served(self, tile: Tile) -> bytes | None:
        try:
            return self._source.tile(tile.level, tile.index, tile.width)
        except Problem as problem:
            return self._fault(problem)

    @staticmethod
    def _fault(problem: Problem) -> None:
        """Nothing, where the log refuses what it has; raises on what may pass."""
        if problem.code in TRANSIENT:
            raise problem
        log.error("patrol", code=problem.code)

    def _raise(self, alarm: Alarm) -> None:
        self._findings.raise_(alarm, self._clock.now())
