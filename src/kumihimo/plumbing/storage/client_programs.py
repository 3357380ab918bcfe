"""PostgreSQL's own programs (付属の道具): `pg_dump` and `pg_restore` in a version that suits the server, and what they end with.

pg_dump refuses a server newer than itself; a newer pg_restore may speak of settings that an older server does not know. So
of those installed the oldest that is not older than the server is taken; Debian keeps one of each version.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, make_url, text

from kumihimo.domain.kernel.errors import Problem

DEBIAN: Final = Path("/usr/lib/postgresql")  # VERSION/bin
_LAST_WORDS: Final = 500  # characters
_NO_RIGHT: Final = ("permission denied", "must be owner")
_NO_SERVER: Final = (
    "connection to server",
    "server closed the connection",
    "could not connect",
    "terminating connection",
)
_OLD_PROGRAM: Final = ("server version mismatch", "unsupported version")


def run_program(name: str, engine: Engine, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL on a store's database; the password goes by the environment, where others cannot see it.

    Raises Problem(backup.impossible) where it is missing or too old, (store.unavailable, store.unreachable) where the server
    is gone or forbids it, (store.damaged) for whatever else it says.
    """
    with engine.connect() as conn:
        found = _program(name, _version_of(conn))
    url = make_url(engine.url)
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, with arguments made here
        [found, "--no-password", f"--dbname={plain}", *map(str, arguments)],
        env={**os.environ, "LC_ALL": "C", **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _ended_badly(name, without_values(name, done.stderr), plain)


def _version_of(conn: Connection) -> int:
    """The server's major version."""
    return int(conn.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def _program(name: str, server: int) -> Path:
    """Raises Problem(backup.impossible)."""
    first = shutil.which(name)
    places = [Path(first)] if first else []
    places += sorted(DEBIAN.glob(f"*/bin/{name}"))
    versions = {place: version for place in places if (version := _major(place)) is not None}
    new_enough = {place: version for place, version in versions.items() if version >= server}
    if new_enough:
        return min(new_enough, key=lambda place: new_enough[place])
    if versions and name != "pg_dump":  # an older one writes into a newer server, if it can read the file
        return max(versions, key=lambda place: versions[place])
    newest = max(versions.values(), default=None)
    raise Problem(
        "backup.impossible",
        f"{name} is not installed" if newest is None else f"{name} is of version {newest}, the server of version {server}",
        where=f"PATH and {DEBIAN}", expected=f"{name} of version {server} or later",
        advice=f"Install Debian's package postgresql-client-{server}, or the client programs of PostgreSQL {server}.",
    )  # fmt: skip


def _major(program: Path) -> int | None:
    """The version that a program says it is of; None for one that says none."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(found[1]) if found and said.returncode == 0 else None


def without_values(name: str, said: str) -> str:
    """What a program says itself: details of the server and long numbers may be rows, which nobody may read here."""
    own = " ".join(line for line in said.splitlines() if line.startswith(f"{name}: "))
    return re.sub(r'\d{8,}|(?<=: )".*"$', "…", own)


def _ended_badly(name: str, said: str, store: str) -> Problem:
    last = said[-_LAST_WORDS:]
    if any(words in said for words in _OLD_PROGRAM):
        return Problem(
            "backup.impossible", last, where=name, expected=f"a {name} as new as the server and as the file",
            advice="Install the client programs of the newer of the two.",
        )  # fmt: skip
    if any(words in said for words in _NO_RIGHT):
        return Problem(
            "store.unreachable", last, where=store, expected="an account that owns the database",
            advice="Use the account that the party's service uses.",
        )  # fmt: skip
    if any(words in said for words in _NO_SERVER):
        return Problem("store.unavailable", last, where=store, advice="Try again when the database is back.")
    return Problem("store.damaged", last, where=f"{name}, {store}", expected=f"{name} to end well")
