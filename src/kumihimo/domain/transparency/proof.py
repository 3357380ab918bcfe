"""Offline proof (オフライン証明): C2SP tlog-proof v1, one text that shows an entry stands in a log.

It holds the entry's index, the inclusion proof and the signed, cosigned checkpoint it leads to. Checking it needs the
keys one trusts and no network: neither the log nor anybody else learns which access is being checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import OpenedCheckpoint, open_checkpoint, parse_size
from kumihimo.domain.transparency.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from kumihimo.domain.transparency.note import Verified, VerifierKey, decode64, encode64

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_PROOF_HASHES: Final = 63


@dataclass(frozen=True)
class Trust:
    """Whose word is believed: the log's key, the witnesses' keys, and how many different witnesses must have cosigned."""

    log_key: VerifierKey
    witness_keys: tuple[VerifierKey, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len({key.public_key for key in self.witness_keys}):
            raise Problem(
                "value.invalid",
                f"{self.quorum} of {len(self.witness_keys)} witness keys",
                where="quorum",
                expected="at most as many as there are different witness keys",
            )

    @classmethod
    def in_all(cls, log_key: VerifierKey, witness_keys: Sequence[VerifierKey]) -> Trust:
        """Every one of these witnesses must have cosigned."""
        return cls(log_key, tuple(witness_keys), len({key.public_key for key in witness_keys}))


@dataclass(frozen=True)
class TlogProof:
    """A proof as written: index, hashes from the leaf's sibling up, checkpoint note, and unauthenticated extra bytes."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def __str__(self) -> str:
        extra = f"extra {encode64(self.extra)}\n" if self.extra else ""
        hashes = "".join(f"{encode64(value)}\n" for value in self.hashes)
        return f"{HEADER}\n{extra}index {self.index}\n{hashes}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Read a proof strictly. Raises Problem log.proof_invalid naming the line that is wrong."""
        head, blank, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER or not blank:
            raise proof_invalid(f"the text starts {header[:40]!r}", HEADER + " and a blank line before the checkpoint")
        try:
            extra = b""
            if lines and lines[0].startswith("extra "):
                extra = decode64(lines.pop(0).removeprefix("extra "), "extra")
            if not lines or not lines[0].startswith("index "):
                raise proof_invalid("no 'index' line", "'index <number>'")
            index = parse_size(lines.pop(0).removeprefix("index "))
            hashes = tuple(decode64(line, "hash") for line in lines)
        except Problem as problem:
            raise proof_invalid(problem.detail, problem.expected or HEADER) from problem
        if len(hashes) > MAX_PROOF_HASHES or any(len(value) != HASH_SIZE for value in hashes):
            raise proof_invalid(f"{len(hashes)} hashes", f"at most {MAX_PROOF_HASHES} hashes of {HASH_SIZE} bytes")
        return cls(index, hashes, checkpoint, extra)

    def verify(self, entry: bytes, trust: Trust) -> VerifiedEntry:
        """Check signatures, cosignatures and the inclusion of an entry.

        Raises Problem log.checkpoint_invalid (log signature, cosignatures or checkpoint text do not hold) or
        log.proof_invalid (the entry does not lead to the checkpoint's root).
        """
        try:
            opened = open_checkpoint(self.checkpoint, trust.log_key, trust.witness_keys)
        except Problem as problem:
            raise Problem(
                "log.checkpoint_invalid", problem.detail, where="checkpoint", expected=problem.expected
            ) from problem
        witnesses = {witness.key.public_key for witness in opened.cosigned}
        if len(witnesses) < trust.quorum:
            missing = [key.name for key in trust.witness_keys if key.public_key not in witnesses]
            raise Problem(
                "log.checkpoint_invalid",
                f"cosigned by {len(witnesses)} of the trusted witnesses, not by {', '.join(missing)}",
                where="checkpoint",
                expected=f"at least {trust.quorum} of {', '.join(key.name for key in trust.witness_keys)}",
            )
        verify_inclusion(leaf_hash(entry), self.index, opened.checkpoint.size, self.hashes, opened.checkpoint.root)
        return VerifiedEntry(entry, self.index, opened)


@dataclass(frozen=True)
class VerifiedEntry:
    """An entry shown to stand at `index` of the log that `checkpoint` commits to."""

    entry: bytes
    index: int
    opened: OpenedCheckpoint

    @property
    def witnesses(self) -> tuple[Verified, ...]:
        """The trusted witnesses that cosigned, with the time of each."""
        return self.opened.cosigned


def proof_invalid(detail: str, expected: str, where: str = "proof") -> Problem:
    """What a proof that does not hold is refused with."""
    return Problem("log.proof_invalid", detail, where=where, expected=expected)
