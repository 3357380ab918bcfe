"""`kumihimo country …`, `kumihimo demo`, `kumihimo serve`, `kumihimo migrate`."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from kumihimo.cli.demo_report import print_report
from kumihimo.cli.progress import console, steps
from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.founding import found
from kumihimo.country.layout import Country
from kumihimo.country.running import issue_codes, states
from kumihimo.country.scenarios import first_case
from kumihimo.country.supervisor import Supervisor, pids, run_service
from kumihimo.domain.kernel import Problem, SystemClock, legal_day

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The folder of the country.")]
Residents = Annotated[int, typer.Option(min=3, help="How many residents; 総務花子's family is among them.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same people (never the same keys or numbers).")]


@app.command()
def new(folder: Folder, residents: Residents = 300, seed: Seed = 1) -> None:
    """Make a country: keys, directory, people, numbers, ledgers, copies."""
    with steps() as step:
        found(folder, residents, seed, _today(), step)
    console.print(f"The country is in {folder}. Start it with: kumihimo country up {folder}")


@app.command()
def up(folder: Folder) -> None:
    """Start every process of the country and keep watch until Ctrl-C; a process that dies stops the country loudly."""
    country = Country.open(folder)
    stopping = _stop_on_signals()
    with _up(country) as supervisor:
        _print_addresses(country)
        console.print("Up. Ctrl-C, or `kumihimo country down`, stops it.")
        supervisor.watch(stopping)
    console.print("Stopped.")


@app.command()
def status(folder: Folder) -> None:
    """What runs, where, and how much memory it takes."""
    found_states = states(Country.open(folder))
    table = Table("party", "pid", "address", "answers", "memory MiB", box=None)
    for one in found_states:
        table.add_row(
            one.party, str(one.pid), one.url, "yes" if one.answers else "[red]NO[/]", f"{one.memory / 2**20:.0f}"
        )
    console.print(table)
    console.print(f"{len(found_states)} processes, {sum(one.memory for one in found_states) / 2**20:.0f} MiB together")
    if not all(one.answers for one in found_states):
        raise typer.Exit(1)


@app.command()
def down(folder: Folder) -> None:
    """Stop a running country."""
    country = Country.open(folder)
    running_pids = pids(country)
    file = country.run / "supervisor.pid"
    os.kill(int(file.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + 30
    while file.exists():
        if time.monotonic() > deadline:
            raise Problem("country.role_died", "the country did not stop within 30 s", where=str(file))
        time.sleep(0.05)
    console.print(f"{len(running_pids)} processes stopped.")


def demo(
    country: Annotated[Path, typer.Option(help="Where the country lies, or shall lie.")] = Path(".demo"),
    residents: Residents = 300,
    seed: Seed = 1,
    once: Annotated[bool, typer.Option("--once", help="Stop the country and exit after the case.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make the country anew even if there is one.")] = False,
) -> None:
    """Start the country in miniature and play its first case: 総務花子 applies for a child benefit."""
    started = time.monotonic()
    stopping = _stop_on_signals()
    if fresh and (country / "country.toml").exists():
        shutil.rmtree(country)
    if not (country / "country.toml").exists():
        console.print(f"[bold]Founding the country[/] ({residents} residents, seed {seed})")
        with steps() as step:
            found(country, residents, seed, _today(), step)
    here = Country.open(country)
    console.print("[bold]Starting it[/] (one process per trust boundary)")
    with _up(here) as supervisor:
        case = first_case.play(here)
        print_report(here, case)
        memory = sum(one.memory for one in states(here))
        seconds = time.monotonic() - started
        console.print(
            f"\n{len(pids(here))} processes, {memory / 2**20:.0f} MiB together; {seconds:.1f} s since the start"
        )
        if once:
            return
        _print_addresses(here)
        console.print("Still running; Ctrl-C stops it. By hand, from another terminal:")
        number = case.addressee.addressee_number
        console.print(
            f"  kumihimo inquire --country {country} --from x-city --about {number} --to y-city"
            f" --affair {first_case.AFFAIR} --item local-tax"
        )
        supervisor.watch(stopping)


def serve(
    role: Annotated[Role, typer.Argument(help="Which program to run.")],
    settings: Annotated[Path, typer.Option(help="The role's settings file (TOML).")],
) -> None:
    """Run one role in this process, as a service manager would."""
    run_service(role.value, str(settings))


def migrate(
    role: Annotated[Role, typer.Argument(help="Whose store.")],
    settings: Annotated[Path, typer.Option(help="The role's settings file (TOML).")],
) -> None:
    """Bring the store of one role to the schema that this version expects."""
    programs.prepare(role, programs.load_settings(role, settings))
    console.print(f"The store of {role.value} is current.")


def _today() -> date:
    return legal_day(SystemClock().now())


@contextmanager
def _up(country: Country) -> Iterator[Supervisor]:
    """A country that is up with its link codes issued, progress shown, for the length of a `with` block."""
    total = len(topology.services())
    ready: list[str] = []
    with steps() as step:

        def one_more(party: str) -> None:
            ready.append(party)
            step("processes", len(ready), total)

        supervisor = Supervisor(country, one_more)
        supervisor.start()
        try:
            issue_codes(country, step)
        except BaseException:
            supervisor.stop()
            raise
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set; before a country is watched, they interrupt instead."""
    stopping = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopping


def _print_addresses(country: Country) -> None:
    console.print("\n[bold]Addresses[/] (mutual TLS; keys in parties/*/*/keys)")
    for service in topology.services():
        console.print(f"  {service.party:28}{country.url(service.party)}  {service.boundary.name.en}", markup=False)
