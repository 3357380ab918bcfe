"""`kumihimo copies …`: how fresh an institution's copies (副本) are, what is wrong with them, and how far they are delivered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.oversight import app as oversight
from kumihimo.cli.progress import console
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.officer import Officer
from kumihimo.domain.kernel import JAPAN
from kumihimo.plumbing.wire.messages.freshness import CopyAlarmKind, ItemDelivered

app = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
Institution = Annotated[str, typer.Option("--institution", help="Whose exchange, such as y-city.")]

MEANINGS = {
    CopyAlarmKind.LATE.value: "the last whole delivery is older than declared",
    CopyAlarmKind.NEVER_DELIVERED.value: "declared, and never delivered whole",
    CopyAlarmKind.STUCK.value: "rows wait at the business system, behind a limit or not",
    CopyAlarmKind.OUTBOX_STUCK.value: "reports that operator 1 does not accept",
    CopyAlarmKind.FEED_STUCK.value: "link codes do not arrive",
    CopyAlarmKind.COPIES_OF_THE_DEAD.value: "copies that should have ended with their addressees' lives",
    CopyAlarmKind.COPIES_OF_THE_MOVED.value: "copies that should have ended when their addressees moved away",
    CopyAlarmKind.COPIES_OF_NOBODY.value: "copies for numbers that no addressee has",
    CopyAlarmKind.RESIDENTS_WITHOUT_COPY.value: "residents of whom there is none",
    CopyAlarmKind.RESIDENTS_WITHOUT_CODE.value: "people about whom nobody else can ask here",
    "unheard": "does not answer the oversight body",
}


@app.command()
def status(institution: Institution, country: CountryFolder = Path(".demo")) -> None:
    """How fresh the copies of each item are.

    With every alarm there is now; an alarm ends by itself with its cause. Status 1 when there is one.
    """
    found = Desk.of(Country.open(country), institution).copy_alarms()
    console.print(f"{'item':24}{'delivered whole':18}{'due':18}{'waiting':>9}{'copies':>10}  rhythm")
    for one in found.items:
        _print_item(one)
    for alarm in found.alarms:
        _print_alarm(alarm.alarm.value, alarm.item, alarm.count, alarm.since)
    console.print(_counted(found.alarms))
    if found.alarms:
        raise typer.Exit(1)


@app.command()
def declare(
    institution: Institution,
    item: Annotated[str, typer.Option(help="Which information item, such as local-tax.")],
    waiting: Annotated[int, typer.Option(min=0, help="Rows that the business system still has to send.")] = 0,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Say how far an item is delivered.

    For a business system in which nothing has changed since the last delivery, or which cannot send all it has.
    """
    _print_item(Desk.of(Country.open(country), institution).declare_delivery(item, waiting))


@oversight.command("copies")
def conditions(country: CountryFolder = Path(".demo")) -> None:
    """What institutions say is wrong with their copies.

    Counts only; status 1 when there is something.
    """
    found = Officer.of(Country.open(country)).conditions()
    for one in found.conditions:
        console.print(f"{one.institution:20}", end="")
        _print_alarm(one.kind, one.item, one.count, one.since)
    console.print(f"{found.heard} institutions answered; {_counted(found.conditions)}")
    if found.conditions:
        raise typer.Exit(1)


def _print_item(one: ItemDelivered) -> None:
    console.print(
        f"{one.item:24}{_moment(one.complete_at):18}{_moment(one.due_at):18}{one.waiting:9,}{one.copies:10,}  {one.rhythm}",
        markup=False,
    )


def _print_alarm(kind: str, item: str | None, count: int, since: datetime | None) -> None:
    about = f" {item}" if item else ""
    when = f", since {_moment(since)}" if since is not None else ""
    console.print(f"ALARM {kind}{about}: {count:,}{when}; {MEANINGS.get(kind, kind)}", markup=False)


def _moment(at: datetime | None) -> str:
    return "never" if at is None else f"{at.astimezone(JAPAN):%Y-%m-%d %H:%M}"


def _counted(alarms: Iterable[object]) -> str:
    number = len(tuple(alarms))
    return f"{number} alarm" if number == 1 else f"{number or 'no'} alarms"
