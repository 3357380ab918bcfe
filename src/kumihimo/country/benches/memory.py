"""Memory of a database server (計測用サーバーのメモリ) while a bench runs: all of its processes, shared pages counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil
import psycopg

from kumihimo.domain.kernel import Problem

_SECONDS: Final = 0.5  # between two looks


@contextmanager
def server_memory(line: str) -> Iterator[Callable[[], int]]:
    """What gives the greatest memory so far, in bytes, of the PostgreSQL server behind a libpq URL.

    Raises Problem(internal) when it does not run on this machine.
    """
    with psycopg.connect(line) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    if server is None:
        raise Problem("internal", "the server's first process is not to be found", expected="a parent of a backend")
    ended, greatest = threading.Event(), [_memory(server)]

    def look() -> None:
        while not ended.wait(_SECONDS):
            greatest[0] = max(greatest[0], _memory(server))

    looking = threading.Thread(target=look, name="server memory", daemon=True)
    looking.start()
    try:
        yield lambda: greatest[0]
    finally:
        ended.set()
        looking.join()


def _memory(server: psutil.Process) -> int:
    total = 0
    for process in (server, *server.children(recursive=True)):
        try:
            total += int(process.memory_full_info().pss)
        except psutil.Error:
            continue  # it ended between the two questions
    return total
