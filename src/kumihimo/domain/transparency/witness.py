"""Witness (立会人): what the oversight body (第三者機関) decides when a log asks it to cosign (C2SP tlog-witness).

A witness remembers, per log, only the newest state it has cosigned, and cosigns another one only when it is shown to
contain that state unchanged. A log that shows different histories to different people (split view) is found out so. The
decision is pure; whoever calls it must persist the accepted state, atomically with the check, before giving away the
cosignature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import OpenedCheckpoint, open_checkpoint, parse_size
from kumihimo.domain.transparency.merkle import EMPTY_ROOT, verify_consistency
from kumihimo.domain.transparency.note import NoteKey, NoteSignature, VerifierKey, decode64, encode64

MAX_PROOF_LINES: Final = 63


@dataclass(frozen=True)
class WitnessedState:
    """The newest state of one log that the witness has cosigned: number of entries and 32-byte root."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True)
class Accepted:
    """The witness cosigns: persist `state` for `origin`, then answer with the cosignature line."""

    origin: str
    state: WitnessedState
    cosignature: NoteSignature
    checkpoint: OpenedCheckpoint


@dataclass(eq=False)
class WitnessRefusal(Problem):
    """A refusal, with the HTTP status C2SP tlog-witness prescribes for it.

    `stored_size` is set when the log named another old size: the answer's body is then that number and a newline, with
    content type `text/x.tlog.size`. `checkpoint` is set when the log's signature held: together with the stored state it
    may prove misbehaviour of the log, so keep it.
    """

    witness_status: int = 400
    stored_size: int | None = None
    checkpoint: OpenedCheckpoint | None = None


@dataclass(frozen=True)
class AddCheckpoint:
    """The body of `POST /add-checkpoint`: old size, consistency proof from it, signed checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: str

    @classmethod
    def parse(cls, body: str) -> AddCheckpoint:
        """Read a request body strictly. Raises Problem message.malformed."""
        head, blank, checkpoint = body.partition("\n\n")
        first, *lines = head.split("\n")
        if not blank or not first.startswith("old "):
            raise _malformed("no 'old' line or no blank line", "'old <size>', proof lines, a blank line, a checkpoint")
        if len(lines) > MAX_PROOF_LINES:
            raise _malformed(f"{len(lines)} proof lines", f"at most {MAX_PROOF_LINES}")
        try:
            old_size = parse_size(first.removeprefix("old "))
        except Problem as problem:
            raise _malformed(problem.detail, "'old <size>'") from problem
        return cls(old_size, tuple(decode64(line, "consistency proof") for line in lines), checkpoint)

    def __str__(self) -> str:
        proof = "".join(f"{encode64(value)}\n" for value in self.proof)
        return f"old {self.old_size}\n{proof}\n{self.checkpoint}"


def decide(
    request: AddCheckpoint,
    log_keys: Mapping[str, VerifierKey],
    stored: Mapping[str, WitnessedState],
    signer: NoteKey,
    at: datetime,
) -> Accepted:
    """Whether a witness cosigns a checkpoint, in the order of checks of C2SP tlog-witness.

    `log_keys` and `stored` are by origin; a log without a stored state has never been cosigned. Raises WitnessRefusal:
    log.checkpoint_invalid (cannot be read; old size above the new), log.origin_unknown, message.wrong_signer,
    log.old_size_differs (with the stored size), log.inconsistent (the log does not show that it only appended).
    """
    origin = request.checkpoint.partition("\n")[0]
    log_key = log_keys.get(origin)
    if log_key is None:
        raise WitnessRefusal(
            "log.origin_unknown",
            f"{origin[:80]!r}",
            where="checkpoint",
            expected=" or ".join(log_keys) or "a log this witness watches",
            witness_status=404,
        )
    opened = _open(request.checkpoint, log_key)
    new = opened.checkpoint
    if request.old_size > new.size:
        raise WitnessRefusal(
            "log.checkpoint_invalid",
            f"old size {request.old_size} above the checkpoint's {new.size}",
            where="old",
            witness_status=400,
        )
    state = stored.get(origin, WitnessedState())
    if request.old_size != state.size:
        raise WitnessRefusal(
            "log.old_size_differs",
            f"old size {request.old_size}",
            where="old",
            expected=f"{state.size}, the newest size cosigned here",
            advice="Send the consistency proof from that size.",
            witness_status=409,
            stored_size=state.size,
            checkpoint=opened,
        )
    try:
        verify_consistency(state.size, state.root, new.size, new.root, request.proof)
    except Problem as problem:
        raise WitnessRefusal(
            "log.inconsistent",
            problem.detail,
            where=problem.where,
            expected=problem.expected,
            advice="Keep the refused checkpoint beside the stored state: the log has signed both.",
            witness_status=409 if state.size == new.size and state.root != new.root else 422,
            checkpoint=opened,
        ) from problem
    return Accepted(origin, WitnessedState(new.size, new.root), signer.cosign(new.text, at), opened)


def parse_cosignatures(answer: str) -> tuple[NoteSignature, ...]:
    """The signature lines of a witness's answer; the caller adds them to its note and verifies that.

    Raises Problem message.malformed.
    """
    lines = answer.split("\n")
    if lines.pop() != "" or not lines:
        raise Problem("message.malformed", "no signature line", where="witness answer", expected="signature lines")
    return tuple(NoteSignature.parse(line) for line in lines)


def _open(document: str, log_key: VerifierKey) -> OpenedCheckpoint:
    try:
        return open_checkpoint(document, log_key)
    except Problem as problem:
        unsigned = problem.code.startswith("message.")
        raise WitnessRefusal(
            "message.wrong_signer" if unsigned else "log.checkpoint_invalid",
            problem.detail,
            where="checkpoint",
            expected=problem.expected,
            witness_status=403 if unsigned else 400,
        ) from problem


def _malformed(detail: str, expected: str) -> Problem:
    return Problem("message.malformed", detail, where="add-checkpoint", expected=expected)
