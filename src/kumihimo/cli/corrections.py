"""`kumihimo corrections …`: corrections that people asked for in My Portal, and answering them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.by_hand import CountryFolder, Institution, Staff
from kumihimo.cli.progress import console
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.domain.kernel import JAPAN

corrections = typer.Typer(no_args_is_help=True)


@corrections.command("list")
def list_corrections(institution: Institution, country: CountryFolder = Path(".demo")) -> None:
    """Corrections people asked for.

    The unanswered ones first, the oldest first; status 1 when one waits.
    """
    asked = OfficersDesk.of(Country.open(country), institution).corrections()
    for one in asked:
        at = f"{one.asked_at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
        console.print(
            f"{one.reference}  {at}  {one.state.value}  {one.item} of {one.addressee_number}: {one.says}", markup=False
        )
    waiting = sum(one.answered_at is None for one in asked)
    console.print(f"{len(asked)} asked for, {waiting} waiting")
    if waiting:
        raise typer.Exit(1)


@corrections.command()
def answer(
    institution: Institution,
    reference: Annotated[str, typer.Option(help="The correction's reference.")],
    say: Annotated[str, typer.Option(help="What the person is told.")],
    corrected: Annotated[bool, typer.Option("--corrected/--not-corrected", help="Whether it was corrected.")],
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Tell the person whether it was corrected.

    The copies themselves are corrected by the business system.
    """
    desk = OfficersDesk.of(Country.open(country), institution)
    console.print(f"{reference}  {desk.answer_correction(staff, reference, corrected, say).value}", markup=False)
