"""Running a role's application behind mutual TLS until the process is told to stop."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.tls import PeerProtocol, server_context


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def serve(app: FastAPI, identity: Identity, host: str, port: int, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once the port accepts connections.

    Exits the process with status 1 or 3 when the port cannot be bound or the application does not start.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PeerProtocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    config.load()
    context: ssl.SSLContext = server_context(identity)
    config.ssl = context
    _Server(config, ready).run()
