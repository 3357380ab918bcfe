"""Running a role's application behind mutual TLS until the process is told to stop, and ending so that nobody notices.

At SIGTERM it stops accepting (what comes from then on waits in the queue of the listening socket, for the successor), answers
what it has begun, tells those who wait for news that there is none, says farewell on idle connections, and ends. Whoever
sent something meanwhile and got no byte of an answer asks again, on a new connection (`client.PeerClient`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from fastapi import FastAPI

from kumihimo.plumbing.wire.draining import Gate
from kumihimo.plumbing.wire.edge import close
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.protocol import PeerProtocol, ServingState
from kumihimo.plumbing.wire.tls import LiveContext, server_context

DRAIN_SECONDS: Final = 12  # what was begun may wait ten seconds for a peer
_CUT_SECONDS: Final = 0.01  # for the loop to notice that connections were cut


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI, gate: Gate, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.server_state = self._state = ServingState()
        self._app = app
        self._gate = gate
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        close(self._app)
        await self._gate.quiesce(DRAIN_SECONDS)
        for accepting in self.servers:
            accepting.close()
        self._state.ending = True
        for connection in tuple(self._state.connections):
            connection.shutdown()
        await asyncio.sleep(_CUT_SECONDS)
        self._gate.let_go()
        await super().shutdown(sockets=sockets)


def serve(app: FastAPI, identity: Identity, listener: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT; `ready` is called once connections are accepted.

    Exits the process with status 3 when the application does not start.
    """
    host, port = listener.getsockname()[:2]
    server(app, identity, host, port, ready).run(sockets=[listener])


def server(
    app: FastAPI, identity: Identity, host: str, port: int, ready: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """What `serve` runs, for those who run it in a thread: it ends after `should_exit` has been set to true."""
    gate = Gate(app, app.state.needed)
    config = uvicorn.Config(
        gate,
        host=host,
        port=port,
        http=PeerProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    config.load()
    config.ssl = LiveContext(server_context, identity)
    return _Server(config, app, gate, ready)
