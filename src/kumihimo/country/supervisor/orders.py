"""Orders to the supervisor (再起動の指示): files in DIR/run/orders, which nobody but the country's account can write.

One file is one order; its answer grows in a file beside it, a JSON line for each service.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from kumihimo.country.layout import Country
from kumihimo.country.supervisor.presence import not_running, pids
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId

_ORDER: Final = ".order"
_ANSWER: Final = ".answer"
_LOOK_SECONDS: Final = 0.05


class Restarted(BaseModel):
    """One service was started again on purpose: seconds from the order to its being ready, or what went wrong."""

    model_config = ConfigDict(frozen=True)
    party: str
    seconds: float
    fault: str | None = None


class Order:
    """An order as the supervisor sees it: whom to start again, one after the other."""

    def __init__(self, file: Path, parties: Sequence[PartyId]) -> None:
        self._file = file
        self.waiting = list(parties)

    def answer(self, restarted: Restarted) -> None:
        """Tell whoever gave the order about one service."""
        with self._file.with_suffix(_ANSWER).open("a") as file:
            file.write(restarted.model_dump_json() + "\n")

    def done(self) -> None:
        """The order has been carried out."""
        self._file.unlink(missing_ok=True)


class Desk:
    """Where the supervisor finds its orders."""

    def __init__(self, country: Country) -> None:
        self._folder = country.run / "orders"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for left in self._folder.iterdir():  # of a supervisor that was killed
            left.unlink()

    def next(self) -> Order | None:
        """An order that waits."""
        for file in sorted(self._folder.glob(f"*{_ORDER}")):
            return Order(file, [PartyId(party) for party in json.loads(file.read_text())])
        return None


def restart(country: Country, parties: Sequence[str], told: Callable[[Restarted], None]) -> None:
    """Have services of a running country started again, one after the other, without a request that fails; wait for it.

    Raises Problem(country.not_running, institution.unknown), and country.role_died where one did not come up again.
    """
    asked = [country.service(party).party for party in parties]
    pids(country)
    folder = country.run / "orders"
    name = secrets.token_hex(8)
    order, answer = folder / f"{name}{_ORDER}", folder / f"{name}{_ANSWER}"
    answer.touch(mode=0o600)
    beside = folder / f"{name}.new"
    beside.write_text(json.dumps(asked))
    beside.rename(order)
    heard = 0
    while heard < len(asked):
        lines = answer.read_text().splitlines() if answer.exists() else []
        for line in lines[heard:]:
            restarted = Restarted.model_validate_json(line)
            told(restarted)
            if restarted.fault is not None:
                raise Problem("country.role_died", f"{restarted.party}: {restarted.fault}")
        heard = len(lines)
        if heard < len(asked):
            _still_there(country)
            time.sleep(_LOOK_SECONDS)
    answer.unlink(missing_ok=True)


def _still_there(country: Country) -> None:
    try:
        pids(country)
    except Problem:
        raise not_running(country) from None
