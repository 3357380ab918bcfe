"""Deaths of services (異常終了): each is written down and shown, and decides how long the next start waits.

DIR/run/deaths has a JSON line for every service that ended by itself since the country was started last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from kumihimo.country.layout import Country

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 8.0
_SETTLED_SECONDS: Final = 15.0  # longer than the pauses between the first few deaths in a row


class Death(BaseModel):
    """A service that ended by itself: whose, when, with which status (negative: the signal), and why if it said so.

    `count` is how many there have been of it since the country was started.
    """

    model_config = ConfigDict(frozen=True)
    party: str
    at: datetime
    status: int
    count: int
    said: str | None = None

    def __str__(self) -> str:
        reason = f": {self.said}" if self.said else ""
        return f"{self.party} ended with status {self.status}{reason} (death {self.count} of it)"


@dataclass(frozen=True)
class Patience:
    """How many deaths of one service within how many seconds are too many: then the country is stopped."""

    deaths: int = 5
    seconds: float = 60.0


def pause_after(ended: Sequence[float], patience: Patience) -> float | None:
    """Seconds to wait before the next start; None when it has died too often. `ended`: instants in seconds, ascending.

    One that had been up for a while is started again at once: what killed it was most likely not the service itself.
    """
    if _since(ended, patience.seconds) >= patience.deaths:
        return None
    row = _since(ended, _SETTLED_SECONDS)
    return 0.0 if row == 1 else min(_FIRST_PAUSE * 2.0 ** (row - 2), _LONGEST_PAUSE)


def _since(ended: Sequence[float], seconds: float) -> int:
    return sum(1 for at in ended if at > ended[-1] - seconds)


class DeathBook:
    """Where one supervisor writes deaths down; `told` is called with each."""

    def __init__(self, country: Country, patience: Patience, told: Callable[[Death], None]) -> None:
        self._file = country.run / "deaths"
        self._file.write_text("")
        self._patience = patience
        self._told = told
        self._ended: dict[str, list[float]] = defaultdict(list)

    def enter(self, party: str, at: datetime, monotonic: float, status: int, said: str | None) -> float | None:
        """Write a death down, tell of it, and return the seconds to wait; None when it has died too often."""
        ended = self._ended[party]
        ended.append(monotonic)
        death = Death(party=party, at=at, status=status, count=len(ended), said=said)
        with self._file.open("a") as file:
            file.write(death.model_dump_json() + "\n")
        self._told(death)
        return pause_after(ended, self._patience)


def deaths_of(country: Country) -> list[Death]:
    """Every death since the country was started last, oldest first."""
    file = country.run / "deaths"
    return [Death.model_validate_json(line) for line in file.read_text().splitlines()] if file.exists() else []
