"""`kumihimo register …` over the years: numbers changed, deaths taken back, persons merged and split, who has not heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli import register
from kumihimo.cli.progress import console
from kumihimo.cli.register import (
    About,
    Birth,
    Building,
    CountryFolder,
    Family,
    FamilyKana,
    Given,
    GivenKana,
    Lines,
    Municipality,
    On,
    Reason,
)
from kumihimo.country.arrivals import address_in
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import FourItems, PersonName, Problem, Sex, parse_date
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind

app = register.app
Institution = Annotated[str, typer.Option("--in", help="Whose ledger or exchange, such as x-city.")]
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _report(
    event: RegisterEventKind, municipality: str, about: str, on: str | None, reason: str, country: Path,
    items: FourItems | None = None, other: str | None = None,
) -> None:  # fmt: skip
    desk = Desk.of(Country.open(country), municipality)
    register.show(desk.report(event, register.day(on), about, items, reason, other))


@app.command("new-number")
def new_number(
    municipality: Municipality, about: About, reason: Reason, on: On = None, country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Change a leaked Individual Number.

    On request or ex officio (番号法第七条第二項); the old one is nobody's ever again.
    """
    _report(RegisterEventKind.NUMBER_CHANGE, municipality, about, on, reason, country)


@app.command()
def revive(
    municipality: Municipality, about: About, on: On = None, reason: Reason = "失踪宣告の取消し",
    country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Take back a recorded death."""
    _report(RegisterEventKind.REVIVAL, municipality, about, on, reason, country)


@app.command("cancel-assignment")
def cancel_assignment(
    municipality: Municipality, about: About, reason: Reason, on: On = None, country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Cancel a number that never should have been.

    The registration stands for nobody from then on.
    """
    _report(RegisterEventKind.ASSIGNMENT_CANCELLED, municipality, about, on, reason, country)


@app.command()
def merge(
    municipality: Municipality, about: About,
    other: Annotated[str, typer.Option("--other", help="Addressee number of the second registration; it is merged away.")],
    on: On = None, reason: Reason = "二重登録の統合", country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Make one of two registrations of one person.

    --about keeps their number, that of --other becomes a former one.
    """
    _report(RegisterEventKind.MERGE, municipality, about, on, reason, country, other=other)


@app.command()
def split(
    municipality: Municipality, about: About, family: Family, given: Given, family_kana: FamilyKana,
    given_kana: GivenKana, birth: Birth, sex: Annotated[str, typer.Option(help="男 or 女.")], lines: Lines,
    building: Building = "", on: On = None, reason: Reason = "混同の分離", country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Part two persons who share a registration.

    The second one, of whom the four items are given, gets a number of their own.
    """
    name = PersonName(family, given, family_kana, given_kana)
    items = FourItems(
        name,
        address_in(municipality, lines, building, Country.open(country)),
        parse_date(birth, "--birth"),
        Sex.parse(sex),
    )
    _report(RegisterEventKind.SPLIT, municipality, about, on, reason, country, items=items)


@app.command()
def undo(
    municipality: Municipality, about: About, reason: Reason, on: On = None, country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Take back the last of these changes, exactly.

    A merge, split, number change, revival or cancellation; never a re-coding.
    """
    _report(RegisterEventKind.UNDO, municipality, about, on, reason, country)


@app.command()
def recode(
    municipality: Municipality, about: About, reason: Reason, on: On = None, country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Have somebody's link codes made anew.

    After a leak; the old ones never match again.
    """
    _report(RegisterEventKind.RECODE, municipality, about, on, reason, country)


@app.command()
def unacknowledged(
    municipality: Municipality,
    older_than: Annotated[str, typer.Option(help="Only what was announced longer ago, such as 30m, 12h or 2d.")] = "0s",
    country: CountryFolder = Path(".demo"),
) -> None:
    """Show who has not yet heard of what was reported.

    Events of this municipality that an institution has not acknowledged; status 1 when there are any.
    """
    found = Desk.of(Country.open(country), municipality).unacknowledged(_seconds(older_than))
    console.print(f"{found.total} announcements not acknowledged")
    for one in found.events:
        announced = one.announced_at.isoformat(timespec="seconds")
        console.print(
            f"  {one.institution}  {one.event.value} of {one.on}  {one.masked_number} version {one.version}, "
            f"announced {announced}",
            markup=False,
        )
    if found.total:
        raise typer.Exit(1)


@app.command()
def tasks(
    institution: Institution,
    done: Annotated[int | None, typer.Option(help="Number of a task that a person has looked at.")] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Show what a person must look at.

    After merges, splits and undos; and copies of one person that contradict each other.
    """
    desk = Desk.of(Country.open(country), institution)
    for task in desk.tasks() if done is None else desk.settle_task(done):
        console.print(
            f"{task.task}  {task.addressee_number}  {task.event.value} (version {task.version})", markup=False
        )
    for one in desk.contradictions():
        console.print(
            f"-  {one.addressee_number} and {one.linked_number}  {one.item} from {one.valid_from} contradict: place the "
            "right copy under either number",
            markup=False,
        )


def _seconds(text: str) -> int:
    amount, unit = text[:-1], text[-1:]
    if not (amount.isascii() and amount.isdigit() and unit in _SECONDS):
        raise Problem("value.invalid", repr(text), where="--older-than", expected="a number and s, m, h or d")
    return int(amount) * _SECONDS[unit]
