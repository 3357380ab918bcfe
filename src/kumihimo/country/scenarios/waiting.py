"""Waiting for something that another process will do: asked again and again until a deadline, never hoped for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from kumihimo.domain.kernel import Problem

T = TypeVar("T")


def until(look: Callable[[], T | None], seconds: float, what: str, pause: float = 0.05) -> T:
    """The first answer that is not None; `pause` seconds between looks.

    Raises Problem(country.not_running) when none came in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise Problem("country.not_running", f"{what} did not happen within {seconds:.0f} s")
        time.sleep(pause)
