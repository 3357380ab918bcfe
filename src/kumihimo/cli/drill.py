"""`kumihimo drill …` (訓練): do for real what must hold on a bad day; status 1 where something does not."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.problems import print_problem
from kumihimo.cli.progress import console, steps
from kumihimo.country.drills import restore as restore_drill
from kumihimo.country.drills.catalogue import DRILLS
from kumihimo.country.drills.drilling import Drill, Ground
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem

app = typer.Typer(no_args_is_help=True)

Scratch = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Where the drill's countries lie meanwhile, with all keys. What failed stays.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same moments and choices. Drawn if not given.")]
Times = Annotated[int | None, typer.Option(min=1, help="How often.")]
_SEEDS = 2**31


@app.callback()
def about() -> None:
    """Do for real what must hold on a bad day, on countries made for it."""


@app.command(restore_drill.DRILL.name)
def restore(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A country that is up; else one is made for it.")
    ] = None,
    scratch: Scratch = None,
) -> None:
    """Make another country from a backup of one in use, and use it.

    Backs up the country, restores that beside it, starts the copy, verifies its log and plays the first case on it.
    """
    country = None if folder is None else Country.open(folder)
    _play(restore_drill.DRILL, scratch, seed=1, country=country)


@app.command("all")
def every(scratch: Scratch = None, seed: Seed = None) -> None:
    """Every drill, one after the other.

    Status 1 if one of them failed; the others are played nevertheless.
    """
    seed = _drawn(seed)
    failed = []
    for drill in DRILLS:
        console.print(f"[bold]{drill.name}[/]: {drill.about}")
        try:
            _play(drill, scratch, seed)
        except Problem as problem:
            print_problem(problem)
            failed.append(drill.name)
    if failed:
        typer.echo(f"failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def _command(drill: Drill) -> Callable[..., None]:
    if drill.times is None:

        def play(scratch: Scratch = None, seed: Seed = None) -> None:
            _play(drill, scratch, _drawn(seed))

        return play

    def play_times(scratch: Scratch = None, seed: Seed = None, times: Times = drill.times) -> None:
        _play(drill, scratch, _drawn(seed), times=times)

    return play_times


for _drill in DRILLS:
    if _drill is not restore_drill.DRILL:
        app.command(_drill.name, help=_drill.about)(_command(_drill))


def _play(
    drill: Drill, scratch: Path | None, seed: int, country: Country | None = None, times: int | None = None
) -> None:
    """Play a drill and print each thing it shows, as it shows it. Raises Problem(drill.failed)."""
    with steps() as step:
        for shown in drill.play(Ground(step, seed, scratch, country, times or drill.times)):
            console.print(f"{shown.what:16}{shown.found}", markup=False)


def _drawn(seed: int | None) -> int:
    if seed is None:
        seed = secrets.randbelow(_SEEDS)
    console.print(f"{'seed':16}{seed}")
    return seed
