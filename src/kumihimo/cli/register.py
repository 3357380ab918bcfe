"""`kumihimo register …`: what a municipality reports of its residents, and the numbers that come of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.progress import console, steps
from kumihimo.cli.reports import begin_report, write_report
from kumihimo.country.arrivals import address_in, read_arrivals
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import FourItems, PersonName, Sex, SystemClock, format_both, legal_day, parse_date
from kumihimo.plumbing.wire.messages.ledger import Addressee
from kumihimo.plumbing.wire.messages.residents import ARRIVALS, Arrival, FourItemsPart, RegisterEventKind, Standing

app = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
Municipality = Annotated[str, typer.Option("--in", help="The municipality that reports, such as x-city.")]
About = Annotated[str, typer.Option("--about", help="Addressee number in that municipality; see `kumihimo find`.")]
On = Annotated[str | None, typer.Option("--on", help="The day it happened; today if not given.")]
Reason = Annotated[str, typer.Option(help="Why, as the register shall say.")]
Family = Annotated[str, typer.Option(help="Family name.")]
Given = Annotated[str, typer.Option(help="Given name.")]
FamilyKana = Annotated[str, typer.Option(help="Reading of the family name.")]
GivenKana = Annotated[str, typer.Option(help="Reading of the given name.")]
Birth = Annotated[str, typer.Option(help="Date of birth, such as 令和8年5月1日 or 2026-05-01.")]
Lines = Annotated[str, typer.Option(help="Address inside the municipality, such as 中央1丁目2番3号.")]
Building = Annotated[str, typer.Option(help="Building and room.")]


def day(text: str | None) -> date:
    """A day as typed, today when none is. Raises Problem(date.format, date.impossible)."""
    return parse_date(text, "--on") if text is not None else legal_day(SystemClock().now())


def show(who: Addressee) -> None:
    """Print an addressee as the ledger has them now."""
    items = who.four_items.read()
    died = "" if who.alive else ", died"
    standing = "" if who.standing is Standing.ACTIVE else f", {who.standing.value}"
    console.print(
        f"{who.addressee_number}  {items.name.display}  {items.sex.label}  {format_both(items.birth)}  {items.address.display}"
        f"  Individual Number {who.masked_number}, version {who.version}{died}{standing}",
        markup=False,
    )


@app.command()
def birth(
    municipality: Municipality, family: Family, given: Given, family_kana: FamilyKana, given_kana: GivenKana,
    birth: Birth, sex: Annotated[str, typer.Option(help="男 or 女.")], lines: Lines, building: Building = "",
    on: On = None, reason: Reason = "出生届", country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Register a birth.

    The child gets a resident code, an Individual Number and an addressee number.
    """
    name = PersonName(family, given, family_kana, given_kana)
    items = FourItems(
        name,
        address_in(municipality, lines, building, Country.open(country)),
        parse_date(birth, "--birth"),
        Sex.parse(sex),
    )
    arrival = Arrival(event=RegisterEventKind.BIRTH, on=day(on), four_items=FourItemsPart.of(items), reason=reason)
    reply = Desk.of(Country.open(country), municipality).report_arrivals((arrival,))
    for one in reply.rejected:
        console.print(one.reason, markup=False)
        raise typer.Exit(1)
    show(reply.addressees[0])


@app.command("import")
def import_arrivals(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with event, on, family, given, …, lines, building.")
    ],
    municipality: Municipality,
    report: Annotated[Path | None, typer.Option(help="Write every rejected row to this CSV file.")] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Register many births and move-ins from a file.

    Numbers are assigned in bulk; every rejected row is reported, and the others are registered; status 1 when one was.
    """
    here = Country.open(country)
    read = read_arrivals(file, municipality, here)
    desk = Desk.of(here, municipality)
    begin_report(report)
    faults = dict(read.faults)
    registered = 0
    with steps() as step:
        for start in range(0, len(read.arrivals), ARRIVALS):
            reply = desk.report_arrivals(read.arrivals[start : start + ARRIVALS])
            registered += len(reply.addressees)
            faults |= {read.lines[start + one.position]: one.reason for one in reply.rejected}
            step("registered and numbered", min(start + ARRIVALS, len(read.arrivals)), len(read.arrivals))
    console.print(f"{registered} registered, {len(faults)} rows rejected")
    for line, why in sorted(faults.items())[:20]:
        console.print(f"  {file.name}:{line}: {why}", markup=False)
    write_report(report, ("line", "what"), sorted(faults.items()))
    if faults:
        raise typer.Exit(1)


@app.command()
def move(
    municipality: Municipality, about: About, lines: Lines, building: Building = "", on: On = None,
    reason: Reason = "転入・転居届", country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Report a move to an address in this municipality.

    Somebody from elsewhere is taken in first: `kumihimo register take-in`.
    """
    desk = Desk.of(Country.open(country), municipality)
    now = desk.addressee(about).four_items.read()
    items = FourItems(now.name, address_in(municipality, lines, building, Country.open(country)), now.birth, now.sex)
    show(desk.report(RegisterEventKind.MOVE, day(on), about, items, reason))


@app.command("take-in")
def take_in(
    municipality: Municipality,
    number: Annotated[
        str, typer.Option(prompt="Individual Number", hide_input=True, help="Asked for when not given, unseen.")
    ],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Enter somebody by their Individual Number.

    For somebody whom the registry knows already, before a move from elsewhere is reported.
    """
    show(Desk.of(Country.open(country), municipality).take_in(number, "転入届"))


@app.command()
def death(
    municipality: Municipality, about: About, on: On = None, reason: Reason = "死亡届",
    country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Report a death."""
    show(Desk.of(Country.open(country), municipality).report(RegisterEventKind.DEATH, day(on), about, None, reason))


@app.command()
def rename(
    municipality: Municipality, about: About, family: Family, family_kana: FamilyKana, on: On = None,
    reason: Reason = "氏の変更", country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Report a change of family name."""
    desk = Desk.of(Country.open(country), municipality)
    now = desk.addressee(about).four_items.read()
    name = PersonName(family, now.name.given, family_kana, now.name.given_kana)
    items = FourItems(name, now.address, now.birth, now.sex)
    show(desk.report(RegisterEventKind.NAME_CHANGE, day(on), about, items, reason))


@app.command()
def correct(
    municipality: Municipality, about: About,
    given: Annotated[str | None, typer.Option(help="The right given name.")] = None,
    given_kana: Annotated[str | None, typer.Option(help="Its reading.")] = None,
    birth: Annotated[str | None, typer.Option(help="The right date of birth.")] = None,
    sex: Annotated[str | None, typer.Option(help="The right sex.")] = None,
    on: On = None, reason: Reason = "職権訂正", country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Correct what was recorded wrongly.

    Only what is given is changed.
    """
    desk = Desk.of(Country.open(country), municipality)
    now = desk.addressee(about).four_items.read()
    name = PersonName(now.name.family, given or now.name.given, now.name.family_kana, given_kana or now.name.given_kana)
    items = FourItems(
        name, now.address, parse_date(birth, "--birth") if birth else now.birth, Sex.parse(sex) if sex else now.sex
    )
    show(desk.report(RegisterEventKind.CORRECTION, day(on), about, items, reason))
