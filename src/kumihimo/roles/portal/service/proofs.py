"""Proofs (記録の証明): for each record a file with which its resident shows offline that the log holds it unaltered.

The portal fetches tiles, not proofs, so operator 1 does not learn which record is looked at; and it hands out no proof that
it has not verified itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.access_proof import make_access_proof, verify_access_proof
from kumihimo.domain.transparency.checkpoint import OpenedCheckpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import inclusion_proof
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.proof import TlogProof, Trust
from kumihimo.domain.transparency.tiles import TiledTree
from kumihimo.plumbing.wire.remote_log import LogSource
from kumihimo.roles.portal.store import KeptRecord

log = structlog.get_logger()


@dataclass(frozen=True)
class Proof:
    """A proof file's text; or None with the code of what stood against it, or with none while the log is not so far."""

    file: str | None = None
    problem: str | None = None


class Proofs:
    """Makes proofs against the newest checkpoint that all the witnesses have cosigned. Safe for many threads."""

    def __init__(self, source: LogSource, log_key: VerifierKey, witness_keys: Sequence[VerifierKey]) -> None:
        self._source = source
        self._trust = Trust.in_all(log_key, witness_keys)
        self._cosigned: OpenedCheckpoint | None = None

    def newest(self) -> Prover:
        """What makes proofs now; use it for one page of records."""
        try:
            opened = open_checkpoint(self._source.checkpoint(), self._trust.log_key, self._trust.witness_keys)
        except Problem as problem:
            log.warning("proofs.no_checkpoint", code=problem.code)
            return Prover(self._source, self._trust, None, problem.code)
        held = self._cosigned
        witnesses = {one.key.public_key for one in opened.cosigned}
        if len(witnesses) >= self._trust.quorum and (held is None or opened.checkpoint.size >= held.checkpoint.size):
            self._cosigned = held = opened
        return Prover(self._source, self._trust, held)


class Prover:
    """Makes proofs against one checkpoint (None: there is no cosigned one yet). One problem of the log stops it."""

    def __init__(
        self, source: LogSource, trust: Trust, cosigned: OpenedCheckpoint | None, problem: str | None = None
    ) -> None:
        self._trust = trust
        self._cosigned = cosigned
        self._tree = TiledTree(source, 0 if cosigned is None else cosigned.checkpoint.size)
        self._problem = problem

    def prove(self, kept: KeptRecord) -> Proof:
        """The proof of one record, verified."""
        if self._problem is not None:
            return Proof(problem=self._problem)
        if self._cosigned is None or kept.index >= self._tree.size:
            return Proof()
        try:
            return Proof(self._made(kept, self._cosigned))
        except Problem as problem:
            log.error("proofs.failed", code=problem.code, index=kept.index, size=self._tree.size)
            if not problem.code.startswith("log."):
                self._problem = problem.code  # the log cannot be read: do not wait for it once for every record
            return Proof(problem=problem.code)

    def _made(self, kept: KeptRecord, cosigned: OpenedCheckpoint) -> str:
        hashes = inclusion_proof(self._tree, kept.index, self._tree.size)
        proof = TlogProof(kept.index, hashes, str(cosigned.note))
        record = json.loads(kept.record.to_bytes())
        file = make_access_proof(record, kept.salt, proof, self._trust.log_key, self._trust.witness_keys)
        verify_access_proof(file, self._trust)
        return file.to_json()
