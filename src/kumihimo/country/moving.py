"""Moving a country (移転): the same parties and keys at other addresses, under a directory signed anew; parties carried away.

A country is founded on one machine. In operation each party then gets a machine of its own: first the directory is told where
everybody will be, then each party's folder is carried there, with its keys, its settings, the directory and its store.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import make_url

from kumihimo.country import topology
from kumihimo.country.directories import changing, newest, publish
from kumihimo.country.files import open_site, public_url
from kumihimo.country.founding import free_ports
from kumihimo.country.layout import PUBLIC, SITE, Country
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import is_up
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.storage import take_snapshot, write_public

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - whoever reaches it must show a certificate
_FOR_CLIENTS: Final = ("country.toml", "directory.json", "log.vkey", "witness.vkey")


def read_addresses(file: Path, country: Country) -> dict[PartyId, str]:
    """Party → https://HOST:PORT, as a TOML file has them, for some services of a country or for all.

    Raises Problem(file.unreadable, peer.unknown, value.invalid).
    """
    try:
        values = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Problem(
            "file.unreadable", str(error), where=str(file), expected='TOML, with "x-city/ledger" = "https://HOST:PORT"'
        ) from None
    services = {service.party for service in country.services()}
    for party, url in values.items():
        if party not in services:
            raise Problem("peer.unknown", party, where=str(file), expected="a service of this country")
        _host_and_port(url, f"{file}: {party}")
    return {PartyId(party): url for party, url in values.items()}


def _host_and_port(url: object, where: str) -> tuple[str, int]:
    try:
        parts = urlsplit(str(url))
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not isinstance(url, str) or parts.scheme != "https" or not host or not port or parts.path:
        raise Problem("value.invalid", repr(url), where=where, expected="https://HOST:PORT")
    return host, port


def set_addresses(country: Country, urls: Mapping[PartyId, str]) -> Country:
    """Say in a new directory and in the settings where services are; those not named stay where they are.

    Services listen at the address itself where it is one of this machine's own, else at every address of their machine.
    Raises Problem(country.running), what a missing operator's key is, and those of `read_addresses`.
    """
    if is_up(country):
        raise Problem(
            "country.running", str(country.folder), expected="a country that is down",
            advice=f"Run `kumihimo country down {country.folder}` first.",
        )  # fmt: skip
    places = {party: _host_and_port(url, party) for party, url in urls.items()}
    with changing(country):
        document = newest(country)
        entries = tuple(
            entry.model_copy(update={"url": urls[PartyId(entry.party)]}) if PartyId(entry.party) in urls else entry
            for entry in document.parties
        )
        for party, (host, port) in places.items():
            file = country.settings(party)
            listens = host if host.startswith("127.") else EVERYWHERE
            text = re.sub(r"(?m)^port = \d+$", f"port = {port}", file.read_text())
            file.write_text(re.sub(r'(?m)^host = ".*"$', f'host = "{listens}"', text))
        moved = replace(country, ports={**country.ports, **{party: port for party, (_, port) in places.items()}})
        moved.save()
        publish(moved, document.model_copy(update={"version": document.version + 1, "parties": entries}))
    return moved


def move_to_free_ports(country: Country) -> Country:
    """Give every service of a country that is down a free port of this machine. Raises as `set_addresses`."""
    ports = free_ports(country.services(), PUBLIC, SITE)
    public, site = ports.pop(PUBLIC), ports.pop(SITE)
    moved = set_addresses(country, {party: f"https://127.0.0.1:{port}" for party, port in ports.items()})
    moved = _with_public_port(moved, public)
    moved = replace(moved, ports={**moved.ports, SITE: site})
    moved.save()
    open_site(moved)
    return moved


def _with_public_port(country: Country, port: int) -> Country:
    """Certificates that were issued before go on naming the former address."""
    moved = replace(country, ports={**country.ports, PUBLIC: port})
    for party, line in (
        (topology.RESPONDER, f"public_port = {port}"),
        (topology.JPKI, f'public_url = "{public_url(moved)}"'),
    ):
        file, name = country.settings(party), line.partition(" = ")[0]
        file.write_text(re.sub(rf"(?m)^{name} = .*$", line, file.read_text()))
    moved.save()
    return moved


def carry(country: Country, party: PartyId, to: Path) -> None:
    """Make the folder with which a party starts on a machine of its own; the one here should be destroyed then.

    A service gets role.toml, keys, the directory and a copy of its store; a store on a database server stays there. A
    client gets a folder that `--country` takes, with its own keys only. Raises Problem(peer.unknown, file.unwritable,
    country.running).
    """
    if party not in country.parties():
        raise Problem("peer.unknown", party, expected="a party of this country, such as x-city/exchange")
    if is_up(country):
        raise Problem(
            "country.running", str(country.folder), expected="a country that is down", advice="Stop it first."
        )
    service = country.settings(party).exists()
    home = to if service else to / "parties" / party
    try:
        home.mkdir(parents=True, mode=0o700)
        if service:
            _carry_service(country, party, home)
        else:
            for name in _FOR_CLIENTS:
                shutil.copy2(country.folder / name, to / name)
        shutil.copytree(country.keys(party), home / "keys")
        (home / "keys").chmod(0o700)
    except OSError as error:
        raise Problem(
            "file.unwritable", error.strerror or str(error), where=str(error.filename or to),
            expected="a folder that does not exist yet", advice="Nothing is carried over what is there.",
        ) from None  # fmt: skip


def _carry_service(country: Country, party: PartyId, home: Path) -> None:
    settings = home / "role.toml"
    settings.touch(mode=0o600)
    text = country.settings(party).read_text()
    settings.write_text(re.sub(r'(?m)^directory = ".*"$', 'directory = "directory.json"', text))
    write_public(home / "directory.json", country.directory.read_bytes())
    url = store_url(country, party)
    if make_url(url).get_backend_name() == "sqlite":
        take_snapshot(url, home / "store.db")
