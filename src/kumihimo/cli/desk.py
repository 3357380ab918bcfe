"""`kumihimo find`, `kumihimo inquire`, `kumihimo import`: what a caseworker's system does, from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from kumihimo.cli.progress import console
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.domain.kernel import Address, FourItems, PersonName, Problem, Sex, fiscal_year, parse_date
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquired
from kumihimo.roles.gateway.service.imports import RejectedRow, read_copies

CountryFolder = Annotated[Path, typer.Option("--country", help="The folder of a running country.")]
BATCH = 1_000


def inquire(
    requester: Annotated[str, typer.Option("--from", help="Who asks, such as x-city.")],
    about: Annotated[str, typer.Option(help="Addressee number in the asker's own ledger; see `kumihimo find`.")],
    provider: Annotated[str, typer.Option("--to", help="Who is asked, such as y-city.")],
    affair: Annotated[str, typer.Option(help="The legal task, such as child-allowance.payment; see `kumihimo rules`.")],
    item: Annotated[list[str], typer.Option(help="What is asked for, such as local-tax; may be given again.")],
    country: CountryFolder = Path(".demo"),
    year: Annotated[
        str | None, typer.Option(help="Fiscal year (年度) such as 2026 or 令和8年度; else this one.")
    ] = None,
    staff: Annotated[str, typer.Option(help="The staff member in whose name it is asked.")] = STAFF,
    case: Annotated[
        str, typer.Option(help="Reference of the case; only its salted hash leaves the house.")
    ] = "手動照会",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Ask another institution about somebody, as the law allows; status 0 when provided, 1 otherwise."""
    here = Country.open(country)
    asked_year = fiscal_year(here.founded) if year is None else fiscal_year(_start_of(year))
    answer = Desk.of(here, requester).inquire(
        staff=staff, case=case, addressee_number=about, provider=provider, affair=affair, items=tuple(item),
        period=Period(since=asked_year.start, until=asked_year.end),
    )  # fmt: skip
    if as_json:
        console.print_json(answer.model_dump_json())
    else:
        _print_answer(answer)
    if answer.outcome is not Outcome.PROVIDED:
        raise typer.Exit(1)


def _start_of(year: str) -> date:
    text = year.removesuffix("年度")
    if text.isascii() and text.isdigit() and len(text) == 4:
        return date(int(text), 4, 1)
    return parse_date(f"{text}年4月1日")


def _print_answer(answer: Inquired) -> None:
    console.print(f"[bold]{answer.outcome.value}[/]  transaction {answer.transaction}  log entry {answer.log_index}")
    if answer.refusal is not None:
        console.print(f"  {answer.refusal.reason_ja}\n  {answer.refusal.reason_en}", markup=False)
        console.print(f"  {answer.refusal.code}; nearest rule: {answer.refusal.article or '-'}", markup=False)
    for one in answer.items:
        until = one.valid_until or "still"
        table = Table(f"{one.item}", f"{one.valid_from} to {until}", box=None)
        for key, value in one.body.items():
            table.add_row(f"  {key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        console.print(table)


def find(
    institution: Annotated[str, typer.Option("--in", help="Whose ledger, such as x-city.")],
    name: Annotated[str, typer.Option(help="Family and given name with a space, such as '総務 花子'.")],
    birth: Annotated[str, typer.Option(help="Date of birth, such as 昭和50年1月1日 or 1975-01-01.")],
    sex: Annotated[str, typer.Option(help="男 or 女.")],
    address: Annotated[str, typer.Option(help="Prefecture, municipality and the rest with spaces.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Find somebody's addressee number in an institution's ledger by the four items (exact after normalisation)."""
    parts = address.split()
    if len(parts) < 3:
        raise Problem("address.empty", repr(address), where="--address", expected="such as '甲県 X市 中央1丁目2番3号'")
    place = Address(parts[0], parts[1], parts[2], " ".join(parts[3:]))
    items = FourItems(PersonName.from_full(name), place, parse_date(birth, "--birth"), Sex.parse(sex, "--sex"))
    found = Desk.of(Country.open(country), institution).find(items)
    alive = "" if found.alive else "  (died)"
    console.print(f"{found.addressee_number}  Individual Number {found.masked_number}{alive}", markup=False)


def import_copies(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8 or CP932) or JSON from a business system.")],
    institution: Annotated[str, typer.Option("--into", help="Whose exchange, such as y-city.")],
    item: Annotated[str, typer.Option(help="Which information item, such as local-tax.")],
    country: CountryFolder = Path(".demo"),
    report: Annotated[Path | None, typer.Option(help="Write every rejected row to this CSV file.")] = None,
) -> None:
    """Place copies (副本) of an information item; every rejected row is reported, the others are placed."""
    read = read_copies(file, item)
    desk = Desk.of(Country.open(country), institution)
    placed = 0
    faults = list(read.rejected)
    for start in range(0, len(read.accepted), BATCH):
        reply = desk.place_copies(read.accepted[start : start + BATCH])
        placed += reply.placed
        faults += [
            RejectedRow(read.lines[start + one.position], "copy", one.reason, f"what the exchange accepts [{one.code}]")
            for one in reply.rejected
        ]
    whole = replace(read, rejected=tuple(faults))
    console.print(f"{placed} placed, {whole.rejected_rows} rows rejected")
    for line in whole.to_text().splitlines()[:20]:
        console.print(f"  {line}", markup=False)
    if report is not None:
        report.write_text(whole.to_csv())
        console.print(f"Every fault is in {report}.")
    if faults:
        raise typer.Exit(1)
