"""`kumihimo oversight audit`, `audits`: opening audits (開示監査), whom inquiries were really about."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from kumihimo.cli import oversight
from kumihimo.cli.oversight import CountryFolder, Reason
from kumihimo.cli.problems import writing
from kumihimo.cli.progress import PROGRAM, console
from kumihimo.country.auditor import Auditor, Found, inconsistent
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import JAPAN, Problem
from kumihimo.plumbing.wire.messages.audits import Audited, AuditShown, Verdict

app = oversight.app
Save = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write each signed finding and its proof file here.")]
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_MEANINGS = {
    Verdict.OPENED: "code and randomness give the logged hash",
    Verdict.CONTRADICTED: "what was opened is not what was logged: the institution claims what it did not ask",
    Verdict.REFUSED: "the institution did not open it",
    Verdict.LATE: "no answer by the day of the order",
}


@app.command()
def audit(
    institution: Annotated[str, typer.Argument(metavar="INSTITUTION", help="Who asked, such as x-city.")],
    transactions: Annotated[
        list[str], typer.Argument(metavar="TRANSACTION…", help="Transaction numbers; in a batch TRANSACTION/PLACE.")
    ],
    reason: Reason,
    disclose: Annotated[
        bool, typer.Option("--disclose", help="Have addressee number and case reference sealed to you.")
    ] = False,
    within: Annotated[str, typer.Option(help="How long the institution has: a number and m, h or d.")] = "3d",
    wait: Annotated[float, typer.Option(help="Seconds to wait here for the finding.")] = 30.0,
    save: Save = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Order an institution to open inquiries, and judge them.

    It must show link code and randomness that give the hash in the log. The order is logged, and both operators see it.
    Status 0 only when everything was opened and nothing contradicts itself.
    """
    auditor = Auditor.of(Country.open(country))
    inquiries = tuple(_audited(text) for text in transactions)
    given = auditor.audit(institution, inquiries, reason, _duration(within), disclose)
    console.print(f"Order {given.number}: seen by {', '.join(given.in_force) or 'no operator yet'}.", markup=False)
    found = auditor.concluded(given.number, wait)
    if found is None:
        console.print(f"No finding yet; see `{PROGRAM} oversight audits --number {given.number}`.", markup=False)
        raise typer.Exit(1)
    if not _show(auditor, found, save):
        raise typer.Exit(1)


@app.command()
def audits(
    number: Annotated[int | None, typer.Option(help="The order's number; all audits when not given.")] = None,
    save: Save = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Audits ordered and what was found.

    Status 1 when something was not opened, contradicts itself, or is still awaited.
    """
    auditor = Auditor.of(Country.open(country))
    shown = auditor.audits(number)
    held = [_show(auditor, one, save) for one in shown]
    console.print(f"{len(shown)} audits" if len(shown) != 1 else "1 audit")
    if not all(held):
        raise typer.Exit(1)


def _show(auditor: Auditor, audit: AuditShown, save: Path | None) -> bool:
    """Print an audit; whether all of it was opened and agrees with itself."""
    due = audit.demanded.due_at.astimezone(JAPAN)
    console.print(
        f"Order {audit.number}  {audit.institution}  until {due:%Y-%m-%d %H:%M}: {audit.reason}", markup=False
    )
    if not audit.concluded:
        console.print(f"  {len(audit.demanded.inquiries)} inquiries, no answer yet")
        return False
    found = auditor.read(audit)
    for one in found:
        _print(one)
        if save is not None:
            _save(save, one)
    contradictory = inconsistent(found)
    if contradictory:
        console.print("  The addressees disclosed and the codes opened contradict each other.")
    return not contradictory and all(one.finding.verdict is Verdict.OPENED for one in found)


def _print(found: Found) -> None:
    finding = found.finding
    place = f"/{finding.inquiry.position}" if finding.inquiry.position else ""
    why = f" [{finding.problem}]" if finding.problem else ""
    meaning = _MEANINGS[finding.verdict]
    console.print(
        f"  {finding.inquiry.transaction}{place}  log entry {finding.log_index}  {finding.verdict.value}: {meaning}{why}",
        markup=False,
    )
    if finding.verdict is Verdict.OPENED:
        held = "held there today" if finding.held else "not held there any more (re-coded or rotated since)"
        console.print(f"    person {finding.person} of this order; the code is {held}", markup=False)
    if found.addressee is not None:
        whom = found.addressee
        console.print(f"    addressee {whom.addressee_number}, case 「{whom.case_reference}」", markup=False)


def _save(folder: Path, found: Found) -> None:
    finding = found.finding
    name = f"{finding.number}-{finding.inquiry.transaction}-{finding.inquiry.position}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.finding.json").write_text(found.envelope.model_dump_json())
        (folder / f"{name}.proof.json").write_text(finding.proof)


def _audited(text: str) -> Audited:
    transaction, _, place = text.partition("/")
    try:
        return Audited(transaction=transaction, position=int(place or 0))
    except (ValidationError, ValueError):
        raise Problem(
            "value.invalid", "not a transaction number", where="TRANSACTION",
            expected="32 hexadecimal digits as `kumihimo records` shows them, in a batch with /PLACE",
        ) from None  # fmt: skip


def _duration(text: str) -> timedelta:
    if not re.fullmatch(r"[0-9]{1,6}[mhd]", text):
        raise Problem("value.invalid", repr(text), where="--within", expected="a number and m, h or d, such as 3d")
    return int(text[:-1]) * _UNITS[text[-1]]
