"""Watching (監視の継続): the thread that lets the monitor make its rounds for as long as the oversight body is up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from kumihimo.plumbing.wire.edge import Background

log = structlog.get_logger()


class Watching(Background):
    """Calls `check` every `seconds`, and at once after `wake`. A round that fails is logged loudly and tried again."""

    def __init__(self, check: Callable[[], None], seconds: float, name: str = "monitor") -> None:
        self._check = check
        self._seconds = seconds
        self._stopping = False
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._due.set()
        self._thread.join(timeout=2.0)

    def wake(self) -> None:
        """There may be a new checkpoint."""
        self._due.set()

    def _run(self) -> None:
        while not self._stopping:
            self._due.wait(self._seconds)
            self._due.clear()
            if self._stopping:
                return
            try:
                self._check()
            except Exception as error:  # the watch must go on whatever happened in one round
                log.exception("monitor.failed", kind=type(error).__name__, source=self._thread.name)
