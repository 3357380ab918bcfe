"""`kumihimo application …`: what residents applied for, as a business system sees it, and deciding it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from kumihimo.cli.by_hand import CountryFolder, Institution, Staff
from kumihimo.cli.progress import console
from kumihimo.country.institution_api import ApiDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.plumbing.wire.messages.applications import ApplicationState

applications = typer.Typer(no_args_is_help=True)
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The reference number (受付番号).")]


@applications.command("list")
def list_applications(
    institution: Institution,
    state: Annotated[ApplicationState | None, typer.Option(help="Only those in this state.")] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Applications, newest first.

    Status 1 when one has not been looked at.
    """
    found = ApiDesk.of(Country.open(country), institution).applications(state)
    for one in found:
        _print(one)
    if any(one["state"] == ApplicationState.RECEIVED for one in found):
        raise typer.Exit(1)


@applications.command()
def show(
    number: Number,
    institution: Institution,
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where what was signed and its signature are written.")
    ] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """One application: who applied, and for what.

    The files are application.json and signature.p7s, as `openssl cms -verify` takes them.
    """
    one = ApiDesk.of(Country.open(country), institution).application(number)
    _print(one)
    who = one["applicant"]
    console.print(f"  {who['name']}, {who['birth']}, {who['sex']}, {who['address']}", markup=False)
    if one["represented"]:
        console.print("  signed by somebody who acts for another person")
    for question, answer in one["answers"].items():
        console.print(f"  {question}: {answer}", markup=False)
    if into is not None:
        into.mkdir(parents=True, exist_ok=True)
        for name, field in (("application.json", "manifest"), ("signature.p7s", "signature")):
            (into / name).write_bytes(base64.b64decode(one[field]))


@applications.command()
def decide(
    number: Number,
    institution: Institution,
    state: Annotated[ApplicationState, typer.Option(help="The state from now on.")],
    say: Annotated[str | None, typer.Option(help="What the applicant is told.")] = None,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Set the state of an application, and tell the applicant why."""
    _print(ApiDesk.of(Country.open(country), institution).decide(number, state, staff, say))


def _print(one: dict[str, Any]) -> None:
    says = "" if one["says"] is None else f": {one['says']}"
    console.print(f"{one['number']}  {one['taken_at'][:16]}  {one['state']}  {one['procedure']}{says}", markup=False)
