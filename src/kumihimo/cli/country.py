"""`kumihimo country …`, `kumihimo demo`, `kumihimo serve`, `kumihimo migrate`."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from kumihimo.cli.demo_report import print_notice, print_portal, print_report
from kumihimo.cli.progress import PROGRAM, console, steps
from kumihimo.country import programs
from kumihimo.country.boundaries import Role
from kumihimo.country.card_office import hanakos_card
from kumihimo.country.card_slot import put_away
from kumihimo.country.directories import newest
from kumihimo.country.founding import destroy, found
from kumihimo.country.layout import Country
from kumihimo.country.running import ServiceState, Step, issue_codes, states
from kumihimo.country.scenarios import first_case, first_notice
from kumihimo.country.sizes import sizes
from kumihimo.country.supervisor import Death, Restarted, Supervisor, bring_down, deaths_of, pids, run_service
from kumihimo.country.supervisor import restart as restart_services
from kumihimo.domain.kernel import SystemClock, legal_day

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the country.")]
Residents = Annotated[
    int, typer.Option(min=0, help="How many residents; 総務花子's family is among them. 0: nobody yet.")
]
_ROLES = ", ".join(Role)
_DEATHS_SHOWN = 10
Seed = Annotated[int, typer.Option(help="The same seed gives the same people (never the same keys or numbers).")]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A PostgreSQL server, postgresql://USER@HOST:PORT, where USER may create databases: one for each party"
        " is made there. Without it, every store is a SQLite file.",
    ),
]


@app.command()
def new(folder: Folder, residents: Residents = 300, seed: Seed = 1, database: Database = None) -> None:
    """Make a country: keys, directory, people, ledgers, copies."""
    _found(folder, residents, seed, database, _stop_on_signals())
    console.print(f"The country is in {folder}. Start it with: {PROGRAM} country up {folder}", markup=False)


@app.command()
def up(folder: Folder) -> None:
    """Start every process and keep it up until Ctrl-C.

    A process that dies is started again and said here. One that dies five times within a minute stops the whole country,
    with status 1 and its name.
    """
    country = Country.open(folder)
    stopping = _stop_on_signals()
    with _said("The country is down."), _up(country, stopping) as supervisor:
        _print_addresses(country)
        console.print("Up. Ctrl-C, or `kumihimo country down`, stops it.")
        supervisor.watch()
    console.print("Stopped.")


@app.command()
def status(folder: Folder) -> None:
    """What runs, where, whether it is ready, its memory.

    And how often it has died and was started again. Status 1 if a service is not ready.
    """
    country = Country.open(folder)
    found_states = states(country)
    console.print(f"{'party':29}{'pid':8}{'address':25}{'MiB':>5}{'deaths':>8}  ready")
    for one in found_states:
        figures = f"{one.memory / 2**20:5.0f}{one.deaths:8}"
        console.print(f"{one.party:29}{one.pid or '-':<8}{one.url:25}{figures}  {_readiness(one)}", markup=False)
    console.print(f"{len(found_states)} processes, {sum(one.memory for one in found_states) / 2**20:.0f} MiB together")
    for death in deaths_of(country)[-_DEATHS_SHOWN:]:
        console.print(f"{death.at:%Y-%m-%d %H:%M:%S} UTC  {death}", markup=False)
    if not all(one.ready for one in found_states):
        raise typer.Exit(1)


def _readiness(state: ServiceState) -> str:
    if state.ready:
        return "; ".join(("yes", *state.remarks))
    return f"NO: {'; '.join(state.faults) or 'no answer'}"


@app.command("restart")
def restart_some(
    folder: Folder,
    party: Annotated[
        list[str] | None, typer.Argument(metavar="[PARTY]...", help="Services such as x-city/exchange.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every service of the country, one after the other.")] = False,
) -> None:
    """Restart services of a running country, unnoticed.

    Each answers what it has begun; who calls meanwhile waits for its successor.
    """
    parties = [one.party for one in Country.open(folder).services()] if every else party or []
    if not parties:
        raise typer.BadParameter("name a service, or say --all")

    def told(restarted: Restarted) -> None:
        outcome = restarted.fault or f"ready again after {restarted.seconds:.1f} s"
        console.print(f"{restarted.party:29}{outcome}", markup=False)

    restart_services(Country.open(folder), parties, told)


@app.command()
def targets(folder: Folder) -> None:
    """Print the services for Prometheus, as JSON.

    For file_sd_configs, as `ops/prometheus.yml` reads them.
    """
    here = Country.open(folder)
    urls = {entry.party: entry.url or "" for entry in newest(here).parties}
    groups = [
        {
            "targets": [urls[one.party].removeprefix("https://")],
            "labels": {"party": one.party, "role": one.role.value},
        }
        for one in here.services()
    ]
    typer.echo(json.dumps(groups, indent=1))


@app.command("sizes")
def show_sizes(folder: Folder) -> None:
    """Memory and disk of a running country, by role."""
    here = Country.open(folder)
    table = Table(
        "role", "services", "RSS each, MiB", "PSS all, MiB", "disk, MiB", "disk, KiB/1,000 residents", box=None
    )
    for one in sizes(here):
        disk = f"{one.disk_per_thousand(here.residents) / 2**10:.0f}"
        figures = (f"{size / 2**20:.1f}" for size in (one.rss, one.pss, one.disk))
        table.add_row(one.role.value, str(one.services), *figures, disk)
    console.print(table)


@app.command()
def down(folder: Folder) -> None:
    """Stop a running country, and end its virtual card reader."""
    country = Country.open(folder)
    put_away(country)
    bring_down(country)
    console.print("Stopped.")


@app.command("destroy")
def remove(folder: Folder, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove a country that is down, for good.

    Its folder with all keys and records goes, and its databases. It cannot be undone.
    """
    country = Country.open(folder)
    put_away(country)
    if not yes:
        typer.confirm(f"Remove {folder} with {country.residents} residents, every key and every record?", abort=True)
    dropped = destroy(country)
    console.print(f"{folder} is gone{f', and {len(dropped)} databases with it' if dropped else ''}.")


def demo(
    country: Annotated[Path, typer.Option(metavar="DIR", help="Where the country lies, or shall lie.")] = Path(".demo"),
    residents: Residents = 300,
    seed: Seed = 1,
    once: Annotated[bool, typer.Option("--once", help="Stop the country and exit after the case.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make the country anew even if there is one.")] = False,
    database: Database = None,
) -> None:
    """Start a country in miniature and play its first case.

    総務花子 applies for a child benefit. The country is founded if there is none yet, and started as it was left otherwise.
    """
    started = time.monotonic()
    stopping = _stop_on_signals()
    if fresh and (country / "country.toml").exists():
        destroy(Country.open(country))
    if not (country / "country.toml").exists():
        console.print(f"[bold]Founding the country[/] ({residents} residents, seed {seed})")
        _found(country, residents, seed, database, stopping)
    here = Country.open(country)
    console.print("[bold]Starting it[/] (one process per trust boundary)")
    with _said("The country is down."), _up(here, stopping) as supervisor:
        case = first_case.play(here)
        print_report(here, case)
        print_notice(here, first_notice.play(here, case))
        print_portal(here, hanakos_card(here, case.addressee.addressee_number))
        memory = sum(one.memory for one in states(here))
        seconds = time.monotonic() - started
        console.print(
            f"\n{len(pids(here))} processes, {memory / 2**20:.0f} MiB together; {seconds:.1f} s since the start"
        )
        if once:
            return
        _print_addresses(here)
        console.print("\nStill running; Ctrl-C stops it. By hand, from another terminal:")
        number = case.addressee.addressee_number
        console.print(
            f"  {PROGRAM} inquire --country {country} --from x-city --about {number} --to y-city"
            f" --affair {first_case.AFFAIR} --item local-tax"
        )
        supervisor.watch()
    console.print("Stopped.")


def serve(
    role: Annotated[Role, typer.Argument(metavar="ROLE", help=f"Which program to run: {_ROLES}.")],
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The role's settings file (TOML).")],
) -> None:
    """Run one role here, as a service manager would."""
    run_service(role.value, str(settings), listening=lambda where: typer.echo(where, err=True))


def migrate(
    role: Annotated[Role, typer.Argument(metavar="ROLE", help=f"Whose store: {_ROLES}.")],
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The role's settings file (TOML).")],
) -> None:
    """Bring the store of one role to this version's schema."""
    programs.prepare(role, programs.load_settings(role, settings))
    console.print(f"The store of {role.value} is current.")


def _found(folder: Path, residents: int, seed: int, database: str | None, stopping: threading.Event) -> None:
    with _said("No country was made."), steps() as step:
        found(folder, residents, seed, legal_day(SystemClock().now()), _heeding(stopping, step), database)


@contextmanager
def _up(country: Country, stopping: threading.Event) -> Iterator[Supervisor]:
    """A country that is up with its link codes issued, progress shown, for the length of a `with` block."""
    total = len(country.services())
    ready: set[str] = set()
    with steps() as step:

        def one_more(party: str) -> None:
            if len(ready) < total:
                ready.add(party)
                step("processes", len(ready), total)

        supervisor = Supervisor(country, one_more, stopping, _say)
        supervisor.start()
        try:
            issue_codes(country, _heeding(stopping, step))
        except BaseException:
            supervisor.stop()
            raise
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _stop_on_signals() -> threading.Event:
    """An event that the first SIGINT or SIGTERM sets; it is heeded where nothing is half done. A second one interrupts."""
    stopping = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopping


def _heeding(stopping: threading.Event, step: Step) -> Step:
    """The same step, at which a wish to stop is heeded."""

    def heed(name: str, done: int, total: int) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        step(name, done, total)

    return heed


@contextmanager
def _said(outcome: str) -> Iterator[None]:
    """Says how things stand after an interruption."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. {outcome}", err=True)
        raise


def _say(death: Death) -> None:
    console.print(f"{death.at:%H:%M:%S} UTC  [bold]died[/]: ", end="")
    console.print(str(death), markup=False)


def _print_addresses(country: Country) -> None:
    console.print("\n[bold]Addresses[/] (mutual TLS; keys in parties/*/*/keys)")
    for service in country.services():
        console.print(f"  {service.party:28}{country.url(service.party)}  {service.boundary.name.en}", markup=False)
