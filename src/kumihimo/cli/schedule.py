"""`kumihimo schedule …`: inquiries that the exchange makes by itself on their days."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.batch import (
    Addressees,
    Affair,
    Case,
    CountryFolder,
    Items,
    Provider,
    Rejected,
    Requester,
    Staff,
    period_of,
    print_rejected,
    within_limit,
)
from kumihimo.cli.batch_files import check_writable, read_addressees
from kumihimo.cli.progress import PROGRAM, console
from kumihimo.country.batches import BatchDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.domain.kernel import JAPAN, parse_date
from kumihimo.plumbing.wire.messages.batch_desk import Recurrence, ScheduleShown

app = typer.Typer(no_args_is_help=True)

Number = Annotated[str, typer.Argument(metavar="SCHEDULE", help="As `kumihimo schedule list` shows it.")]


@app.command()
def new(
    file: Addressees,
    requester: Requester,
    provider: Provider,
    affair: Affair,
    item: Items,
    on: Annotated[str, typer.Option(help="The day, or the first one, such as 2027-04-01 or 令和9年4月1日.")],
    every: Annotated[Recurrence, typer.Option(help="How often it is asked.")] = Recurrence.ONCE,
    until: Annotated[str | None, typer.Option(help="The last day, where it is asked again and again.")] = None,
    rejected: Rejected = None,
    country: CountryFolder = Path(".demo"),
    year: Annotated[str | None, typer.Option(help="Fiscal year (年度); else that of the day of each run.")] = None,
    staff: Staff = STAFF,
    case: Case = "予約照会",
) -> None:
    """Have the exchange ask about these addressees on a day to come.

    Rights, law and addressees are those of each day. Status 1 when a row was rejected; then nothing is entered.
    """
    here = Country.open(country)
    listed = read_addressees(file)
    if rejected is not None:
        check_writable(rejected)
    entered = BatchDesk.of(here, requester).schedule(
        staff=staff, case=case, addressee_numbers=within_limit(file, listed), provider=provider, affair=affair,
        items=tuple(item), period=None if year is None else period_of(here, year), recurrence=every,
        first_on=parse_date(on, "--on"), last_on=None if until is None else parse_date(until, "--until"),
    )  # fmt: skip
    print_rejected(file, listed, entered.rejected, rejected)
    if entered.rejected:
        console.print("nothing was entered")
        raise typer.Exit(1)
    _print(entered.schedules[0])


@app.command("list")
def list_schedules(requester: Requester, country: CountryFolder = Path(".demo")) -> None:
    """Every scheduled inquiry, the next one due first."""
    found = BatchDesk.of(Country.open(country), requester).schedules().schedules
    for one in found:
        _print(one)
    console.print(f"{len(found)} scheduled inquiries")


@app.command()
def runs(schedule: Number, requester: Requester, country: CountryFolder = Path(".demo")) -> None:
    """What became of each run; status 1 when the last one became no batch."""
    desk = BatchDesk.of(Country.open(country), requester)
    (one,) = desk.schedules(schedule).schedules
    _print(one)
    for run in one.runs:
        at = f"{run.ran_at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
        became = f"batch {run.batch}" if run.batch else f"no batch: {run.problem}"
        left_out = f", {run.left_out} left out" if run.left_out else ""
        console.print(f"  {run.due_on}  at {at}  {became}{left_out}", markup=False)
    console.print(f"{len(one.runs)} runs; `{PROGRAM} batch fetch` fetches the results of one", markup=False)
    if one.runs and one.runs[0].batch is None:
        raise typer.Exit(1)


@app.command()
def cancel(
    schedule: Number, requester: Requester, staff: Staff = STAFF, country: CountryFolder = Path(".demo")
) -> None:
    """Ask no more; what was asked stays."""
    _print(BatchDesk.of(Country.open(country), requester).cancel_schedule(staff, schedule).schedules[0])


def _print(one: ScheduleShown) -> None:
    until = f" until {one.last_on}" if one.last_on else ""
    following = "cancelled" if one.cancelled_at else f"next on {one.next_on}" if one.next_on else "over"
    console.print(
        f"{one.schedule}  {following}; {one.recurrence.value} from {one.first_on}{until}: {one.provider} for"
        f" {one.affair}, {one.persons} persons",
        markup=False,
    )
