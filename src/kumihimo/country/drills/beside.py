"""Databases of a drill (訓練用の保管庫): made beside those in use, on their own server or on another, and dropped afterwards.

They are called kumihimo_drill_<8 hex digits>_<number>_<party>. While a drill lasts it holds an advisory lock by its eight
digits, on each server; a lock that can be had is one whose drill is dead, and its databases are dropped by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from kumihimo.country.backup import Party
from kumihimo.country.stores import administering, drop_database, make_database, require_createdb, server_only
from kumihimo.domain.kernel import PartyId, Problem, RandomSource

_NAME: Final = re.compile(r"kumihimo_drill_([0-9a-f]{8})_[a-z0-9_]+")
_LONGEST: Final = 63  # characters of a name
_LOCK_CLASS: Final = 0x6B756D69
CONNECTIONS: Final = 2  # each process of the copy: one for its writer, one for everybody else
AT_ONCE: Final = 12  # connections in use at once of a whole copy, whose processes hold none while they need none
SPARE: Final = 3  # connections of the drill itself
_OTHERWISE: Final = "; or give a server where databases may be made with --database"


@dataclass(frozen=True)
class Leftover:
    """A database of a drill that was killed; `about` is what that drill said of it, with the folder of its copy."""

    name: str
    about: str
    dropped: bool


@dataclass(frozen=True)
class Beside:
    """Databases made for a drill: those of a party's copy, and what was found of earlier drills."""

    databases: Mapping[PartyId, URL]
    leftovers: Sequence[Leftover]

    def place(self, party: PartyId, _store: str) -> str:
        """Where the copy of a party's store goes."""
        url = self.databases.get(party)
        return "sqlite:///store.db" if url is None else url.render_as_string(hide_password=False)


@contextmanager
def databases_beside(
    parties: Sequence[Party], server: URL | None, about: str, randomness: RandomSource
) -> Iterator[Beside]:
    """An empty database for each of these parties whose store is one, for the length of a `with` block.

    They are on the store's own server and of its account, or on `server`. Raises Problem(store.unreachable,
    drill.impossible) where a server does not let us or has not the connections; nothing is left then.
    """
    drill = randomness.token_bytes(4)
    databases = _names(parties, server, drill.hex())
    servers = tuple({server_only(url): None for url in databases.values()})
    leftovers: list[Leftover] = []
    with ExitStack() as held:
        for one in servers:
            require_createdb(one, _OTHERWISE)
            leftovers += held.enter_context(_locked(one, drill))
            _require_room(one, sum(server_only(url) == one for url in databases.values()))
        try:
            for url in databases.values():
                make_database(url, about)
            yield Beside(databases, leftovers)
        except BaseException:
            with suppress(Problem):
                _drop_all(databases.values())
            raise
        _drop_all(databases.values())


def _names(parties: Sequence[Party], server: URL | None, drill: str) -> dict[PartyId, URL]:
    databases = {}
    for number, party in enumerate(parties):
        url = make_url(party.store)
        if url.get_backend_name() == "postgresql":
            name = f"kumihimo_drill_{drill}_{number:02}_{re.sub('[^a-z0-9]', '_', party.name)}"[:_LONGEST]
            place = (server or url).update_query_dict({"connections": str(CONNECTIONS), "kept": "no"})
            databases[party.name] = place.set(database=name)
    return databases


def _drop_all(databases: Iterable[URL]) -> None:
    """Drop what can be dropped. Raises Problem(store.unreachable) that names what is left."""
    left, last = [], None
    for url in databases:
        try:
            drop_database(url)
        except Problem as problem:
            left.append(str(url.database))
            last = problem
    if last is not None:
        raise Problem(
            "store.unreachable", f"{len(left)} databases of the drill are left: {last.detail}", where=last.where,
            expected="a server that lets go of them",
            advice=f"The next drill drops them; or by hand: DROP DATABASE {left[0]}" + (" and so on" if left[1:] else ""),
        )  # fmt: skip


@contextmanager
def _locked(server: URL, drill: bytes) -> Iterator[list[Leftover]]:
    """Holds the lock of this drill, so that no other one takes its databases for leftovers; those of dead ones, dropped."""
    with administering(server):
        pass  # says clearly why not
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    conn = engine.connect()
    try:
        _try_lock(conn, drill)
        yield _cleared(conn, server)
    finally:
        with suppress(DBAPIError):  # a server that is gone has let go of the lock
            conn.close()
        engine.dispose()


def _try_lock(conn: Connection, drill: bytes) -> bool:
    key = {"kind": _LOCK_CLASS, "drill": int.from_bytes(drill, signed=True)}
    return bool(conn.execute(text("SELECT pg_try_advisory_lock(:kind, :drill)"), key).scalar_one())


def _cleared(conn: Connection, server: URL) -> list[Leftover]:
    query = text(
        "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database"
        " WHERE starts_with(datname, 'kumihimo_drill_') ORDER BY datname"
    )
    found: list[Leftover] = []
    dead: dict[str, bool] = {}
    for name, about in conn.execute(query).all():
        drill = _NAME.fullmatch(name)
        if drill is None:
            continue
        if drill[1] not in dead:
            dead[drill[1]] = _try_lock(conn, bytes.fromhex(drill[1]))
        if dead[drill[1]]:
            found.append(Leftover(name, about, dropped=_dropped(server.set(database=name))))
    return found


def _dropped(url: URL) -> bool:
    """False for a database of another account, which only that can drop."""
    try:
        drop_database(url)
    except Problem:
        return False
    return True


def _require_room(server: URL, processes: int) -> None:
    """Raises Problem(drill.impossible) where the copy would take connections that those in use may need."""
    with administering(server) as conn:
        most = int(conn.execute(text("SHOW max_connections")).scalar_one())
        kept = int(conn.execute(text("SHOW superuser_reserved_connections")).scalar_one())
        used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        room = most - kept - int(conn.execute(text(used)).scalar_one())
    needed = min(processes * CONNECTIONS, AT_ONCE) + SPARE
    if room < needed:
        raise Problem(
            "drill.impossible",
            f"{room} of {most} connections are free",
            where=server.render_as_string(),
            expected=f"{needed} for a copy of {processes} processes, so that those in use lack none",
            advice="Raise max_connections, or give another server with --database.",
        )
