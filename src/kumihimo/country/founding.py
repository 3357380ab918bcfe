"""Founding a country (建国): keys, directory, stores, people, numbers, ledgers and copies, in one folder.

Everything is made in a folder beside the wanted one and renamed into place at the end, so that there is a whole country or
none. People enter through the same decisions as later events: the registry registers them, the numbering authority numbers
them, moves and deaths are reported one by one. Only what real institutions would already have on the first day is loaded in
bulk: their ledgers and copies.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from kumihimo.country import programs, topology
from kumihimo.country.files import write_files
from kumihimo.country.keys import PartyPlan, Root, write_directory
from kumihimo.country.layout import Country, parties
from kumihimo.country.settling import Settlers
from kumihimo.domain.kernel import PartyId, Problem, SystemClock

Step = Callable[[str, int, int], None]


def found(folder: Path, residents: int, seed: int, today: date, step: Step) -> Country:
    """Make a country in a folder that does not exist yet. Raises Problem(country.exists, file.unwritable)."""
    if folder.exists():
        raise Problem(
            "country.exists", str(folder), expected="a folder that does not exist yet",
            advice=f"Choose another folder, or remove {folder}.",
        )  # fmt: skip
    building = folder.with_name(f"{folder.name}.building")
    try:
        if building.exists():
            shutil.rmtree(building)
        building.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise Problem(
            "file.unwritable", error.strerror or str(error), where=str(error.filename or building),
            expected="a place where this account may make folders",
        ) from None  # fmt: skip
    country = Country(building, seed, residents, today, _free_ports())
    try:
        country.save()
        _equip(country, step)
        _prepare(country, step)
        Settlers(country).settle(step)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return Country.open(folder)


def _free_ports() -> dict[PartyId, int]:
    """A free port for every service, all held at once so that no two are the same."""
    with ExitStack() as held:
        ports = {}
        for service in topology.services():
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            ports[service.party] = listener.getsockname()[1]
    return ports


def _equip(country: Country, step: Step) -> None:
    (country.folder / "root").mkdir(mode=0o700)
    root = Root(country.folder / "root", SystemClock().now())
    plans = tuple(PartyPlan(party, country.keys(party), country.url(party)) for party in parties())
    entries = []
    for number, plan in enumerate(plans):
        entries.append(root.equip(plan))
        step("keys and certificates", number + 1, len(plans))
    institutions = (*topology.central().values(), *topology.institutions().values())
    write_directory(country.directory, institutions, tuple(entries), plans)
    write_files(country)


def _prepare(country: Country, step: Step) -> None:
    services = topology.services()
    for number, service in enumerate(services):
        programs.prepare(service.role, programs.load_settings(service.role, country.settings(service.party)))
        step("stores", number + 1, len(services))
