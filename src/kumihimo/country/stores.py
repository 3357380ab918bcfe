"""The stores of a country (保管庫の所在): which file or database each party keeps its own in, and making and dropping databases.

One store for each trust boundary, on both engines: on SQLite a file in the party's folder, on PostgreSQL a database of its
own, named after the country and the party. `role.toml` says which it is, and nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from kumihimo.country import programs, topology
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId, Problem, RandomSource
from kumihimo.plumbing.storage import OF_ENGINE

Stores = Callable[[PartyId], str]
"""Party → the URL of its store."""

_OURS: Final = re.compile(r"kumihimo_[0-9a-f]{8}_[a-z0-9_]+")
_MAINTENANCE: Final = "postgres"  # the database every server has, to connect to for making others
_TIMEOUT: Final = {"connect_timeout": 5}


def beside_the_settings(_party: PartyId) -> str:
    """A SQLite file in the party's folder."""
    return "sqlite:///store.db"


def on_server(server: URL, randomness: RandomSource) -> Stores:
    """A database for each party of one new country, not made yet: kumihimo_<8 hex digits>_<institution>_<service>."""
    country = randomness.token_bytes(4).hex()

    def store(party: PartyId) -> str:
        name = f"kumihimo_{country}_{re.sub('[^a-z0-9]', '_', party)}"
        return server.set(database=name).render_as_string(hide_password=False)

    return store


def server_of(database: str) -> URL:
    """The server that `--database` names, found to be there and to let us make databases.

    Raises Problem(value.invalid, store.unreachable).
    """
    try:
        url = make_url(database)
    except ArgumentError:
        raise _no_server("the text cannot be read as a URL") from None
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise _no_server(url.drivername)
    url = url.set(drivername="postgresql+psycopg")
    require_createdb(url)
    return url


def require_createdb(url: URL, otherwise: str = "") -> None:
    """Find a server to be there and to let this account make databases; `otherwise` is what else may be done.

    Raises Problem(store.unreachable).
    """
    with administering(url) as conn:
        may = text("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
        if not conn.execute(may).scalar_one():
            user = conn.execute(text("SELECT current_user")).scalar_one()
            raise Problem(
                "store.unreachable",
                f"the role {user} may not create databases",
                where=url.render_as_string(),
                expected="a role with CREATEDB",
                advice=f'As the server\'s administrator: ALTER ROLE "{user}" CREATEDB{otherwise}',
            )


def store_url(country: Country, party: PartyId) -> str:
    """Where a party keeps its store, absolute. Raises Problem(file.unreadable)."""
    return programs.load_settings(topology.role_of(party), country.settings(party)).store


def create_database(country: Country, party: PartyId) -> None:
    """Make the database that a party's settings name; nothing to do where they name a file. Raises as `make_database`."""
    url = make_url(store_url(country, party))
    if url.get_backend_name() == "postgresql":
        make_database(url)


def make_database(url: URL, about: str = "") -> None:
    """Make the database that a URL names, with a comment on what it is there for; only its owner may connect to it.

    It sorts text by its bytes, as SQLite does, so that both engines answer alike and no library of the system can change
    the order under an index. Raises Problem(store.unreachable).
    """
    with administering(url) as conn:
        name = _quoted(conn, url)
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"))
        conn.execute(text(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"))
        if about:
            comment = text("SELECT format('COMMENT ON DATABASE %I IS %L', CAST(:name AS text), CAST(:about AS text))")
            said = str(conn.execute(comment, {"name": url.database, "about": about}).scalar_one())
            conn.exec_driver_sql(said.replace("%", "%%"))


def drop_database(url: URL) -> None:
    """Drop the database that a URL names, where it is there, and cut whoever uses it. Raises Problem(store.unreachable)."""
    with administering(url) as conn:
        conn.execute(text(f"DROP DATABASE IF EXISTS {_quoted(conn, url)} WITH (FORCE)"))


def database_is_there(url: URL) -> bool:
    """Whether a server has the database that a URL names. Raises Problem(store.unreachable)."""
    with administering(url) as conn:
        found = conn.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database})
        return found.scalar_one_or_none() is not None


def drop_databases(country: Country) -> list[str]:
    """Drop the databases of a country, where they are there; their names.

    Only those that founding made: a store that somebody moved to a database with another name is left alone. Raises
    Problem(store.unreachable).
    """
    dropped = []
    for url in _databases(country):
        if _OURS.fullmatch(str(url.database)):
            drop_database(url)
            dropped.append(str(url.database))
    return dropped


def _databases(country: Country) -> Iterator[URL]:
    """Those of every party whose settings are there, also of institutions that have left."""
    for settings in sorted((country.folder / "parties").glob("*/*/role.toml")):
        party = PartyId("/".join(settings.parts[-3:-1]))
        try:
            url = make_url(store_url(country, party))
        except Problem as problem:
            if problem.code != "institution.unknown":
                raise
            continue  # somebody else's folder among them, such as a second witness's
        if url.get_backend_name() == "postgresql":
            yield url


def _quoted(conn: Connection, url: URL) -> str:
    return conn.dialect.identifier_preparer.quote(str(url.database))


@contextmanager
def administering(url: URL) -> Iterator[Connection]:
    """A connection to the server outside of any party's database, each statement for itself.

    Raises Problem(store.unreachable) for whatever the server refuses.
    """
    there = server_only(url)
    engine = create_engine(there, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_TIMEOUT)
    try:
        with engine.connect() as conn:
            yield conn
    except DBAPIError as error:
        raise Problem(
            "store.unreachable",
            str(error.orig).strip().partition("\n")[0],
            where=url.render_as_string(),
            expected="a PostgreSQL server that lets this role connect and create databases",
        ) from None


def server_only(url: URL) -> URL:
    """The server and account of a URL, with the database that every server has."""
    return url.set(database=_MAINTENANCE, drivername="postgresql+psycopg").difference_update_query(OF_ENGINE)


def _no_server(detail: str) -> Problem:
    return Problem(
        "value.invalid",
        detail,
        where="--database",
        expected="postgresql://USER@HOST[:PORT][?connections=N], a server where USER may create databases",
    )
