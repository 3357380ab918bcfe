"""A throw-away PostgreSQL (使い捨てのサーバー): a cluster of our own for tests, from Debian's programs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

_SERVER_ACCOUNT = "postgres"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of nobody else's is made in it
_ROOM = 2 * 2**30  # bytes


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server of our own, on a port of its own, gone after the test run."""

    port: int
    data: Path
    log: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{_SERVER_ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=_SERVER_ACCOUNT, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)

    def databases(self) -> set[str]:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=_SERVER_ACCOUNT, dbname="postgres", autocommit=True
        ) as connection:
            return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}

    def connections(self) -> int:
        """How many connections of clients are open, our own left out."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=_SERVER_ACCOUNT, dbname="postgres", autocommit=True
        ) as connection:
            ((count,),) = connection.execute(query)
        return int(count)

    def stop(self) -> None:
        """Stop the server as an administrator would: every connection is cut."""
        _as_server("pg_ctl", "-D", self.data, "-w", "-m", "fast", "stop")

    def start(self) -> None:
        _as_server("pg_ctl", "-D", self.data, "-l", self.log, "-w", "start")


@contextmanager
def throwaway_cluster() -> Iterator[Cluster]:
    """A cluster for the length of a `with` block."""
    # Before anything needs the server's account, which comes with the package.
    _program("initdb")
    # Not pytest's own temporary folder: the server's account could not walk into it.
    folder = Path(tempfile.mkdtemp(prefix="kumihimo-postgresql-", dir=_roomy_memory()))
    data, log = folder / "data", folder / "log"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _SERVER_ACCOUNT)
        _as_server("initdb", "-D", data, "-U", _SERVER_ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        port = _free_port()
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n")
            settings.write("max_wal_size = '256MB'\nmin_wal_size = '32MB'\n")
        _as_server("pg_ctl", "-D", data, "-l", log, "-w", "start")
        try:
            yield Cluster(port, data, log)
        finally:
            _as_server("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _roomy_memory() -> Path | None:
    """Where files are in memory, when there is room: what is tested is what the server promises, not how fast disks are."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM:
        return _MEMORY
    return None


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    if found is None:
        pytest.fail(
            f"{name} was not found on PATH nor under /usr/lib/postgresql: the contract must hold on PostgreSQL too. "
            "Install Debian's package `postgresql` (apt-get install postgresql).",
            pytrace=False,
        )
    return found


def _as_server(name: str, *arguments: str | Path) -> None:
    """Run a server program; PostgreSQL refuses to be root, so root hands it to the account postgres."""
    prefix = ["runuser", "-u", _SERVER_ACCOUNT, "--"] if os.geteuid() == 0 else []
    # Output goes to files of no name: a server that inherits a pipe would keep it open for ever.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [*prefix, _program(name), *map(str, arguments)], stdout=output, stderr=output, cwd="/", check=False
        )
        output.seek(0)
        if done.returncode != 0:
            pytest.fail(f"{name} ended with {done.returncode}: {output.read().decode()}", pytrace=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
