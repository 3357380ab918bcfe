"""While every thread of a service waits for somebody else, what needs no thread is still answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI
from small_country import EXCHANGE, LEDGER, SmallCountry

from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.routes import Peer

THREADS = 40  # FastAPI's


def test_a_caller_is_known_without_a_thread(country: SmallCountry, run: Callable[[FastAPI, Edge], None]) -> None:
    """Operator 2 asks operator 1 for points in the middle of a request for which operator 1 waits with a thread."""
    edge = country.edge(EXCHANGE)
    app = application("busy")
    all_wait, go_on = threading.Barrier(THREADS + 1), threading.Event()

    @app.get("/wait")
    def wait(_peer: Peer) -> None:
        all_wait.wait(30)
        go_on.wait(30)

    @app.get("/at-once")
    async def at_once(peer: Peer) -> str:
        return peer

    run(app, edge)
    client = PeerClient(country.edge(LEDGER), timeout=5.0)
    with ThreadPoolExecutor(THREADS) as callers:
        waiting = [callers.submit(client.get, EXCHANGE, "/wait", None, 60.0) for _ in range(THREADS)]
        try:
            all_wait.wait(30)
            assert client.get(EXCHANGE, "/at-once") == f'"{LEDGER}"'.encode()
            assert client.get(EXCHANGE, "/health")
        finally:
            go_on.set()
        assert [one.result() for one in waiting] == [b"null"] * THREADS
    client.close()
