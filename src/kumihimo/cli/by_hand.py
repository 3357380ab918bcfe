"""`kumihimo protect`, `kumihimo pending …`, `kumihimo fetch`: flags, answers by hand, and fetching them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from kumihimo.cli.desk import print_answer
from kumihimo.cli.progress import console
from kumihimo.country.by_hand import EVERY_ITEM, OfficersDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.domain.kernel import JAPAN, Problem
from kumihimo.plumbing.wire.envelope import malformed
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import DatedItem

pending = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
Institution = Annotated[str, typer.Option("--in", help="Whose exchange, such as y-city.")]
Staff = Annotated[str, typer.Option(help="The staff member in whose name it is done.")]
Transaction = Annotated[str, typer.Option(help="The transaction number (処理通番).")]


def protect(
    institution: Institution,
    about: Annotated[str, typer.Option(help="Addressee number in the institution's own ledger.")],
    kind: Annotated[FlagKind, typer.Option(help="What stands before a release.")],
    item: Annotated[str, typer.Option(help="Only before this information item; else before every one.")] = EVERY_ITEM,
    lift: Annotated[bool, typer.Option("--lift", help="Take the flag away instead.")] = False,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Protect somebody's data (支援措置・不開示・自動応答不可), or lift that.

    Prints the flags that stand then.
    """
    desk = OfficersDesk.of(Country.open(country), institution)
    standing = desk.lift(about, kind, item) if lift else desk.protect(about, kind, item)
    for one in standing:
        console.print(f"{one.flag}  {'every item' if one.item == EVERY_ITEM else one.item}", markup=False)
    console.print(f"{len(standing)} flags")


@pending.command("list")
def list_pending(institution: Institution, country: CountryFolder = Path(".demo")) -> None:
    """Inquiries of others that wait for a person.

    The one due first first; status 1 when one is overdue.
    """
    waiting = OfficersDesk.of(Country.open(country), institution).pending()
    for one in waiting:
        due = f"{one.due_at.astimezone(JAPAN):%Y-%m-%d %H:%M}"
        console.print(
            f"{one.transaction}  {'OVERDUE since' if one.overdue else 'due'} {due}  {one.requester} asks about"
            f" {one.addressee_number} for {one.affair}: {', '.join(one.items)}",
            markup=False,
        )
    console.print(f"{len(waiting)} waiting, {sum(one.overdue for one in waiting)} overdue")
    if any(one.overdue for one in waiting):
        raise typer.Exit(1)


@pending.command()
def answer(
    institution: Institution,
    transaction: Transaction,
    items: Annotated[
        Path | None, typer.Option(help="JSON list of items (item, valid_from, valid_until, body); else the copies.")
    ] = None,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Answer from the copies as held, or with corrected items."""
    given = None if items is None else read_items(items)
    outcome = OfficersDesk.of(Country.open(country), institution).answer(staff, transaction, given)
    console.print(f"{transaction}  {outcome.value} once the requester fetches it", markup=False)


@pending.command()
def refuse(
    institution: Institution,
    transaction: Transaction,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Withhold the answer; no reason is told."""
    outcome = OfficersDesk.of(Country.open(country), institution).withhold(staff, transaction)
    console.print(f"{transaction}  {outcome.value} once the requester fetches it", markup=False)


def fetch(
    requester: Annotated[str, typer.Option("--from", help="Who asked, such as x-city.")],
    transaction: Transaction,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Fetch an answer that was pending or cut off.

    Status 0 when provided, 1 otherwise.
    """
    answered = OfficersDesk.of(Country.open(country), requester).fetch(staff, transaction)
    if as_json:
        console.print_json(answered.model_dump_json())
    else:
        print_answer(answered)
    if answered.outcome is not Outcome.PROVIDED:
        raise typer.Exit(1)


def read_items(file: Path) -> tuple[DatedItem, ...]:
    """Items out of a JSON file. Raises Problem(file.unreadable, message.malformed)."""
    try:
        return TypeAdapter(tuple[DatedItem, ...]).validate_json(file.read_bytes())
    except OSError as error:
        raise Problem("file.unreadable", error.strerror or "unreadable", where=str(file)) from None
    except ValidationError as error:
        raise malformed(error, "list of items") from None
