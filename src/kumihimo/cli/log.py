"""`kumihimo log` (監査台帳): look at the log and check what it proves."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from kumihimo.cli.problems import print_problem, printable
from kumihimo.country.desk import expected_up
from kumihimo.country.layout import Country
from kumihimo.country.log_check import contradiction, notes_in, verify_log
from kumihimo.domain.kernel.clock import JAPAN
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.access_proof import AccessProof, Record, VerifiedRecord, verify_access_proof
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.proof import Trust

_VERIFIED = "Verified: this record stands in the log, unaltered."
_SELF_CONSISTENT = "The file agrees with itself. Whose log it comes from was NOT checked."

app = typer.Typer(no_args_is_help=True, help="The log of all requests: look at it and check what it proves.")


@app.callback()
def log() -> None:
    """The log of all requests: look at it and check what it proves."""


@app.command("verify-proof")
def verify_proof(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An access proof as the portal gives it to its resident.")
    ],
    log_key: Annotated[
        str | None, typer.Option(metavar="VKEY", help="The log's public key, known from elsewhere than the file.")
    ] = None,
    witness_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VKEY", help="A witness's public key; repeat for several, all of which must have cosigned."
        ),
    ] = None,
) -> None:
    """Check that an access record stands in the log.

    Without a network: the file, the log's key and its witness's key are all it takes.
    """
    try:
        proof = AccessProof.parse(_read(file))
        claimed = proof.claimed_trust()
        trust = Trust.in_all(
            _key(log_key, "--log-key") if log_key else claimed.log_key,
            [_key(key, "--witness-key") for key in witness_key] if witness_key else claimed.witness_keys,
        )
        verified = verify_access_proof(proof, trust)
    except Problem as problem:
        typer.echo("Not verified.", err=True)
        print_problem(problem)
        raise typer.Exit(1) from problem
    trusted = bool(log_key or witness_key)
    typer.echo(_VERIFIED if trusted else _SELF_CONSISTENT)
    for line in ("", *_report(verified), "", *_whose_keys(log_key is not None, bool(witness_key))):
        typer.echo(line)


@app.command("verify")
def verify(
    country: Annotated[Path, typer.Option(metavar="DIR", help="The folder of a running country.")] = Path(".demo"),
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Signed checkpoints from elsewhere, which must fit this log.")
    ] = None,
) -> None:
    """Verify the whole log of a running country.

    Signatures, all entries, tiles, and that it goes on from what was verified the last time.
    """
    here = Country.open(country)
    notes = notes_in(_read(against).decode(errors="replace")) if against is not None else ()
    _require_no_contradiction(here, notes)
    with expected_up(here):
        verified = verify_log(here, notes)
    typer.echo(f"Verified: {verified.size} entries give the root {verified.root}.")
    typer.echo(f"The checkpoint is signed by the log and cosigned by {verified.witnesses} of its witnesses.")
    if verified.seen_before is None:
        typer.echo("This is the first look at this log; the next one will show that nothing was rewritten since.")
    else:
        typer.echo(f"The {verified.seen_before} entries verified the last time are all still there, unaltered.")


def _require_no_contradiction(country: Country, notes: tuple[str, ...]) -> None:
    both = contradiction(country, notes)
    if both is not None:
        raise Problem(
            "log.inconsistent", f"the log has signed both: {both}", where="--against",
            advice="This file proves it to anybody who has the log's public key. Keep it.",
        )  # fmt: skip


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Problem(
            "file.unreadable",
            f"{file}: {error.strerror}",
            expected="an access proof (JSON)",
            advice="Give the path of the file the portal handed out.",
        ) from error


def _report(verified: VerifiedRecord) -> list[str]:
    checkpoint = verified.checkpoint
    sentence = _sentence(verified.record)
    lines = [sentence, ""] if sentence else []
    lines += [
        f"  {_shown(name)}: {_shown(value)}" for name, value in verified.record.items() if value not in (None, [])
    ]
    lines += [
        "",
        f"Place:    index {verified.index} (counted from 0) in a log of {checkpoint.size} entries",
        f"Log:      {checkpoint.origin}, key {verified.log_key.key_id.hex()}",
        f"Root:     {checkpoint.root.hex()}",
    ]
    for witness in verified.witnesses:
        at = f" on {_japan_time(witness.at)}" if witness.at else ""
        lines.append(f"Witness:  {witness.key.name}, key {witness.key.key_id.hex()}, cosigned the checkpoint{at}")
    if not verified.witnesses:
        lines.append("Witness:  none. Nobody but the log itself vouches for this checkpoint, and it states no time.")
    return lines


def _sentence(record: Record) -> str | None:
    if not (record.get("requester") and record.get("provider")):
        return None
    at = record.get("requested_at") or record.get("logged_at")
    when = f"On {_when(at)} " if at else ""
    items = f" for {_shown(record['items'])}" if record.get("items") else ""
    affair = f", for the affair {_shown(record['affair'])}" if record.get("affair") else ""
    granted = {True: "; it was granted", False: "; it was refused"}
    answer = granted[record["granted"] is True] if isinstance(record.get("granted"), bool) else ""
    if record.get("outcome"):
        answer = f"; the outcome was: {_shown(record['outcome'])}"
    articles = f" ({_shown(record['articles'])})" if record.get("articles") else ""
    return f"{when}{_shown(record['requester'])} asked {_shown(record['provider'])}{items}{affair}{answer}{articles}."


def _whose_keys(log_key_given: bool, witness_key_given: bool) -> list[str]:
    if log_key_given and witness_key_given:
        return ["Checked against the keys you gave."]
    if not (log_key_given or witness_key_given):
        return [
            "WARNING: all keys were taken from the file itself. This shows only that the file agrees with itself, not that",
            "it comes from the real log. Give --log-key and --witness-key, known from elsewhere, to know that.",
        ]
    missing, option = ("witness keys", "--witness-key") if log_key_given else ("log key", "--log-key")
    return [
        f"WARNING: the {missing} came from the file itself and proves nothing alone; give {option} to check it too."
    ]


def _japan_time(at: datetime) -> str:
    return at.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M:%S JST")


def _shown(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _when(value: JsonValue) -> str:
    """A time in Japan; a file from elsewhere may hold anything in its place, which is then shown as it is."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return _shown(value)
    return _shown(value) if at.tzinfo is None else _japan_time(at)


def _key(text: str, option: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text.strip())
    except Problem as problem:
        raise Problem(
            problem.code, problem.detail, where=option, expected="a key as it stands in DIR/log.vkey or DIR/witness.vkey",
            advice="Give the text of the key, not the name of its file: \"$(cat FILE)\".",
        ) from None  # fmt: skip
