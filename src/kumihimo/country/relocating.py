"""Where the stores of a restored country go (復元先): to the places they had, or to others, and databases made for them.

A country that is restored elsewhere must never reach the stores it was copied from: its settings are read again after they
were changed, and must say the new place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic_settings import SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import OperationalError

from kumihimo.country.stores import Stores, database_is_there, drop_database, make_database
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import open_engine, require_empty
from kumihimo.plumbing.wire.settings import RoleSettings

Places = Callable[[PartyId, str], str]
"""Party and the URL of the store that was copied → the URL where the copy goes, a relative file beside the settings."""


class AnyRole(RoleSettings):
    """The settings that every role has, of whichever role they are."""

    model_config = SettingsConfigDict(env_prefix="KUMIHIMO_", extra="ignore", frozen=True)


def on_another_server(stores: Stores) -> Places:
    """Databases go where `stores` says, files beside the settings."""
    return lambda party, store: stores(party) if store.startswith("postgresql") else "sqlite:///store.db"


def relocate(settings: Path, party: PartyId, store: str, places: Places) -> None:
    """Write the new place of a party's store into its settings. Raises Problem(file.unreadable) where they do not say it."""
    place = places(party, store)
    line = f"store = {json.dumps(place)}"
    settings.write_text(re.sub(r"(?m)^store\s*=.*$", lambda _: line, settings.read_text()))
    base = settings.parent.resolve()
    meant = f"sqlite:///{base / place.removeprefix('sqlite:///')}" if place.startswith("sqlite:///") else place
    if AnyRole.load(settings).store != meant:
        raise Problem(
            "file.unreadable", "its store is said in a way that cannot be changed", where=str(settings),
            expected='one line store = "…", and no KUMIHIMO_STORE in the environment',
        )  # fmt: skip


@contextmanager
def made_where_missing() -> Iterator[Callable[[str, str], None]]:
    """What it gives makes the database a snapshot is for, where it is not there, and sees that it is empty where it is.

    When the block fails, the databases made in it are dropped. Raises Problem(store.unreachable, store.not_empty,
    backup.damaged).
    """
    made: list[URL] = []

    def ready(store: str, engine: str) -> None:
        url = make_url(store)
        if url.get_backend_name() != engine:
            raise Problem(
                "backup.damaged", f"a snapshot of {engine} for a store on {url.get_backend_name()}",
                where=url.render_as_string(), expected="the engine that the store was copied from",
            )  # fmt: skip
        if engine == "postgresql" and not _found_empty(store):
            make_database(url)
            made.append(url)

    try:
        yield ready
    except BaseException:
        for url in made:
            with suppress(Problem):  # a server that is gone must not hide what went wrong
                drop_database(url)
        raise


def _found_empty(store: str) -> bool:
    """False for a database that is not there.

    It is tried itself first: an account may have no right to any other database of its server.
    """
    engine = open_engine(store)
    try:
        require_empty(engine)
    except OperationalError:
        if database_is_there(engine.url):
            raise
        return False
    finally:
        engine.dispose()
    return True
