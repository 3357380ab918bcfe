"""What an exchange with a card costs (APDU の往復): through the real PC/SC, beside the same card asked without a reader."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.roles.card.chip import FolderDisk
from kumihimo.roles.card.terminal import Pin
from kumihimo.roles.card.terminal.round_trips import RoundTrips, measure_round_trips, measure_through_pcsc
from kumihimo.roles.card.terminal.specimen import PINS, SpecimenAuthority

_MILLI: Final = 1e3


def measure(effort: Effort) -> Iterator[Measured]:
    """Medians in ms: SELECT and READ BINARY of 256 bytes, the slower of them, and VERIFY with its two durable states.

    Raises Problem(card.unavailable) naming what is missing.
    """
    rounds = effort.pick(quick=50, full=500)
    direct = _without_reader(rounds)
    # In a process of its own: PC/SC reads once in the life of one where its reader is.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
        found = own.submit(measure_through_pcsc, rounds).result()
    for name in ("apdu", "select", "read", "verify"):
        taken, alone = (getattr(one, name) * _MILLI for one in (found, direct))
        yield Measured("card", name, taken, "ms", Reference("without PC/SC", alone), taken / alone)


def _without_reader(rounds: int) -> RoundTrips:
    with tempfile.TemporaryDirectory(prefix="card-") as folder:
        disk = FolderDisk(Path(folder))
        try:
            return measure_round_trips(SpecimenAuthority().issued(disk).transmit, PINS[Pin.TEXT], rounds)
        finally:
            disk.close()
