"""`kumihimo drill …` (訓練): do for real what must hold on a bad day; status 1 where something does not."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A PostgreSQL server, postgresql://USER@HOST:PORT, where USER may create databases: the drill's stores are"
        " made there.",
    ),
]
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
    database: Database = None,
) -> None:
    """Make another country from a backup of one in use, and use it.

    Backs up the country, restores that beside it, starts the copy, verifies its log and plays the first case on it. Stores
    on a PostgreSQL server are copied into new databases of the same server, or of that of --database; these are dropped
    afterwards.
    """
    country = None if folder is None else Country.open(folder)
    _play(restore_drill.DRILL, scratch, seed=1, country=country, database=database)


@app.command("all")
def every(scratch: Scratch = None, seed: Seed = None, database: Database = None) -> None:
    """Every drill, one after the other.

    Status 1 if one of them failed; the others are played nevertheless. With --database the drill of a restore is played
    twice, with stores in files and on that server.
    """
    seed = _drawn(seed)
    failed = []
    plays: list[tuple[Drill, str | None]] = [(drill, None) for drill in DRILLS]
    if database is not None:
        plays.insert(1, (restore_drill.DRILL, database))
    for drill, server in plays:
        name = drill.name if server is None else f"{drill.name} on PostgreSQL"
        console.print(f"[bold]{name}[/]: {drill.about}")
        try:
            _play(drill, scratch, seed, database=server)
        except Problem as problem:
            print_problem(problem)
            failed.append(name)
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
    drill: Drill,
    scratch: Path | None,
    seed: int,
    country: Country | None = None,
    times: int | None = None,
    database: str | None = None,
) -> None:
    """Play a drill and print each thing it shows, as it shows it. Raises Problem(drill.failed)."""
    with _ended_in_order(), steps() as step:
        for shown in drill.play(Ground(step, seed, scratch, country, times or drill.times, database)):
            console.print(f"{shown.what:16}{shown.found}", markup=False)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM, and the loss of the terminal, end a drill as Ctrl-C does: what it made is put away."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _drawn(seed: int | None) -> int:
    if seed is None:
        seed = secrets.randbelow(_SEEDS)
    console.print(f"{'seed':16}{seed}")
    return seed
