"""All drills (訓練の一覧), in the order in which `kumihimo drill all` plays them. A new drill is one line here."""

from __future__ import annotations

from typing import Final

from kumihimo.country.drills import clock, disk, handover, killing, network, restore, tamper
from kumihimo.country.drills.drilling import Drill

DRILLS: Final[tuple[Drill, ...]] = (
    restore.DRILL,
    handover.DRILL,
    killing.DRILL,
    clock.DRILL,
    disk.DRILL,
    network.DRILL,
    tamper.DRILL,
)
