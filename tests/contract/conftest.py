"""Both engines (両エンジン): every contract test runs on SQLite and on a throw-away PostgreSQL, each time empty."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from kumihimo.plumbing.storage import open_engine

ENGINES = ("sqlite", "postgresql")
_SERVER_ACCOUNT = "postgres"


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server of our own, on a port of its own, gone after the test run."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{_SERVER_ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=_SERVER_ACCOUNT, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    # Before anything needs the server's account, which comes with the package.
    _program("initdb")
    # Not pytest's own temporary folder: the server's account could not walk into it.
    folder = Path(tempfile.mkdtemp(prefix="kumihimo-postgresql-"))
    data, log = folder / "data", folder / "log"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _SERVER_ACCOUNT)
        _as_server("initdb", "-D", data, "-U", _SERVER_ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        _as_server("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield Cluster(port)
        finally:
            _as_server("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


_numbers = itertools.count(1)


@pytest.fixture(params=ENGINES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    database = f"store_{next(_numbers)}"
    cluster.administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    yield cluster.url(database)
    cluster.administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """The same database, opened."""
    opened = open_engine(store_url)
    yield opened
    opened.dispose()


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
