"""Running a role's application behind mutual TLS until the process is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from kumihimo.plumbing.wire.edge import close
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.tls import LiveContext, PeerProtocol, server_context


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        close(self._app)
        await super().shutdown(sockets=sockets)


def serve(app: FastAPI, identity: Identity, host: str, port: int, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once the port accepts connections.

    Exits the process with status 3 when the port cannot be bound or the application does not start.
    """
    server(app, identity, host, port, ready).run()


def server(
    app: FastAPI, identity: Identity, host: str, port: int, ready: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """What `serve` runs, for those who run it in a thread: it ends after `should_exit` has been set to true."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PeerProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    config.load()
    config.ssl = LiveContext(server_context, identity)
    return _Server(config, app, ready)
