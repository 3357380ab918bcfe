"""The person at the computer (利用者): whom the host asks, and tells what is wrong. Usually through a window (`window`).

`StandIn` answers in a person's place, for tests and measurements without anybody. It exists only where the host's settings name a
file of PINs, says so on standard error and in the host's log, and every token made with it says so too.
"""

from __future__ import annotations

import stat
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from kumihimo.domain.kernel.errors import Problem

WhichPin = Literal["authentication", "signature"]
_NOTICE: Final = "STAND-IN: no person is asked for the PIN; it comes from a file. For tests and measurements only."


@dataclass(frozen=True)
class Prompt:
    """Asking for a PIN. `notice` is the problem of the last try, if there was one."""

    pin: WhichPin
    tries_left: int
    notice: Problem | None = None


class Person(Protocol):
    """Whom to ask. Each method may raise Problem(host.cancelled): the person said no, or the page went away."""

    def pin(self, prompt: Prompt) -> str:
        """The PIN as typed. The card is held meanwhile."""
        ...

    def working(self) -> None:
        """The card is at work."""
        ...

    def wait(self, problem: Problem) -> None:
        """Tell what is missing (a reader, a card) and come back after a moment to look again."""
        ...

    def told(self, problem: Problem) -> None:
        """Tell what ended it, until the person has seen it."""
        ...


@dataclass(frozen=True)
class StandIn:
    """Answers with PINs from a file, once: who cannot see a message would only use up the tries."""

    pins: dict[WhichPin, str]

    @classmethod
    def from_file(cls, path: Path) -> StandIn:
        """Read `authentication` and `signature` from TOML that only its owner may read. Raises Problem(host.settings)."""
        try:
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Problem("host.settings", "others may read the file of PINs", str(path), "mode 600")
            values = tomllib.loads(path.read_text(encoding="utf-8"))
            pins: dict[WhichPin, str] = {"authentication": values["authentication"], "signature": values["signature"]}
        except (OSError, ValueError, KeyError) as error:
            raise Problem("host.settings", f"no PINs can be read ({type(error).__name__})", str(path)) from None
        print(_NOTICE, file=sys.stderr, flush=True)
        return cls(pins)

    def pin(self, prompt: Prompt) -> str:
        if prompt.notice is not None:
            raise prompt.notice
        return self.pins[prompt.pin]

    def working(self) -> None:
        """Nobody watches."""

    def wait(self, problem: Problem) -> None:
        raise problem

    def told(self, problem: Problem) -> None:
        """Nobody reads it here; the answer says it."""

    def __repr__(self) -> str:
        return "StandIn(pins not shown)"
