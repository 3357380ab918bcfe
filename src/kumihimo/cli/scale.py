"""`kumihimo scale`: a plan for a whole nation, counted up from what `kumihimo bench` measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from kumihimo.cli.progress import console
from kumihimo.country.scale import Figures, Load, Plan, planned
from kumihimo.plumbing.business_files import read_text

_GIB = 2**30
_TIB = 2**40
_USUAL = Load()


def scale(
    figures: Annotated[
        Path, typer.Argument(metavar="FILE", help="The lines that kumihimo bench all --country DIR printed.")
    ],
    people: Annotated[int, typer.Option(min=1, help="Residents.")] = _USUAL.people,
    bodies: Annotated[int, typer.Option(min=1, help="Institutions with a ledger and an exchange.")] = _USUAL.bodies,
    holders: Annotated[int, typer.Option(min=1, help="Bodies that know one person.")] = _USUAL.holders,
    inquiries: Annotated[int, typer.Option(min=0, help="Single inquiries a year.")] = _USUAL.inquiries,
    batch_persons: Annotated[int, typer.Option(min=0, help="Persons asked about in batches a year.")] = (
        _USUAL.batch_persons
    ),
    peak: Annotated[float, typer.Option(min=1, help="The busiest second against the mean.")] = _USUAL.peak,
    largest: Annotated[float, typer.Option(min=0, max=1, help="The largest body's share of all.")] = _USUAL.largest,
) -> None:
    """What a nation needs: cores, processes, memory, disk.

    Counted up from measured unit costs; every assumption is an option, and none of the costs is guessed. Nothing needs to run.
    """
    load = Load(
        people=people, bodies=bodies, holders=holders, inquiries=inquiries, batch_persons=batch_persons, peak=peak,
        largest=largest,
    )  # fmt: skip
    _show(planned(Figures.read(read_text(figures).splitlines(), figures.name), load))


def _show(plan: Plan) -> None:
    load = plan.load
    console.print(
        f"{load.people:,} residents, {load.bodies:,} bodies; {load.inquiries:,} single inquiries and {load.batch_persons:,}"
        f" persons of batches a year: {load.singles_a_second:,.0f} inquiries in the busiest second by day,"
        f" {load.persons_a_second:,.0f} persons a second by night.",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "cores", "processes", "memory GiB", "disk TiB", "disk TiB a year"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for need in plan.needs:
        table.add_row(
            need.part, f"{need.cores:,.1f}", f"{need.processes:,}", f"{need.memory / _GIB:,.1f}",
            f"{need.disk / _TIB:,.2f}", f"{need.yearly / _TIB:,.2f}",
        )  # fmt: skip
    console.print(table)
    for one in plan.once:
        console.print(f"Once: {one.what} takes {one.core_hours:,.0f} core hours.")
