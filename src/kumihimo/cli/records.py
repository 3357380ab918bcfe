"""`kumihimo records`, `kumihimo portal …`, `kumihimo corporate-number`: what is kept, and who looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.progress import console
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import JAPAN

portal = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a running country.")]
Institution = Annotated[str, typer.Option("--in", help="Whose records, such as x-city.")]


def records(
    institution: Institution,
    about: Annotated[str | None, typer.Option(help="Only those about this addressee number.")] = None,
    transaction: Annotated[str | None, typer.Option(help="Only those of this transaction number.")] = None,
    country: CountryFolder = Path(".demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """An institution's own access records (情報提供等記録).

    Of the inquiries it made and of those it answered, newest first.
    """
    found = Desk.of(Country.open(country), institution).records(about, transaction)
    if as_json:
        console.print_json(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    for one in found:
        asked = f"asked {one.provider}" if one.side == "requester" else f"answered {one.requester}"
        outcome = one.outcome.value if one.outcome else f"ended in {one.problem}"
        index = "" if one.log_index is None else f", log entry {one.log_index}"
        console.print(
            f"{one.requested_at.astimezone(JAPAN):%Y-%m-%d %H:%M:%S}  {asked} for {one.affair}: {', '.join(one.items)};"
            f" {outcome}{index}, transaction {one.transaction}",
            markup=False,
        )
    console.print(f"{len(found)} records")


@portal.command("open")
def open_account(
    institution: Annotated[str, typer.Option("--in", help="The municipality at whose counter it is opened.")],
    about: Annotated[str, typer.Option(help="Addressee number of the resident, identified at the counter.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Open an account for a resident at a counter.

    The municipality has identified the resident; the card will do so once there is one.
    """
    console.print(Desk.of(Country.open(country), institution).open_portal_account(about))


@portal.command()
def accesses(
    account: Annotated[str, typer.Option(help="The account, as `kumihimo portal open` printed it.")],
    country: CountryFolder = Path(".demo"),
    proofs: Annotated[Path | None, typer.Option(help="Write the proof files into this folder.")] = None,
) -> None:
    """Every access to a resident's information, newest first.

    As sentences in Japanese and English; with proofs for `kumihimo log verify-proof`.
    """
    shown = ResidentsBrowser.of(Country.open(country)).accesses(account)
    for one in shown:
        console.print(f"{one.sentence_ja}\n{one.sentence_en}\n", markup=False)
        for name, proof in ((one.transaction, one.proof), (f"{one.transaction}.outcome", one.outcome_proof)):
            if proofs is not None and proof is not None:
                proofs.mkdir(parents=True, exist_ok=True)
                (proofs / f"{name}.json").write_text(proof + "\n")
    console.print(f"{len(shown)} accesses")


def corporate_number(
    name: Annotated[str, typer.Option(help="Registered name of the body.")],
    seat: Annotated[str, typer.Option(help="Its registered seat.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """The Corporate Number (法人番号) of a body.

    It is assigned on the tax office's request when the body has none.
    """
    reply = Desk.of(Country.open(country), "tax-office").corporate_number(name, seat)
    console.print(f"{reply.corporate_number}  {'newly assigned' if reply.newly else 'had it already'}")
