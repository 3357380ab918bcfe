"""`kumihimo oversight …`: what the oversight body (第三者機関) has verified, and the orders its officer gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from kumihimo.cli.problems import writing
from kumihimo.cli.progress import console
from kumihimo.country.layout import Country
from kumihimo.country.officer import Officer
from kumihimo.domain.kernel import JAPAN, Problem
from kumihimo.plumbing.wire.messages.oversight import Measure, Quota

app = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", help="The folder of a running country.")]
Institution = Annotated[str, typer.Argument(metavar="INSTITUTION", help="Such as x-city.")]
Reason = Annotated[str, typer.Option(help="Why; it is logged and told to whoever is refused.")]


@app.command()
def status(country: CountryFolder = Path(".demo")) -> None:
    """What the oversight body verified, and its alarms.

    Status 1 when there is an alarm.
    """
    found = Officer.of(Country.open(country)).status()
    for name, value in found.items():
        console.print(f"{name:18}{json.dumps(value) if isinstance(value, dict) else value}", markup=False)
    if found["alarms"]:
        for one in Officer.of(Country.open(country)).findings():
            console.print(f"ALARM  {one['sentence']} {one['what']}", markup=False)
        raise typer.Exit(1)


@app.command()
def evidence(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="Where to, a folder that does not exist yet.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Write the evidence of every alarm into files.

    Signed notes of the log, which `kumihimo log verify --against FILE` judges.
    """
    with writing(to):
        to.mkdir(mode=0o700)
        for number, one in enumerate(Officer.of(Country.open(country)).findings()):
            if one["evidence"]:
                file = to / f"{number + 1:03}-{one['kind']}.txt"
                file.write_text(one["evidence"])
                console.print(f"{file}  {one['sentence']}", markup=False, soft_wrap=True)


@app.command()
def suspend(institution: Institution, reason: Reason, country: CountryFolder = Path(".demo")) -> None:
    """Suspend an institution at both operators.

    Neither its inquiries nor those to it are permitted any more. Status 1 while an operator was not reached.
    """
    _order(country, Measure.SUSPEND, institution, reason)


@app.command()
def lift(institution: Institution, reason: Reason, country: CountryFolder = Path(".demo")) -> None:
    """Lift the suspension of an institution."""
    _order(country, Measure.LIFT, institution, reason)


@app.command("stop-all")
def stop_all(reason: Reason, country: CountryFolder = Path(".demo")) -> None:
    """Emergency stop of all linkage.

    Nothing is permitted or translated any more, at both operators.
    """
    _order(country, Measure.SUSPEND, None, reason)


@app.command("resume-all")
def resume_all(reason: Reason, country: CountryFolder = Path(".demo")) -> None:
    """End the emergency stop.

    Institutions that were suspended stay so.
    """
    _order(country, Measure.LIFT, None, reason)


@app.command()
def quota(
    per_minute: Annotated[int, typer.Option(help="Requests within any minute.")],
    per_day: Annotated[int, typer.Option(help="Requests within any 24 hours.")],
    reason: Reason,
    institution: Annotated[
        str | None, typer.Argument(metavar="INSTITUTION", help="Whose; everybody's when not given.")
    ] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Set how many requests an institution may make."""
    try:
        limits = Quota(per_minute=per_minute, per_day=per_day)
    except ValidationError:
        raise Problem("value.invalid", "a quota out of range", expected="1 or more a minute and a day") from None
    _order(country, Measure.QUOTA, institution, reason, limits)


@app.command()
def rotate(
    reason: Reason,
    institution: Annotated[
        str | None, typer.Argument(metavar="INSTITUTION", help="Whose; everybody's when not given.")
    ] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Have link codes moved to the next epoch.

    The exchange begins as soon as it hears of it, and closes the old epoch
    by itself.
    """
    _order(country, Measure.ROTATE, institution, reason)


@app.command()
def orders(country: CountryFolder = Path(".demo")) -> None:
    """All orders, newest first, and where they are in force."""
    shown = Officer.of(Country.open(country)).orders()
    for one in shown:
        said = one.order.ordered
        limits = "" if said.quota is None else f" to {said.quota.per_minute} a minute, {said.quota.per_day} a day"
        console.print(
            f"{one.order.number:6}  {one.order.ordered_at.astimezone(JAPAN):%Y-%m-%d %H:%M:%S}  {said.measure}"
            f" {said.institution or 'everybody'}{limits}: {said.reason}; in force at {', '.join(one.in_force) or 'none'}",
            markup=False,
        )
    console.print(f"{len(shown)} orders")


def _order(country: Path, measure: Measure, institution: str | None, reason: str, limits: Quota | None = None) -> None:
    given = Officer.of(Country.open(country)).order(measure, institution, reason, limits)
    console.print(f"Order {given.number}: in force at {', '.join(given.in_force) or 'no operator yet'}.", markup=False)
    if given.awaited:
        console.print(f"Not reached yet, being asked again: {', '.join(given.awaited)}.", markup=False)
        raise typer.Exit(1)
