"""`kumihimo rotate …`: link codes to the next epoch, and the keys of operators and registry (符号と鍵の更新)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.progress import console
from kumihimo.country.layout import Country
from kumihimo.country.rotating import RotationDesk, close_registry_key, renew_registry_key, seeds_of
from kumihimo.country.signing_keys import renew_signing_key
from kumihimo.domain.kernel import JAPAN, PartyId
from kumihimo.plumbing.wire.messages.rotation import RotationShown

app = typer.Typer(no_args_is_help=True)

Institution = Annotated[str, typer.Argument(metavar="INSTITUTION", help="Whose link codes, such as y-city.")]
Reason = Annotated[str, typer.Option(help="Why; the operators and the oversight body see it.")]
CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
OperatorSettings = Annotated[Path, typer.Argument(metavar="SETTINGS", help="The role.toml of an operator of the hub.")]
RegistrySettings = Annotated[Path, typer.Argument(metavar="SETTINGS", help="The role.toml of the registry.")]


@app.command()
def codes(
    institution: Institution,
    reason: Reason,
    close_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Close the old epoch at the begin of this day; else by command."),
    ] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Move an institution's link codes to the next epoch.

    Its exchange does it in the background; inquiries go on.
    """
    close_at = None if close_on is None else close_on.replace(tzinfo=JAPAN)
    _print(RotationDesk.of(Country.open(country), institution).start(reason, close_at))


@app.command()
def show(institution: Institution, country: CountryFolder = Path(".demo")) -> None:
    """How far an institution's rotation is.

    Status 1 while one is under way.
    """
    shown = RotationDesk.of(Country.open(country), institution).show()
    _print(shown)
    if shown.rotation is not None and shown.rotation.closed_at is None:
        raise typer.Exit(1)


@app.command()
def close(
    institution: Institution,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="After a leak: what is under way must be asked anew.")
    ] = False,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Close the old epoch: its codes and key are destroyed."""
    _print(RotationDesk.of(Country.open(country), institution).close(at_once))


@app.command()
def seeds(settings: OperatorSettings) -> None:
    """Draw new seeds for an operator, on its own machine.

    They serve every domain that is opened from now on, so each institution
    must be rotated (`kumihimo oversight rotate`) before the old ones go.
    """
    with seeds_of(settings) as own:
        generation = own.begin()
        waiting = len(own.open_labels())
    console.print(f"Generation {generation} begun; {waiting} domains are derived from older seeds.")


@app.command("show-seeds")
def show_seeds(settings: OperatorSettings) -> None:
    """An operator's generations of seeds, and who needs them."""
    with seeds_of(settings) as own:
        generations = own.shown()
    for one in generations:
        if one.destroyed_at is not None:
            state = f"destroyed {one.destroyed_at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
        else:
            state = f"{len(one.domains)} domains: {', '.join(one.domains) or 'none'}"
        console.print(f"{one.generation:3}  {state}", markup=False)


@app.command("destroy-seeds")
def destroy_seeds(settings: OperatorSettings) -> None:
    """Destroy an operator's old seeds, once nobody needs them."""
    with seeds_of(settings) as own:
        gone = own.destroy_unused()
    console.print(f"Destroyed: {', '.join(map(str, gone)) or 'none'}. Restart the operator, which may remember them.")


@app.command("registry-key")
def registry_key(settings: RegistrySettings, reason: Reason) -> None:
    """Fetch a new link-code key for the registry.

    On its own machine; the registry uses it from its next start.
    """
    console.print(
        f"Epoch {renew_registry_key(settings, reason)} is ready. Restart the registry, then close the old one."
    )


@app.command("close-registry-key")
def close_old_registry_key(settings: RegistrySettings, reason: Reason) -> None:
    """Close the registry's old epoch and destroy its key."""
    console.print(f"Epoch {close_registry_key(settings, reason)} is closed.")


@app.command("signing-key")
def signing_key(
    party: Annotated[str, typer.Argument(metavar="PARTY", help="Such as hub-1/operator.")],
    overlap_hours: Annotated[
        int, typer.Option(min=0, help="How long messages signed by the old key are still taken.")
    ] = 24,
    leaked: Annotated[bool, typer.Option("--leaked", help="The old key is good for nothing any more.")] = False,
    country: Annotated[
        Path, typer.Option("--country", metavar="DIR", help="The folder of a country that is down.")
    ] = Path(".demo"),
) -> None:
    """Give a party a new signing key.

    The directory then names both keys, signed by both operators.
    """
    overlap = None if leaked else timedelta(hours=overlap_hours)
    document = renew_signing_key(Country.open(country), PartyId(party), overlap)
    console.print(f"Directory version {document.version} is signed by both operators.")


def _print(shown: RotationShown) -> None:
    state = shown.rotation
    console.print(f"{shown.institution}: present epoch {shown.epoch}", markup=False)
    if state is None:
        return
    ordered = "" if state.order is None else f", order {state.order}"
    console.print(f"rotation to epoch {state.epoch}: {state.reason}{ordered}", markup=False)
    console.print(f"codes moved  {state.moved} of {state.codes}", markup=False)
    for name, at in (
        ("begun", state.begun_at),
        ("opened", state.opened_at),
        ("swapped", state.swapped_at),
        ("to be closed", state.close_at),
        ("closed", state.closed_at),
    ):
        when = "not yet" if at is None else f"{at.astimezone(JAPAN):%Y-%m-%d %H:%M:%S}"
        console.print(f"{name:13}{when}", markup=False)
