"""Backup and restore (控えの作成と復元): every store of a country while it is in use, and a country from what was kept.

Stores are copied one after another, whoever learns of something before whoever it learnt it from: an exchange before
operator 2, the oversight body before operator 1. So what a restored store knows, its source knows too; what it does not know
yet it reads again from its cursor. The other way round, a restored log would lack entries that its witness has seen.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from kumihimo.country import topology
from kumihimo.country.archive import ArchiveWriter, Kept, KeptStore, Manifest, open_archive, put_back
from kumihimo.country.relocating import AnyRole, Places, made_where_missing, relocate
from kumihimo.domain.kernel.clock import SystemClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import (
    StoreContents,
    TableDigest,
    digests_of,
    restore_snapshot,
    store_problem,
    take_snapshot,
)

COUNTRY_FILES: Final = ("verified.checkpoint", "country.toml", "directory.json", "log.vkey", "witness.vkey")
SETTINGS: Final = "role.toml"
_OWN_FILES: Final = ("directory.json",)  # beside the settings of a party on a machine of its own
_FIRST_TO_LAST: Final = (
    "exchange", "ledger", "portal", "body", "responder", "jpki/authority", "network", "authority", "operator",
)  # fmt: skip

_NO_RIGHT: Final = "42501"  # SQLSTATE
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Party:
    """A party that runs a service here: its folder and its store's URL."""

    name: PartyId
    home: Path
    store: str


def parties_in(folder: Path) -> tuple[Party, ...]:
    """The services whose settings lie in or below a folder, in the order in which their stores are to be copied.

    A country's folder has them in parties/INSTITUTION/SERVICE, a machine of several parties in a folder for each.
    """
    found = []
    for place in ("", "*/", "parties/*/*/"):
        for file in folder.glob(f"{place}{SETTINGS}"):
            settings = AnyRole.load(file)
            found.append(Party(PartyId(settings.party), file.parent, settings.store))
    return tuple(sorted(found, key=lambda party: _turn(party.name)))


def _turn(party: PartyId) -> tuple[int, bool, str]:
    named = party if party in _FIRST_TO_LAST else party.partition("/")[2]
    place = _FIRST_TO_LAST.index(named) if named in _FIRST_TO_LAST else 0
    return place, party == topology.HUB_1, party


def back_up(folder: Path, archive: Path, step: Step, only: Collection[str] = ()) -> Manifest:
    """Copy all stores below a folder, or those of some parties, with settings and public files, into a new archive.

    Services may be up. Raises Problem(backup.exists, peer.unknown, file.unwritable, and as `take_snapshot`); then nothing
    is left.
    """
    chosen = _chosen(parties_in(folder), only, folder)
    writer = ArchiveWriter(archive)
    with _nothing_left(archive):
        for name in COUNTRY_FILES:
            if (folder / name).is_file():
                writer.keep(folder / name, name)
        stores, heads = [], _LogHeads()
        for number, party in enumerate(chosen):
            for name in (SETTINGS, *_OWN_FILES):
                if (party.home / name).is_file():
                    writer.keep(party.home / name, (party.home / name).relative_to(folder).as_posix())
            place = writer.place_for_store(party.name)
            with reaching(party):
                contents = take_snapshot(party.store, place, heads.look)
            engine = "postgresql" if party.store.startswith("postgresql") else "sqlite"
            stores.append(
                KeptStore(
                    party=party.name,
                    path=writer.note(place),
                    engine=engine,
                    revision=contents.revision,
                    rows=contents.rows,
                )
            )
            step("stores", number + 1, len(chosen))
        return writer.finish(SystemClock().now(), f"kumihimo {version('kumihimo')}", tuple(stores), heads.newest)


def back_up_keys(folder: Path, archive: Path, only: Collection[str] = ()) -> Manifest:
    """Copy keys, certificates and anchors of all parties, or of some, into a new archive of their own. Raises as back_up."""
    writer = ArchiveWriter(archive)
    with _nothing_left(archive):
        roots = [] if only else [folder / "root"]
        services = {party.home / "keys": party.name for party in parties_in(folder)}
        places = {place: "/".join(place.parts[-3:-1]) for place in (folder / "parties").glob("*/*/keys")} | services
        for place in (*sorted(places), *roots):
            if only and places[place] not in only:
                continue
            for file in sorted(place.rglob("*")):
                if file.is_file():
                    writer.keep(file, file.relative_to(folder).as_posix())
        return writer.finish(SystemClock().now(), f"kumihimo {version('kumihimo')}")


def restore(
    archive: Path, folder: Path, step: Step, keys: Path | None = None, places: Places | None = None
) -> Manifest:
    """Make a country's folder, which must not exist yet, from an archive, and from one of keys where given.

    Stores go where their settings say, or where `places` says, and the settings then say so, too; a database that is not
    there is made. Raises Problem(country.exists, backup.damaged, file.unreadable, store.not_empty, store.unreachable, and
    as `restore_snapshot`); then there is no such folder, and no database that was not there before.
    """
    manifest = open_archive(archive)
    key_files = open_archive(keys).files if keys is not None else ()
    if folder.exists():
        raise Problem(
            "country.exists", str(folder), expected="a folder that does not exist yet",
            advice="Move the old one away, or restore single parties into it with --party.",
        )  # fmt: skip
    building = folder.with_name(f"{folder.name}.restoring")
    if building.exists():
        shutil.rmtree(building)
    with _nothing_left(building):
        _put_all(archive, manifest.files, building)
        if keys is not None:
            _put_all(keys, key_files, building)
        if places is not None:
            for party in parties_in(building):
                relocate(party.home / SETTINGS, party.name, party.store, places)
        _restore_stores(archive, manifest.stores, building, step)
        building.rename(folder)
    return manifest


def restore_parties(archive: Path, folder: Path, step: Step, only: Collection[str]) -> Manifest:
    """Put the stores of some parties back into a country that has them no more; what is there already stays as it is.

    Raises Problem(backup.damaged, file.unreadable, peer.unknown, store.not_empty).
    """
    manifest = open_archive(archive)
    _known(only, [store.party for store in manifest.stores], str(archive))
    homes = [home for party, home in _homes(archive, manifest.files).items() if party in only]
    wanted = {(Path(home) / name).as_posix() for home in homes for name in (SETTINGS, *_OWN_FILES)}
    _put_all(archive, [kept for kept in manifest.files if kept.home in wanted], folder)
    _restore_stores(archive, [store for store in manifest.stores if store.party in only], folder, step)
    return manifest


def _put_all(archive: Path, files: Collection[Kept], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        for kept in files:
            if kept.home:
                put_back(archive, kept, folder)
    except OSError as error:
        raise Problem("file.unwritable", error.strerror or str(error), where=str(folder)) from None


def _restore_stores(archive: Path, stores: Collection[KeptStore], folder: Path, step: Step) -> None:
    there = {party.name: party for party in parties_in(folder)}
    with made_where_missing() as made:
        for store in stores:
            with reaching(there[PartyId(store.party)]) as party:
                made(party.store, store.engine)
        for number, store in enumerate(stores):
            with reaching(there[PartyId(store.party)]) as party:
                found = restore_snapshot(archive / store.path, party.store)
            if (found.revision, found.rows) != (store.revision, store.rows):
                raise Problem(
                    "backup.damaged", f"{store.party} holds other rows than were backed up", where=store.path,
                    expected=f"revision {store.revision} with the rows of the manifest",
                )  # fmt: skip
            step("stores", number + 1, len(stores))


def _homes(archive: Path, files: Collection[Kept]) -> dict[str, str]:
    """Party → where its folder belongs below the one that was backed up."""
    settings = [kept for kept in files if Path(kept.home).name == SETTINGS]
    return {AnyRole.load(archive / kept.path).party: Path(kept.home).parent.as_posix() for kept in settings}


def digests_now(folder: Path) -> dict[str, dict[str, TableDigest]]:
    """Party → table → digest of its rows, as the stores below a folder are now. Every row is read."""
    found: dict[str, dict[str, TableDigest]] = {}
    for party in parties_in(folder):
        with reaching(party):
            found[party.name] = digests_of(party.store)
    return found


@contextmanager
def reaching(party: Party) -> Iterator[Party]:
    """Says whose store it is that cannot be used, and where; never its password."""
    try:
        yield party
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", "")).strip().partition("\n")[0]
        where = f"{party.name}: {make_url(party.store).render_as_string()}"
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_RIGHT:
            raise Problem(
                "store.unreachable", said, where=where, expected="an account that owns the database",
                advice="Use the account that the party's service uses.",
            ) from None  # fmt: skip
        problem = store_problem(error)
        if problem is None:
            raise
        raise replace(problem, detail=f"{problem.detail}: {said}" if said else problem.detail, where=where) from None


def _chosen(found: tuple[Party, ...], only: Collection[str], folder: Path) -> tuple[Party, ...]:
    _known(only, [party.name for party in found], str(folder))
    if not found:
        raise Problem("country.missing", str(folder), expected="a folder with parties/INSTITUTION/SERVICE/role.toml")
    return tuple(party for party in found if not only or party.name in only)


def _known(asked: Collection[str], there: Collection[str], where: str) -> None:
    unknown = ", ".join(party for party in asked if party not in there)
    if unknown:
        raise Problem("peer.unknown", unknown, where=where, expected=f"one of {', '.join(there)}")


class _LogHeads:
    """Size and root of the newest checkpoint of a log that the stores copied hold; None where there is none."""

    def __init__(self) -> None:
        self.newest: tuple[int, str] | None = None

    def look(self, conn: Connection, contents: StoreContents) -> None:
        if self.newest is None and contents.rows.get("checkpoint"):
            row = conn.execute(text("SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1")).one()
            self.newest = int(row.size), bytes(row.root).hex()


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Removes a folder where what fills it ends in an error."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
