"""Checkpoints (チェックポイント): what the log commits to at one moment (C2SP tlog-checkpoint).

Three lines: the origin (which log), the number of entries, the root hash; opaque extension lines may follow. The log
signs it about every second, the witnesses cosign it, and whoever holds two of one log can hold the log to its word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.merkle import EMPTY_ROOT, HASH_SIZE
from kumihimo.domain.transparency.note import NoteKey, SignedNote, Verified, VerifierKey, decode64, encode64

MAX_SIZE: Final = 2**63 - 1


@dataclass(frozen=True)
class Checkpoint:
    """Origin, number of entries, 32-byte root hash, extension lines (none of them empty)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(line and all(char >= " " for char in line) for line in lines):
            raise invalid("an empty line or a control character", "origin and extension lines of plain text")
        if not 0 <= self.size <= MAX_SIZE:
            raise invalid(f"size {self.size}", "0 to 2^63 - 1 entries")
        if len(self.root) != HASH_SIZE:
            raise invalid(f"a root of {len(self.root)} bytes", f"{HASH_SIZE} bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise invalid(f"root {self.root.hex()} for an empty log", f"root {EMPTY_ROOT.hex()}")

    @property
    def text(self) -> str:
        """The note text, each line with its newline."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), encode64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text; exactly one spelling is accepted. Raises Problem log.checkpoint_invalid."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "":
            raise invalid(f"{len(lines)} lines", "origin, size and root hash, each ending in a newline")
        origin, size, root, *extensions = lines
        try:
            checkpoint = cls(origin, parse_size(size), decode64(root, "root hash"), tuple(extensions))
        except Problem as problem:
            raise invalid(problem.detail, problem.expected or "a checkpoint") from problem
        return checkpoint

    def signed(self, key: NoteKey) -> SignedNote:
        """The checkpoint as a note signed by the log."""
        return SignedNote(self.text, (key.sign(self.text),))


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint whose log signature holds, with the cosignatures (each with its time) that hold too."""

    checkpoint: Checkpoint
    note: SignedNote
    cosigned: tuple[Verified, ...]


def open_checkpoint(document: str, log_key: VerifierKey, witness_keys: Sequence[VerifierKey] = ()) -> OpenedCheckpoint:
    """Read a signed checkpoint and check the log's signature and those of the given witnesses that are there.

    How many witnesses must have cosigned is for the caller to demand. Raises Problem message.wrong_signer when the log
    has not signed, message.signature_invalid when a signature by one of the keys does not hold, log.checkpoint_invalid
    when the text is no checkpoint of this log.
    """
    try:
        note = SignedNote.parse(document)
        verified = note.verify((log_key, *witness_keys))
    except Problem as problem:
        if problem.code in ("message.wrong_signer", "message.signature_invalid"):
            raise
        raise invalid(problem.detail, problem.expected or "a signed checkpoint") from problem
    if all(signature.key != log_key for signature in verified):
        raise Problem(
            "message.wrong_signer",
            f"signed by {', '.join(signature.name for signature in note.signatures)}",
            where="checkpoint",
            expected=f"the log {log_key.name} (key {log_key.key_id.hex()})",
        )
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log_key.name:
        raise invalid(f"origin {checkpoint.origin[:80]!r}", f"the log {log_key.name}")
    return OpenedCheckpoint(checkpoint, note, tuple(signature for signature in verified if signature.key != log_key))


def parse_size(text: str) -> int:
    """A count as ASCII decimal without leading zeroes. Raises Problem log.checkpoint_invalid."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and (text == "0" or text[0] != "0")):
        raise invalid(f"{text[:40]!r} is not a count", "ASCII digits without leading zeroes")
    return int(text)


def invalid(detail: str, expected: str) -> Problem:
    """What a checkpoint that cannot be trusted is refused with."""
    return Problem("log.checkpoint_invalid", detail, where="checkpoint", expected=expected)
