"""A throw-away PostgreSQL (計測用サーバー) for benches: Debian's or any other server's programs, on a port of its own.

Its data lies in the system's temporary folder (TMPDIR), as the SQLite files of the benches do, with the server's own defaults,
under which a commit that returned is on the disk.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import make_url

_ACCOUNT: Final = "postgres"
_DEBIAN: Final = "/usr/lib/postgresql"


@contextmanager
def postgresql() -> Iterator[str | None]:
    """The URL of an empty database of a server that ends with the block; None where no server is installed.

    Raises subprocess.CalledProcessError when the server does not start.
    """
    programs = _programs()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="kumihimo-bench-"))
    data = folder / "data"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _ACCOUNT)  # the server refuses to run as root
        _run(programs / "initdb", "-D", data, "-U", _ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://{_ACCOUNT}@127.0.0.1:{port}/postgres"
        finally:
            _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def two_databases(url: str, first: str, second: str) -> tuple[str, str]:
    """The URLs of two new empty databases of the server; those of the same names are dropped."""
    with psycopg.connect(libpq_url(url), autocommit=True) as server:
        for name in (first, second):
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    at_first, at_second = (make_url(url).set(database=name).render_as_string() for name in (first, second))
    return at_first, at_second


def libpq_url(url: str) -> str:
    """A store's URL as the driver itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string()


def _programs() -> Path | None:
    """Where initdb and pg_ctl are: Debian keeps them out of the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(Path(_DEBIAN).glob("*/bin/initdb"), key=lambda one: float(one.parts[-3]))
    return versions[-1].parent if versions else None


def _run(*command: str | Path) -> None:
    account = _ACCOUNT if os.geteuid() == 0 else None
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, user=account, cwd="/")  # noqa: S603


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
