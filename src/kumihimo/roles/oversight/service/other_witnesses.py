"""Other witnesses (他の立会人): what they cosigned is held against what was verified here.

A log that shows two histories needs a witness for each: none of them sees anything wrong alone. What another one cosigned is
signed by the log, so a root that differs from ours for as many entries is proof of it, by whomever it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel import Clock, PartyId, Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint, open_checkpoint
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.remote_log import Fetch
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.store import Findings, VerifiedLog

PATIENCE: Final = timedelta(seconds=60)
PATH: Final = "/witness/cosigned"
log = structlog.get_logger()


@dataclass(frozen=True)
class _Ahead:
    """Something cosigned there that was not verified here yet, and since when it is awaited."""

    note: str
    checkpoint: Checkpoint
    since: datetime


class OtherWitnesses:
    """Compares with every other witness of the log. Call `compare` again and again, from one thread."""

    def __init__(
        self,
        parties: Sequence[PartyId],
        client: Fetch,
        own: VerifiedLog,
        findings: Findings,
        log_key: VerifierKey,
        clock: Clock,
    ) -> None:
        self._parties = tuple(parties)
        self._client = client
        self._own = own
        self._findings = findings
        self._log_key = log_key
        self._clock = clock
        self._ahead: dict[PartyId, _Ahead] = {}

    def compare(self) -> None:
        """One round. What contradicts is an alarm; a witness that cannot be reached is asked again in the next round."""
        for party in self._parties:
            try:
                self._compare_with(party)
            except Problem as problem:
                log.warning("witness.unread", peer=party, code=problem.code)

    def _compare_with(self, party: PartyId) -> None:
        waiting = self._ahead.get(party) or self._newest(party)
        state = self._own.state()
        there = waiting.checkpoint
        if there.size > state.size:
            self._ahead[party] = waiting
            if self._clock.now() - waiting.since > PATIENCE:
                what = (
                    f"{party} cosigned {there.size} entries with root {there.root.hex()}, the log shows us {state.size}"
                )
                self._raise(what, state.note, waiting.note)
            return
        self._ahead.pop(party, None)
        root = self._own.root_at(there.size)
        if root != there.root:
            what = f"{party} cosigned {there.size} entries with root {there.root.hex()}, shown to us with {root.hex()}"
            self._raise(what, state.note, waiting.note)

    def _newest(self, party: PartyId) -> _Ahead:
        """Raises Problem: those of the fetch, log.checkpoint_invalid and others of a note the log has not signed."""
        note = self._client.get(party, PATH).decode(errors="replace")
        return _Ahead(note, open_checkpoint(note, self._log_key).checkpoint, self._clock.now())

    def _raise(self, what: str, ours: str, theirs: str) -> None:
        self._findings.raise_(Alarm(AlarmKind.SPLIT_VIEW, what, f"{ours}\n{theirs}"), self._clock.now())
