"""Access proof (情報提供等記録の証明): a resident's file that shows one access record stands unaltered in the log.

The log holds only salted commitments, so that nobody can read or guess records in it. The resident's file carries the
record and its salt, from which anybody can recompute the entry, and a C2SP tlog-proof that the entry is in the log. The
keys written in the file say whose log it claims to be; whoever checks it must trust keys known from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import canonical_json, commit
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.note import Verified, VerifierKey, decode64, encode64
from kumihimo.domain.transparency.proof import TlogProof, Trust, proof_invalid

FORMAT: Final = "kumihimo-access-proof/v1"
MAX_DOCUMENT: Final = 1_000_000

Record = dict[str, JsonValue]


class AccessProof(BaseModel):
    """The file as JSON. Unknown fields are refused, so that nothing in it can pass for proven that is not."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    format: Literal["kumihimo-access-proof/v1"] = FORMAT
    record: Record = Field(repr=False)
    salt: str = Field(repr=False)
    entry: str
    tlog_proof: str
    log_key: str
    witness_keys: list[str]

    @classmethod
    def parse(cls, document: str | bytes) -> AccessProof:
        """Read a file. Raises Problem log.proof_invalid naming the field that is wrong; never shows the record."""
        if len(document) > MAX_DOCUMENT:
            raise proof_invalid(f"{len(document)} bytes", f"at most {MAX_DOCUMENT}", "proof file")
        try:
            fields = json.loads(document, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant)
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "proof file"
            raise proof_invalid(first["msg"], FORMAT, place) from error
        except (ValueError, RecursionError) as error:
            raise proof_invalid("not a JSON document", FORMAT, "proof file") from error

    def to_json(self) -> str:
        """The file's text, indented for people."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"

    def claimed_trust(self) -> Trust:
        """The keys the file itself names. They show only that the file agrees with itself, not whose log it is."""
        try:
            log_key = VerifierKey.parse(self.log_key)
            witness_keys = [VerifierKey.parse(key) for key in self.witness_keys]
        except Problem as problem:
            raise proof_invalid(
                problem.detail, problem.expected or "a verifier key", "log_key, witness_keys"
            ) from problem
        return Trust.in_all(log_key, witness_keys)


@dataclass(frozen=True)
class VerifiedRecord:
    """An access record shown to stand at `index` of the log; `witnesses` cosigned the checkpoint, each at its time."""

    record: Record = field(repr=False)
    entry: bytes
    index: int
    checkpoint: Checkpoint
    log_key: VerifierKey
    witnesses: tuple[Verified, ...]


def make_access_proof(
    record: Mapping[str, JsonValue],
    salt: bytes,
    proof: TlogProof,
    log_key: VerifierKey,
    witness_keys: Sequence[VerifierKey],
) -> AccessProof:
    """The file for a resident. The caller has the record and salt from its feed and the proof from the log."""
    return AccessProof(
        record=dict(record),
        salt=encode64(salt),
        entry=encode64(commit(salt, canonical_json(dict(record)))),
        tlog_proof=str(proof),
        log_key=str(log_key),
        witness_keys=[str(key) for key in witness_keys],
    )


def verify_proof_file(
    document: str | bytes, trusted_log_vkey: VerifierKey, trusted_witness_vkeys: Sequence[VerifierKey]
) -> VerifiedRecord:
    """Check a resident's file against keys one trusts; every one of the witnesses named must have cosigned.

    Raises Problem log.proof_invalid (the file cannot be read, the record does not give the entry, the entry does not
    lead to the root) or log.checkpoint_invalid (log signature, cosignature or checkpoint does not hold), saying which.
    """
    return verify_access_proof(AccessProof.parse(document), Trust.in_all(trusted_log_vkey, trusted_witness_vkeys))


def verify_access_proof(file: AccessProof, trust: Trust) -> VerifiedRecord:
    """As `verify_proof_file`, for a file already read and any trust."""
    entry = _committed_entry(file)
    verified = TlogProof.parse(file.tlog_proof).verify(entry, trust)
    return VerifiedRecord(
        record=file.record,
        entry=entry,
        index=verified.index,
        checkpoint=verified.opened.checkpoint,
        log_key=trust.log_key,
        witnesses=verified.witnesses,
    )


def _committed_entry(file: AccessProof) -> bytes:
    try:
        salt, entry = decode64(file.salt, "salt"), decode64(file.entry, "entry")
        computed = commit(salt, canonical_json(file.record))
    except Problem as problem:
        raise proof_invalid(problem.detail, problem.expected or FORMAT, problem.where or "record") from problem
    if computed != entry:
        raise Problem(
            "log.proof_invalid",
            "the record was changed after it was logged, or it belongs to another entry",
            where="entry",
            expected="the record and salt that the log's entry was made of",
            advice="Fetch the file again from the portal; report it to the oversight body if it does not hold then either.",
        )
    return entry


def _without_repetition(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError
    return fields


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(name)
