"""`kumihimo oversight complaints`, `answer-complaint`: accesses that residents do not recognise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli import audits
from kumihimo.cli.oversight import CountryFolder
from kumihimo.cli.progress import console
from kumihimo.country.layout import Country
from kumihimo.country.officer import Officer
from kumihimo.domain.kernel import JAPAN
from kumihimo.plumbing.wire.messages.complaints import ComplaintState

app = audits.app


@app.command()
def complaints(country: CountryFolder = Path(".demo")) -> None:
    """Accesses that residents do not recognise.

    The open ones first. Each stands in the log, which was verified when it was taken. Status 1 when one is open.
    """
    found = Officer.of(Country.open(country)).complaints()
    for one in found:
        at = f"{one.logged_at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
        console.print(
            f"{one.reference}  {one.state.value}  entry {one.log_index}, {at}: {one.requester} asked {one.provider} for "
            f"{', '.join(one.items)} ({one.affair}), transaction {one.transaction}",
            markup=False,
        )
        console.print(f"  {one.says}", markup=False)
        if one.answer is not None:
            console.print(f"  answered: {one.answer}", markup=False)
    if any(one.state in (ComplaintState.RECEIVED, ComplaintState.IN_WORK) for one in found):
        raise typer.Exit(1)


@app.command("answer-complaint")
def answer_complaint(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The complaint's reference.")],
    state: Annotated[ComplaintState, typer.Option(help="How it stands from now on.")],
    say: Annotated[str, typer.Option(help="What the resident is told.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Say how a complaint stands."""
    console.print(f"{reference}  {Officer.of(Country.open(country)).answer_complaint(reference, state, say).value}")
