"""Evidence (証拠): offline proofs out of the log as it was verified here, and alarms about what contradicts it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kumihimo.domain.kernel import Clock, Problem
from kumihimo.domain.transparency.access_proof import make_access_proof, verify_access_proof
from kumihimo.domain.transparency.merkle import inclusion_proof
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.proof import TlogProof, Trust
from kumihimo.domain.transparency.tiles import TiledTree
from kumihimo.roles.oversight.service.alarms import Alarm
from kumihimo.roles.oversight.store import Findings, FoundRecord, VerifiedLog


class Evidence:
    """Makes proofs from the tiles computed here, and verifies each before it is used."""

    def __init__(
        self,
        own: VerifiedLog,
        findings: Findings,
        log_key: VerifierKey,
        witness_keys: Sequence[VerifierKey],
        clock: Clock,
    ) -> None:
        self._own = own
        self._findings = findings
        self._trust = Trust(log_key, tuple(witness_keys))
        self._clock = clock

    def proof_of(self, found: FoundRecord) -> str:
        """The proof file of a record. Raises Problem(log.unknown_entry) while the log is not verified so far."""
        state = self._own.state()
        if found.index >= state.size:
            raise Problem("log.unknown_entry", f"entry {found.index}", expected=f"one of {state.size} verified entries")
        hashes = inclusion_proof(TiledTree(self._own, state.size), found.index, state.size)
        proof = TlogProof(found.index, hashes, state.note)
        record = json.loads(found.logged.record.to_bytes())
        file = make_access_proof(record, found.salt, proof, self._trust.log_key, self._trust.witness_keys)
        verify_access_proof(file, self._trust)
        return file.to_json()

    def alarm(self, alarm: Alarm) -> None:
        """Raise an alarm, now."""
        self._findings.raise_(alarm, self._clock.now())
