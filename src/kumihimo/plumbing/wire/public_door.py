"""A public door (公開窓口) beside a role's mutual TLS: its own port, no messages of the country, and no access log.

Plain HTTP only for what everybody may ask and verifies by itself: certificates' status, lists and authorities' certificates are
signed, and a client that is about to verify a certificate cannot do it by one that needs verifying (RFC 5280 §8, RFC 6960).
Pages are served by TLS. Who asks for what is not written down.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.edge import Background
from kumihimo.plumbing.wire.listening import listen

MOST_AT_ONCE: Final = 256  # connections; more are answered 503
_STARTING_SECONDS: Final = 10.0
_STOPPING_SECONDS: Final = 5.0


class PublicDoor(Background):
    """Serves an application in a thread, as long as the role runs: by TLS with a certificate and its key, else by plain HTTP."""

    def __init__(self, app: ASGIApp, host: str, port: int, tls: tuple[Path, Path] | None = None) -> None:
        self._host = host
        self._port = port
        self._ready = threading.Event()
        config = uvicorn.Config(
            app, host=host, port=port, lifespan="off", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, ws="none", timeout_keep_alive=15, limit_concurrency=MOST_AT_ONCE,
            h11_max_incomplete_event_size=16_384, timeout_graceful_shutdown=2,
            ssl_certfile=tls[0] if tls else None, ssl_keyfile=tls[1] if tls else None,
        )  # fmt: skip
        self._server = _Server(config, self._ready)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve. Raises Problem(port.taken)."""
        listener = listen(self._host, self._port)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name=f"public {self._port}", daemon=True
        )  # fmt: skip
        self._thread.start()
        if not self._ready.wait(_STARTING_SECONDS):
            raise Problem("internal", "the public door did not open", where=f"{self._host}:{self._port}")

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOPPING_SECONDS)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()
