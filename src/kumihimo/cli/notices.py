"""`kumihimo notice …`: notices to people in My Portal, as a business system sends them, and what became of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kumihimo.cli.by_hand import CountryFolder, Institution
from kumihimo.cli.progress import console
from kumihimo.country.institution_api import ApiDesk
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem

notices = typer.Typer(no_args_is_help=True)
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The notice's own reference.")]


@notices.command()
def send(
    institution: Institution,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The notice as JSON (institution API, NewNotice).")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Send a notice to up to 100,000 addressees.

    It is written down at the exchange and delivered from there; the same reference again is the same notice.
    """
    try:
        notice = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem("file.unreadable", str(error), str(file), "a notice as JSON") from None
    if not isinstance(notice, dict):
        raise Problem("value.invalid", type(notice).__name__, str(file), "a notice as a JSON object")
    _print(ApiDesk.of(Country.open(country), institution).send(notice))


@notices.command("list")
def list_notices(institution: Institution, country: CountryFolder = Path(".demo")) -> None:
    """The notices that were sent, newest first."""
    for one in ApiDesk.of(Country.open(country), institution).sent():
        _print(one)


@notices.command()
def show(reference: Reference, institution: Institution, country: CountryFolder = Path(".demo")) -> None:
    """How far a notice is, and what recipients answered.

    Also who must be told on paper. Status 1 while somebody waits for it.
    """
    desk = ApiDesk.of(Country.open(country), institution)
    state = desk.state(reference)
    _print(state)
    for one in desk.recipients(reference, "no_code") if state["no_code"] else ():
        console.print(f"  on paper: {one['addressee_number']}", markup=False)
    for one in desk.answers(reference):
        console.print(f"  {one['addressee_number']} answered: {one['says']}", markup=False)
    if state["waiting"]:
        raise typer.Exit(1)


def _print(one: dict[str, Any]) -> None:
    opened = "" if one["opened"] is None else f", {one['opened']} opened it"
    held_up = "" if one["problem"] is None else f" (held up: {one['problem']})"
    console.print(
        f"{one['reference']}  {one['delivered']} delivered of {one['recipients']}, {one['waiting']} waiting, "
        f"{one['no_code']} not on the platform{opened}{held_up}",
        markup=False,
    )
