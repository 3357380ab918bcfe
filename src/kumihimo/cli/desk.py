"""`kumihimo find`, `kumihimo inquire`, `kumihimo import`: what a caseworker's system does, from the command line."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.progress import PROGRAM, console
from kumihimo.cli.reports import begin_report, write_report
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.running import BASIS
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.domain.kernel import (
    JAPAN,
    Address,
    FiscalYear,
    FourItems,
    PersonName,
    Problem,
    Sex,
    fiscal_year,
    parse_date,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import AsOf, CopiesPlaced, CopyOf, Inquired
from kumihimo.roles.gateway.service.imports import FAULT_COLUMNS, RejectedRow, read_copies

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
BATCH = 1_000
SHOWN_FAULTS = 20


def inquire(
    requester: Annotated[str, typer.Option("--from", help="Who asks, such as x-city.")],
    about: Annotated[str, typer.Option(help="Addressee number in the asker's own ledger; see `kumihimo find`.")],
    provider: Annotated[str, typer.Option("--to", help="Who is asked, such as y-city.")],
    affair: Annotated[str, typer.Option(help="The legal task, such as child-allowance.payment; see `kumihimo rules`.")],
    item: Annotated[list[str], typer.Option(help="What is asked for, such as local-tax; may be given again.")],
    country: CountryFolder = Path(".demo"),
    year: Annotated[
        str | None, typer.Option(help="Fiscal year (年度) such as 2026, 令和8年度 or R8; else that of the founding.")
    ] = None,
    staff: Annotated[str, typer.Option(help="The staff member in whose name it is asked.")] = STAFF,
    case: Annotated[
        str, typer.Option(help="Reference of the case; only its salted hash leaves the house.")
    ] = "手動照会",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Ask another institution about somebody, under the law.

    Status 0 when the information was provided, 1 otherwise. Every inquiry is logged and shown to the person.
    """
    here = Country.open(country)
    about_year = fiscal_year(here.founded) if year is None else asked_year(year)
    desk, asked = Desk.of(here, requester), Desk.of(here, provider)
    if asked == desk:
        raise Problem(
            "value.invalid", f"{provider} would ask itself", where="--to", expected="another institution",
            advice="What an institution holds itself is not asked for over the network.",
        )  # fmt: skip
    answer = desk.inquire(
        staff=staff, case=case, addressee_number=about, provider=provider, affair=affair, items=tuple(item),
        period=Period(since=about_year.start, until=about_year.end),
    )  # fmt: skip
    if as_json:
        console.print_json(answer.model_dump_json())
    else:
        print_answer(answer)
    if answer.outcome is not Outcome.PROVIDED:
        raise typer.Exit(1)


def asked_year(year: str) -> FiscalYear:
    """The fiscal year a caseworker names. The one in which an era changes has two names (平成31年度, 令和元年度)."""
    name = unicodedata.normalize("NFKC", year).strip().removesuffix("度").removesuffix("年")
    calendar_year = f"{int(name):04}年" if name.isascii() and name.isdigit() else f"{name}年"
    fault: Problem | None = None
    for day in ("4月1日", "12月31日"):
        try:
            return FiscalYear(parse_date(calendar_year + day).year)
        except Problem as problem:
            fault = fault or problem
    raise Problem(
        "date.impossible" if fault and fault.code == "date.impossible" else "date.format",
        f"{year!r} is no fiscal year", where="--year", expected="a fiscal year (年度) such as 2026, 令和8年度 or R8",
    )  # fmt: skip


_MEANINGS = {
    Outcome.PROVIDED: "the provider sent this",
    Outcome.NONE: "the provider holds no such information about this person for the period",
    Outcome.WITHHELD: "the provider withholds it; ask the provider in writing",
    Outcome.PENDING: "somebody at the provider has to look at it first; fetch it later by its transaction number",
    Outcome.UNDELIVERED: "the provider could not be reached; ask again later",
    Outcome.REFUSED: "the law does not allow this question, or it could not be understood",
}


def print_answer(answer: Inquired) -> None:
    """What came of an inquiry, for people."""
    console.print(f"[bold]{answer.outcome.value}[/]: {_MEANINGS[answer.outcome]}")
    console.print(f"  transaction {answer.transaction}, log entry {answer.log_index}")
    if answer.refusal is not None:
        nearest = f"; nearest rule: {answer.refusal.article}" if answer.refusal.article else ""
        console.print(f"  {answer.refusal.reason_ja}\n  {answer.refusal.reason_en}", markup=False)
        console.print(f"  code {answer.refusal.code}{nearest}", markup=False)
        if answer.refusal.code in ("affair.unknown", "item.unknown"):
            console.print(f"  `{PROGRAM} rules list` names the affairs and items of the Act", markup=False)
    for told in answer.as_of:
        console.print(f"  {told.item}: {_age(told)}", markup=False)
    for one in answer.items:
        console.print(f"  {one.item}, from {one.valid_from} until {one.valid_until or 'further notice'}")
        for key, value in one.body.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            console.print(f"    {key:24}{shown}", markup=False)


def _age(told: AsOf) -> str:
    if told.at is None:
        return "LATE: the provider's copies were never delivered whole; ask the provider whether they still hold"
    moment = f"as the provider had it on {told.at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
    return f"LATE: {moment}, older than it declares; ask the provider whether it still holds" if told.late else moment


def find(
    institution: Annotated[str, typer.Option("--in", help="Whose ledger, such as x-city.")],
    name: Annotated[str, typer.Option(help="Family and given name with a space, such as '総務 花子'.")],
    birth: Annotated[str, typer.Option(help="Date of birth, such as 昭和50年1月1日 or 1975-01-01.")],
    sex: Annotated[str, typer.Option(help="男 or 女.")],
    address: Annotated[str, typer.Option(help="Prefecture, municipality and the rest with spaces.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Find an addressee number by the four items.

    All four must be as the register has them; width of characters, spaces in names and ways to write a day do not matter.
    """
    parts = address.split()
    if len(parts) < 3:
        raise Problem(
            "value.invalid", f"{address!r} is not in three parts", where="--address",
            expected="prefecture, municipality and the rest with spaces between, such as '甲県 X市 中央1丁目2番3号'",
        )  # fmt: skip
    place = Address(parts[0], parts[1], parts[2], " ".join(parts[3:]))
    items = FourItems(PersonName.from_full(name), place, parse_date(birth, "--birth"), Sex.parse(sex, "--sex"))
    found = Desk.of(Country.open(country), institution).find(items)
    alive = "" if found.alive else "  (died)"
    console.print(f"{found.addressee_number}  Individual Number {found.masked_number}{alive}", markup=False)


def issue_codes(
    institution: Annotated[str, typer.Option("--in", help="Whose residents, such as x-city.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Have link codes issued for everybody who lacks one.

    Nobody can be asked about before; codes arrive within seconds. `kumihimo country up` does it for all at its start.
    """
    asked = Desk.of(Country.open(country), institution).issue_missing_codes(BASIS).requested
    console.print(f"{_count(asked, 'link code')} asked for")


def import_copies(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV (UTF-8 or CP932) or JSON from a business system.")],
    institution: Annotated[str, typer.Option("--into", help="Whose exchange, such as y-city.")],
    item: Annotated[str, typer.Option(help="Which information item, such as local-tax.")],
    country: CountryFolder = Path(".demo"),
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write every fault of every rejected row here.")
    ] = None,
) -> None:
    """Place copies (副本) of an information item.

    Every row that is wrong is reported with all that is wrong with it, and the others are placed; status 1 when a row was
    rejected. Columns: addressee_number, valid_from, valid_until, then the keys of the item.
    """
    read = read_copies(file, item)
    desk = Desk.of(Country.open(country), institution)
    begin_report(report)
    placed, faults = 0, list(read.rejected)
    for start in range(0, len(read.accepted), BATCH):
        batch = read.accepted[start : start + BATCH]
        reply = _place(desk, batch, placed, len(read.accepted) - start - len(batch))
        placed += reply.placed
        faults += [
            RejectedRow(read.lines[start + one.position], "copy", one.reason, f"what the exchange accepts [{one.code}]")
            for one in reply.rejected
        ]
    whole = replace(read, rejected=tuple(sorted(faults, key=lambda fault: fault.line)))
    console.print(f"{placed} placed, {_count(whole.rejected_rows, 'row')} rejected")
    for fault in whole.rejected[:SHOWN_FAULTS]:
        field = f"{fault.field}: " if fault.field else ""
        console.print(f"  {file.name}:{fault.line}: {field}{fault.what}, expected {fault.expected}", markup=False)
    if len(whole.rejected) > SHOWN_FAULTS:
        more = len(whole.rejected) - SHOWN_FAULTS
        console.print(f"  and {_count(more, 'fault')} more" + ("" if report else "; --report FILE.csv writes them all"))
    write_report(report, FAULT_COLUMNS, whole.fault_rows())
    if faults:
        raise typer.Exit(1)


def _place(desk: Desk, copies: tuple[CopyOf, ...], placed: int, waiting: int) -> CopiesPlaced:
    try:
        return desk.place_copies(copies, waiting)
    except Problem as problem:
        if not placed:
            raise
        raise Problem(
            problem.code, f"{problem.detail}; {placed} copies were placed before", where=problem.where,
            expected=problem.expected, advice="Import the same file again: a copy placed twice is there once.",
        ) from problem  # fmt: skip


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
