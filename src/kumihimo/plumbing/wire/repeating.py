"""Work that is never finished (後続処理): done again whenever somebody wakes it, and at the latest after a pause.

For what must reach another party some time, such as acknowledgements: what is to be done stands in a store, so that nothing is
lost when the process ends, and a peer that cannot be reached is tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.edge import Background

PAUSE_SECONDS: Final = 2.0
_LAST_WORDS_SECONDS: Final = 2.0
log = structlog.get_logger()


class Repeating(Background):
    """A thread that calls `work` until it says that nothing was left, and again after `wake` or a pause."""

    def __init__(self, name: str, work: Callable[[], int]) -> None:
        self._name = name
        self._work = work
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(_LAST_WORDS_SECONDS)

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                done = self._work()
            except Problem as problem:
                log.warning("repeating.waiting", kind=self._name, code=problem.code)
                done = 0
            except Exception:
                log.exception("repeating.failed", kind=self._name)
                done = 0
            if not done:
                self._wake.wait(PAUSE_SECONDS)
                self._wake.clear()
