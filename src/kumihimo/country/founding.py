"""Founding a country (建国): keys, directory, stores, people, numbers, ledgers and copies, in one folder.

Everything is made in a folder beside the wanted one and renamed into place at the end, so that there is a whole country or
none. People enter through the same decisions as later events: the registry registers them, the numbering authority numbers
them, moves and deaths are reported one by one. Only what real institutions would already have on the first day is loaded in
bulk: their ledgers and copies.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from datetime import date
from pathlib import Path

from kumihimo.country import programs, topology
from kumihimo.country.files import write_files
from kumihimo.country.keys import PartyPlan, Root, write_directory
from kumihimo.country.layout import AUDITOR, PUBLIC, SITE, Country
from kumihimo.country.settling import Settlers
from kumihimo.country.stores import (
    Stores,
    beside_the_settings,
    create_database,
    drop_databases,
    on_server,
    server_of,
)
from kumihimo.country.supervisor import is_up
from kumihimo.domain.kernel import PartyId, Problem, SystemClock, SystemRandomness

_FIRST_PORT, _LAST_PORT = 10_240, 32_767
Step = Callable[[str, int, int], None]


def found(folder: Path, residents: int, seed: int, today: date, step: Step, database: str | None = None) -> Country:
    """Make a country in a folder that does not exist yet, its stores in files, or on the PostgreSQL server `database`.

    Raises Problem(country.exists, file.unwritable, value.invalid, store.unreachable).
    """
    if folder.exists():
        raise Problem(
            "country.exists", str(folder), expected="a folder that does not exist yet",
            advice=f"Choose another folder, or remove {folder}.",
        )  # fmt: skip
    stores = on_server(server_of(database), SystemRandomness()) if database else beside_the_settings
    building = folder.with_name(f"{folder.name}.building")
    country = Country(building, seed, residents, today, free_ports(topology.services(), PUBLIC, SITE))
    try:
        if building.exists():
            _undo(country)  # a founding that was killed
        building.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise Problem(
            "file.unwritable", error.strerror or str(error), where=str(error.filename or building),
            expected="a place where this account may make folders",
        ) from None  # fmt: skip
    try:
        country.save()
        _equip(country, stores, step)
        _prepare(country, step)
        with closing(Settlers(country)) as settlers:
            settlers.settle(step)
        building.rename(folder)
    except BaseException:
        # A server that cannot be reached any more must not hide what went wrong; the folder remembers the databases.
        with suppress(Problem, OSError):
            _undo(country)
        raise
    return Country.open(folder)


def destroy(country: Country) -> list[str]:
    """Remove a country, its folder and its databases; the names of the databases.

    Raises Problem(country.running, store.unreachable), with the folder still there.
    """
    if is_up(country):
        raise Problem(
            "country.running", str(country.folder), expected="a country that is down",
            advice=f"Run `kumihimo country down {country.folder}` first.",
        )  # fmt: skip
    return _undo(country)


def _undo(country: Country) -> list[str]:
    dropped = drop_databases(country)
    shutil.rmtree(country.folder)
    return dropped


def free_ports(services: Iterable[topology.Service], *others: PartyId) -> dict[PartyId, int]:
    """Free ports for all services, and others beside them, one after the other from a place drawn at random.

    Side by side, since they are listened on only later: two countries founded at the same moment get in each other's way far
    more rarely than if each port were drawn by itself. Not of those that the system gives to outgoing connections: one of
    these could have it when the service starts.
    """
    parties = [*(service.party for service in services), *others]
    while True:
        first = _FIRST_PORT + secrets.randbelow(_LAST_PORT - _FIRST_PORT - len(parties))
        ports = range(first, first + len(parties))
        with suppress(OSError), ExitStack() as held:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return dict(zip(parties, ports, strict=True))


def _equip(country: Country, stores: Stores, step: Step) -> None:
    (country.folder / "root").mkdir(mode=0o700)
    root = Root(country.folder / "root", SystemClock().now())
    plans = tuple(PartyPlan(party, country.keys(party), country.url(party)) for party in country.parties())
    entries = []
    for number, plan in enumerate(plans):
        entries.append(root.equip(plan))
        step("keys and certificates", number + 1, len(plans))
    institutions = (*topology.central().values(), *topology.institutions().values(), AUDITOR)
    write_directory(country.directory, institutions, tuple(entries), plans)
    write_files(country, stores)


def _prepare(country: Country, step: Step) -> None:
    services = country.services()
    for number, service in enumerate(services):
        create_database(country, service.party)
        programs.prepare(service.role, programs.load_settings(service.role, country.settings(service.party)))
        step("stores", number + 1, len(services))
