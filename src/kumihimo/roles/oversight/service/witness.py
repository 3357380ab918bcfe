"""Witness (立会人): cosigns a checkpoint only after the new state is durable, so that no two histories are cosigned.

C2SP tlog-witness. Operator 1 shows every checkpoint here before it publishes it.
"""

from __future__ import annotations

from kumihimo.domain.kernel import Clock, Problem
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.domain.transparency.witness import AddCheckpoint, WitnessedState, WitnessRefusal, decide
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.store import Findings, WitnessStore

_TRIES = 5  # each lost race means that another request has moved the state


class Witness:
    """Decides on `POST /witness/add-checkpoint`."""

    def __init__(
        self, store: WitnessStore, findings: Findings, log_key: VerifierKey, signer: NoteKey, clock: Clock
    ) -> None:
        self._store = store
        self._findings = findings
        self._log_key = log_key
        self._signer = signer
        self._clock = clock

    def add_checkpoint(self, body: str) -> str:
        """The cosignature line for a checkpoint that extends the state known here; stored before it is returned.

        Raises Problem message.malformed for a body that cannot be read, WitnessRefusal as `transparency.witness.decide`;
        two signed states that contradict each other are also an alarm.
        """
        request = AddCheckpoint.parse(body)
        origin = self._log_key.name
        for _ in range(_TRIES):
            stored = self._store.state(origin)
            try:
                accepted = decide(request, {origin: self._log_key}, {origin: stored}, self._signer, self._clock.now())
            except WitnessRefusal as refusal:
                self._alarm_if_contradicting(refusal, stored)
                raise
            note = str(accepted.checkpoint.note)
            if self._store.swap(origin, stored, accepted.state, self._clock.now(), note):
                return accepted.cosignature.line()
        raise Problem("quota.exceeded", "other checkpoints came first each time", advice="Ask again.")

    def _alarm_if_contradicting(self, refusal: WitnessRefusal, stored: WitnessedState) -> None:
        if refusal.code != "log.inconsistent" or refusal.checkpoint is None:
            return
        new = refusal.checkpoint.checkpoint
        what = f"{new.size} entries with root {new.root.hex()} were not shown to contain {stored.size} cosigned ones"
        self._findings.raise_(Alarm(AlarmKind.SPLIT_VIEW, what, str(refusal.checkpoint.note)), self._clock.now())
