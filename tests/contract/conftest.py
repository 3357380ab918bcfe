"""Both engines (両エンジン): every contract test runs on SQLite and on a throw-away PostgreSQL, each time empty."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import Engine

from kumihimo.plumbing.storage import open_engine
from throwaway_postgresql import Cluster

ENGINES = ("sqlite", "postgresql")

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
