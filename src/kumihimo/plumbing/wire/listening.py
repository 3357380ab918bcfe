"""Listening sockets (待受け): opened by whoever outlives the service, so that connections wait while it is restarted.

A connection that comes between two processes of a service stands in the queue of the socket instead of being refused. The
supervisor of a country opens the sockets, or a service manager does (`sd_listen_fds(3)`, `sd_notify(3)`), or the service
itself where nobody did it for it.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from kumihimo.domain.kernel.errors import Problem

BACKLOG: Final = 2_048  # connections that wait; the system may allow fewer (net.core.somaxconn)
_FIRST: Final = 3  # SD_LISTEN_FDS_START


def listen(host: str, port: int) -> socket.socket:
    """A socket on which connections to this address queue. Raises Problem(port.taken)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise Problem(
            "port.taken", f"{host}:{port}: {error.strerror}", where="host, port",
            expected="an address of this machine on which nothing listens yet",
            advice="Stop what listens there (is the country up already?), or change the settings.",
        ) from None  # fmt: skip
    return listener


def handed_over() -> socket.socket | None:
    """The listening socket that a service manager opened for this process; None where it opened none.

    Raises Problem(value.invalid) for more than one, or for something on which nobody can listen.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = os.environ.get("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # they are for this process, not for those it starts
    if count != "1":
        raise Problem("value.invalid", f"{count} sockets", where="LISTEN_FDS", expected="one socket for the service")
    try:
        listener = socket.socket(fileno=_FIRST)
        if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError("not a listening socket")
    except OSError as error:
        raise Problem("value.invalid", str(error), where="LISTEN_FDS", expected="a listening stream socket") from None
    os.set_inheritable(_FIRST, False)
    return listener


def tell_manager(state: str) -> None:
    """Tell a service manager that asked for it how things stand, such as READY=1; nothing where nobody asked."""
    where = os.environ.get("NOTIFY_SOCKET")
    if not where:
        return
    address = "\0" + where[1:] if where.startswith("@") else where
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect(address)
        line.sendall(state.encode())
