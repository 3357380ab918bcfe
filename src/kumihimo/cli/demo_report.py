"""What the first case shows (結果の表示): the answer, the rule, what every party holds of it, the resident's view, the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Column, Table

from kumihimo.cli.progress import PROGRAM, console
from kumihimo.country import topology
from kumihimo.country.card_pins import DEMO_PINS
from kumihimo.country.files import site_origin
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, FirstCase, matrix
from kumihimo.domain.kernel import JAPAN, PartyId, format_both
from kumihimo.plumbing.wire.directory import PinnedKeys
from kumihimo.plumbing.wire.envelope import open_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.inquiry import Permit

# What is looked for in every store, and how the columns are headed.
_COLUMNS = (
    ("number", "number"),
    ("name", "name"),
    ("code_x", "code X"),
    ("code_y", "code Y"),
    ("code_portal", "code P"),
    ("tax", "tax"),
    ("transaction", "transaction"),
)
_LEGEND = (
    "number 個人番号; name 氏名; code X, Y, P: the link code (符号) of X市, Y市, the portal; tax: an amount of the answer",
    "transaction 処理通番: ties request, permit, answer and records of one access together, and names nobody",
)


def print_report(country: Country, case: FirstCase) -> None:
    """Print the case, party by party. Raises Problem where the permit does not hold."""
    _case(case)
    _permit(country, case)
    _answer(case)
    _refusal(case)
    _matrix(country, case)
    _resident(country, case)


def print_notice(country: Country, notice: dict[str, Any]) -> None:
    """What X市 wrote to 花子, and how its staff look at it."""
    _heading("7. X市 tells 花子 what came of it")
    console.print(
        f"  notice {notice['reference']}: {notice['delivered']} delivered; neither operator saw it pass\n"
        f"  {PROGRAM} notice show {notice['reference']} --in x-city --country {country.folder}",
        markup=False,
    )


def print_portal(country: Country, serial: str) -> None:
    """Where residents log in, and a card to try it with."""
    _heading("8. My Portal")
    pins = DEMO_PINS
    console.print(f"  {site_origin(country)}  (its certificate is self-signed: the browser warns)")
    console.print(f"  総務花子's card: {serial}; PIN {pins.authentication}, to sign {pins.signature}", markup=False)
    console.print(
        f"  {PROGRAM} card install-browser --country {country.folder}\n"
        f"  {PROGRAM} card insert {serial} --country {country.folder}"
    )


def _heading(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def _case(case: FirstCase) -> None:
    _heading("1. The case")
    person = case.person
    console.print(f"  {person.name.display} ({person.name.reading}), {person.sex.label}, {format_both(person.birth)}")
    console.print(f"  now living at {person.address.display}; lived in Y市 until this year")
    console.print(f"  X市 handles「{CASE}」({AFFAIR}); addressee number {case.addressee.addressee_number}")


def _permit(country: Country, case: FirstCase) -> None:
    _heading("2. The permit: a rule, a log entry, two signatures")
    envelope = case.granted.permit
    assert envelope is not None  # noqa: S101 - a provided answer has its permit
    keys = PinnedKeys(Identity(topology.HUB_1, country.keys(topology.HUB_1)).anchors())
    permit = open_envelope(envelope, Permit, keys, topology.HUB_1, topology.HUB_2).value
    for article, rule in zip(permit.articles, permit.rules, strict=True):
        console.print(f"  {article}  (rule {rule})", markup=False)
    console.print(f"  rule book SHA-256 {permit.rule_book}")
    console.print(f"  log entry {permit.log_index}, transaction {permit.transaction}")
    console.print(
        f"  signed by {' and '.join(envelope.signers())}; both signatures verified;"
        f" expires {permit.expires_at.astimezone(JAPAN):%Y-%m-%d %H:%M:%S} JST"
    )


def _answer(case: FirstCase) -> None:
    _heading("3. The answer: local tax from Y市, sealed for X市, no income certificate needed")
    for one in case.granted.items:
        console.print(f"  {one.item}, from {one.valid_from} until {one.valid_until or 'further notice'}")
        for key, value in one.body.items():
            shown = f"{value:,}" if isinstance(value, int) else value
            console.print(f"    {key:32}{shown}", markup=False)


def _refusal(case: FirstCase) -> None:
    _heading("4. A question the law does not allow")
    refusal = case.refused.refusal
    assert refusal is not None  # noqa: S101 - a refused inquiry says why
    console.print("  X市 asks the health insurer for medical insurance, for the same child-allowance case: refused")
    console.print(f"  {refusal.reason_ja}\n  {refusal.reason_en}", markup=False)
    console.print(f"  code {refusal.code}; log entry {case.refused.log_index}", markup=False)


def _matrix(country: Country, case: FirstCase) -> None:
    _heading("5. Who holds what of this person and case (found by searching every store and log file on disk)")
    found = matrix(country, case)
    table = Table(Column("  party", no_wrap=True), box=None, header_style="", padding=(0, 1, 0, 0))
    for _, title in _COLUMNS:
        table.add_column(title, no_wrap=True, justify="center")
    silent: list[PartyId] = []
    for service in country.services():
        marks = ["●" if service.party in found[name] else "·" for name, _ in _COLUMNS]
        if "●" not in marks:
            silent.append(service.party)
            continue
        table.add_row(f"  {service.party}", *marks)
    console.print(table)
    for line in _LEGEND:
        console.print(f"  {line}")
    console.print(f"  nothing at all: {', '.join(silent)}")
    for role in dict.fromkeys(service.role for service in topology.services()):
        boundary = next(one.boundary for one in topology.services() if one.role is role)
        console.print(f"  {boundary.name.en}: knows {boundary.knows.en}; never learns {boundary.never_learns.en}.")


def _resident(country: Country, case: FirstCase) -> None:
    _heading("6. What 花子 sees in her portal, each with its proof")
    for access in case.accesses:
        console.print(f"  {access.sentence_ja}\n  {access.sentence_en}", markup=False)
    folder = country.folder / "proofs"
    folder.mkdir(exist_ok=True)
    for access in case.accesses:
        if access.proof is not None:
            _write(folder / f"{access.transaction}.json", access.proof)
        if access.outcome_proof is not None:
            _write(folder / f"{access.transaction}.outcome.json", access.outcome_proof)
    console.print(
        f"  {len(case.verified)} proofs verified offline against the log's and the witness's keys. The files are in {folder};"
        " to verify one again:"
    )
    first = case.accesses[0].transaction
    keys = f'--log-key "$(cat {country.folder}/log.vkey)" --witness-key "$(cat {country.folder}/witness.vkey)"'
    console.print(f"  {PROGRAM} log verify-proof {folder / first}.json {keys}", markup=False)


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n")
