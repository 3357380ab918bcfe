"""`kumihimo country join`, `leave`, `renew`, `addresses`, `carry`, `upgrade`: who takes part, where, by which certificate."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.progress import console, steps
from kumihimo.country import joining, moving, renewing, upgrading
from kumihimo.country.directories import await_taken, newest
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.country.supervisor import is_up
from kumihimo.domain.kernel import PartyId, Problem

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the country.")]


def join(
    folder: Folder,
    institution: Annotated[str, typer.Argument(metavar="ID", help="Its id, such as w-city; never to change.")],
    name: Annotated[str, typer.Option(help="Its name in Japanese, as residents read it.")],
    name_en: Annotated[str, typer.Option(help="Its name in English.")],
    kind: Annotated[list[str], typer.Option(help="A class of the rule book, such as city; may be given again.")],
    code: Annotated[str | None, typer.Option(help="The code of a local government, six digits.")] = None,
    staff: Annotated[str, typer.Option(help="The staff member who may ask in every affair.")] = STAFF,
) -> None:
    """Have an institution join, while the country runs.

    Makes its keys, stores and settings, enters it in the directory, starts it, and has it get link codes. Broken off, it is
    gone on with by the same command.
    """
    country = Country.open(folder)
    new = joining.newcomer(country, institution, name, name_en, tuple(kind), code)
    with steps() as step:
        larger = joining.join(country, new, staff, step)
        asked = joining.connect(larger, institution, step) if is_up(larger) else None
    version = newest(larger).version
    console.print(f"{name} ({institution}) has joined, in version {version} of the directory.", markup=False)
    if asked is None:
        console.print("The country is down; the institution starts with it.")
    else:
        console.print(f"It is up; {asked} link codes were asked for.")


def leave(
    folder: Folder, institution: Annotated[str, typer.Argument(metavar="ID", help="An institution that joined later.")]
) -> None:
    """Take an institution out of the directory.

    Its processes end; its folder, keys and stores stay. Its id is never given again.
    """
    with steps() as step:
        smaller = joining.leave(Country.open(folder), institution, step)
    console.print(f"{institution} has left, in version {newest(smaller).version} of the directory.", markup=False)


def renew(
    folder: Folder,
    party: Annotated[list[str] | None, typer.Argument(metavar="[PARTY]...", help="Such as x-city/exchange.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every party.")] = False,
    due: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Every party whose certificate ends within so many days.", min=0)
    ] = None,
    overlap: Annotated[
        int, typer.Option(metavar="SECONDS", help="How long the old certificate is still accepted.", min=0)
    ] = 3_600,
) -> None:
    """Give parties new TLS certificates and keys, while they run.

    With `--overlap 0` for a key that may be in other hands.
    """
    country = Country.open(folder)
    if [bool(party), every, due is not None].count(True) != 1:
        raise Problem("value.invalid", "none or several", where="PARTY, --all, --due", expected="one of the three")
    parties = list(country.parties()) if every else [PartyId(one) for one in party or ()]
    if due is not None:
        parties = renewing.due(country, timedelta(days=due))
    with steps() as step:
        renewed = renewing.renew(country, parties, timedelta(seconds=overlap), step) if parties else []
        if renewed and is_up(country):
            await_taken(country, newest(country).version, step)
    for one in renewed:
        console.print(f"{one.party:29}until {one.ends:%Y-%m-%d}", markup=False)
    console.print(f"{len(renewed)} certificates renewed; the old ones are refused after {overlap} s.")


def addresses(
    folder: Folder,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help='TOML, a line for each service: "x-city/ledger" = "https://HOST:PORT".'),
    ],
) -> None:
    """Say where services will be, before they are carried there.

    In a new directory and in their settings. The country must be down.
    """
    country = Country.open(folder)
    urls = moving.read_addresses(file, country)
    moved = moving.set_addresses(country, urls)
    console.print(f"{len(urls)} addresses, in version {newest(moved).version} of the directory.")


def carry(
    folder: Folder,
    party: Annotated[str, typer.Argument(metavar="PARTY", help="Such as x-city/exchange or x-city/desk.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to make, which must not exist yet.")],
) -> None:
    """Make the folder of one party for a machine of its own.

    With its keys and its store: keep it secret on the way, and destroy what is left behind.
    """
    moving.carry(Country.open(folder), PartyId(party), to)
    console.print(f"{party} is in {to}", markup=False)


def upgrade(folder: Folder) -> None:
    """Bring a country that an earlier version founded to this version.

    Its stores to the present schema, and keys for parties that there were not then. Back it up first; it must be down.
    """
    with steps() as step:
        done = upgrading.upgrade(Country.open(folder), step)
    new = f", new parties: {', '.join(done.parties)}" if done.parties else ""
    console.print(f"{done.stores} stores are current{new}.", markup=False)
