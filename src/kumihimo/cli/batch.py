"""`kumihimo batch …`: ask another institution the same about many addressees, and fetch what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.batch_files import Listed, check_writable, read_addressees, write_rejected, write_results
from kumihimo.cli.desk import asked_year
from kumihimo.cli.progress import PROGRAM, console, counting
from kumihimo.country.batches import BatchDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.domain.kernel import JAPAN, Problem, fiscal_year
from kumihimo.plumbing.wire.messages.batch_desk import MOST_PERSONS, BatchShown, RejectedPerson, WithRejected
from kumihimo.plumbing.wire.messages.inquiry import Period

app = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
Requester = Annotated[str, typer.Option("--from", help="Who asks, such as x-city.")]
Number = Annotated[str, typer.Argument(metavar="BATCH", help="The batch, as `kumihimo batch list` shows it.")]
Staff = Annotated[str, typer.Option(help="The staff member in whose name it is done.")]
Addressees = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV (UTF-8 or CP932) with the column addressee_number.")
]
Provider = Annotated[str, typer.Option("--to", help="Who is asked, such as y-city.")]
Affair = Annotated[str, typer.Option(help="The legal task, such as child-allowance.payment.")]
Items = Annotated[list[str], typer.Option("--item", help="What is asked for; may be given again.")]
Year = Annotated[str | None, typer.Option(help="Fiscal year (年度); else that of the founding.")]
Case = Annotated[str, typer.Option(help="Reference of the case; only its salted hash leaves the house.")]
Rejected = Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write every rejected row here.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results here: .csv, or .jsonl.")]
SHOWN: int = 20


@app.command()
def ask(
    file: Addressees,
    requester: Requester,
    provider: Provider,
    affair: Affair,
    item: Items,
    out: Out = None,
    rejected: Rejected = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Ask about the others where rows are rejected.")
    ] = False,
    country: CountryFolder = Path(".demo"),
    year: Year = None,
    staff: Staff = STAFF,
    case: Case = "一括照会",
    wait: Annotated[bool, typer.Option(help="Wait for the answers.")] = True,
) -> None:
    """Ask about up to 10,000 addressees, and wait for what comes of it.

    A row that cannot be asked about is rejected with its reason, and then nothing is asked unless --leave-out. Ctrl-C ends
    the waiting only. Status 1 when a row was rejected or somebody's inquiry failed.
    """
    here = Country.open(country)
    listed = read_addressees(file)
    for one in (out, rejected):
        if one is not None:
            check_writable(one)
    desk = BatchDesk.of(here, requester)
    entered = desk.enter(
        staff=staff, case=case, addressee_numbers=within_limit(file, listed), provider=provider, affair=affair,
        items=tuple(item), period=period_of(here, year),
        with_rejected=WithRejected.LEAVE_OUT if leave_out else WithRejected.REFUSE,
    )  # fmt: skip
    print_rejected(file, listed, entered.rejected, rejected)
    if entered.batch is None:
        console.print("nothing was asked")
        raise typer.Exit(1)
    console.print(f"batch {entered.batch}: {entered.persons} persons", markup=False)
    if not wait:
        raise typer.Exit(1 if entered.rejected else 0)
    shown = _wait(desk, entered.batch)
    _end(desk, staff, shown, out)
    if entered.rejected or shown.failed:
        raise typer.Exit(1)


@app.command("list")
def list_batches(requester: Requester, country: CountryFolder = Path(".demo")) -> None:
    """Every batch that is kept, the newest first."""
    shown = BatchDesk.of(Country.open(country), requester).batches()
    for one in shown:
        at = f"{one.entered_at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
        console.print(f"{one.batch}  {at}  {one.provider} for {one.affair}: {_counts(one)}", markup=False)
    console.print(f"{len(shown)} batches")


@app.command()
def status(
    batch: Number,
    requester: Requester,
    country: CountryFolder = Path(".demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """How a batch stands; status 1 while somebody waits or has failed."""
    (shown,) = BatchDesk.of(Country.open(country), requester).batches(batch)
    if as_json:
        console.print_json(shown.model_dump_json())
    else:
        _print(shown)
    if shown.waiting or shown.failed:
        raise typer.Exit(1)


@app.command()
def resume(batch: Number, requester: Requester, staff: Staff = STAFF, country: CountryFolder = Path(".demo")) -> None:
    """Ask again about those whose inquiry failed.

    What was signed less than five minutes ago is sent again as it is, and is no second inquiry.
    """
    desk = BatchDesk.of(Country.open(country), requester)
    console.print(f"{desk.resume(staff, batch)} persons are asked about again")
    shown = _wait(desk, batch)
    _print(shown)
    if shown.failed:
        raise typer.Exit(1)


@app.command()
def fetch(
    batch: Number,
    requester: Requester,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the results here: .csv, or .jsonl.")],
    pending: Annotated[bool, typer.Option("--pending", help="Fetch answers given by hand meanwhile, too.")] = False,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Fetch the results, also partial ones.

    Status 1 while somebody waits or has failed.
    """
    check_writable(out)
    desk = BatchDesk.of(Country.open(country), requester)
    results = desk.results(staff, batch)
    count = write_results(out, desk.with_answers_by_hand(staff, results) if pending else results)
    console.print(f"{count} persons in {out}", markup=False)
    (shown,) = desk.batches(batch)
    if shown.waiting or shown.failed:
        raise typer.Exit(1)


def within_limit(file: Path, listed: Listed) -> tuple[str, ...]:
    """The numbers of a file that are no more than one batch takes. Raises Problem(value.invalid)."""
    if len(listed.numbers) > MOST_PERSONS:
        raise Problem(
            "value.invalid", f"{len(listed.numbers)} persons", where=file.name,
            expected=f"1 to {MOST_PERSONS} persons in one batch", advice="Split the file.",
        )  # fmt: skip
    return listed.numbers


def period_of(here: Country, year: str | None) -> Period:
    """The fiscal year that is asked about."""
    asked = fiscal_year(here.founded) if year is None else asked_year(year)
    return Period(since=asked.start, until=asked.end)


def print_rejected(file: Path, listed: Listed, rejected: tuple[RejectedPerson, ...], report: Path | None) -> None:
    """Rows that cannot be asked about, by line; all of them in a file where one is named."""
    if rejected:
        console.print(f"{len(rejected)} rows rejected")
    for one in rejected[:SHOWN]:
        console.print(f"  {file.name}:{listed.lines[one.place]}: {one.reason} [{one.code}]", markup=False)
    if len(rejected) > SHOWN:
        more = "" if report else "; --rejected FILE.csv writes them all"
        console.print(f"  and {len(rejected) - SHOWN} more{more}")
    if report is not None:
        write_rejected(report, listed, rejected)


def _wait(desk: BatchDesk, batch: str) -> BatchShown:
    try:
        with counting("persons") as step:
            return desk.finished(batch, lambda one: step(one.persons - one.waiting, one.persons, _outcomes(one)))
    except KeyboardInterrupt:
        console.print(f"\nIt goes on without you: `{PROGRAM} batch status {batch}`.", markup=False)
        raise typer.Exit(130) from None


def _end(desk: BatchDesk, staff: str, shown: BatchShown, out: Path | None) -> None:
    _print(shown)
    if out is not None:
        count = write_results(out, desk.results(staff, shown.batch))
        console.print(f"{count} persons in {out}", markup=False)
    if shown.failed:
        console.print(f"`{PROGRAM} batch resume {shown.batch}` asks about those who failed", markup=False)


def _print(shown: BatchShown) -> None:
    console.print(f"{shown.batch}  {shown.provider} for {shown.affair}: {', '.join(shown.items)}", markup=False)
    console.print(f"  {_counts(shown)}", markup=False)
    for problem, count in sorted(shown.problems.items()):
        console.print(f"  {count} failed with {problem}", markup=False)
    console.print(f"  answers are kept until {shown.kept_until.astimezone(JAPAN):%Y-%m-%d %H:%M}", markup=False)


def _counts(shown: BatchShown) -> str:
    counts = _outcomes(shown)
    return f"{shown.persons} persons" + (f": {counts}" if counts else "")


def _outcomes(shown: BatchShown) -> str:
    counted = [*sorted(shown.outcomes.items()), ("waiting", shown.waiting), ("failed", shown.failed)]
    return ", ".join(f"{count} {name}" for name, count in counted if count)
