"""Monitor (常時検証): one round after the other, the log is held to its entries, its promises and its own earlier word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel import Clock, Problem
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.remote_log import LogSource
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.service.growth import TRANSIENT, Fault, verify_growth
from kumihimo.roles.oversight.store import Findings, VerifiedLog, WitnessStore

GRACE: Final = timedelta(seconds=10)  # ten times the interval at which a checkpoint is due
SILENCE: Final = timedelta(seconds=60)
log = structlog.get_logger()


class Monitor:
    """Watches one log. Call `check` about every second, from one thread."""

    def __init__(
        self,
        source: LogSource,
        own: VerifiedLog,
        witnessed: WitnessStore,
        findings: Findings,
        log_key: VerifierKey,
        witness_keys: Sequence[VerifierKey],
        clock: Clock,
    ) -> None:
        self._source = source
        self._own = own
        self._witnessed = witnessed
        self._findings = findings
        self._log_key = log_key
        self._witness_keys = tuple(witness_keys)
        self._clock = clock
        self._readable_since: datetime | None = None
        self._last_read = clock.now()

    def check(self) -> None:
        """One round: growth, then records and promises. Whatever is wrong is an alarm; raises nothing of the log's."""
        self._check_growth()
        now = self._clock.now()
        self._findings.compare_records(now - GRACE, now)
        self._findings.compare_promises(self._overdue_before(now), now)

    def _check_growth(self) -> None:
        try:
            growth = verify_growth(self._source, self._own, self._own.state(), self._log_key, self._witness_keys)
            if growth is not None:
                self._own.adopt(growth, self._clock.now())
            self._hold_against_witnessed()
        except Fault as fault:
            self._findings.raise_(fault.alarm, self._clock.now())
        except Problem as problem:
            if problem.code not in TRANSIENT:
                raise
            self._unreadable(problem)
            return
        self._last_read = self._clock.now()
        self._readable_since = self._readable_since or self._last_read

    def _hold_against_witnessed(self) -> None:
        """The witness must have been shown the same history: a checkpoint cosigned here is a part of what was verified."""
        cosigned = self._witnessed.state(self._log_key.name)
        if cosigned.size > self._own.state().size:
            return  # operator 1 publishes a checkpoint only after it was cosigned
        root = self._own.root_at(cosigned.size)
        if root != cosigned.root:
            what = f"{cosigned.size} entries were cosigned with root {cosigned.root.hex()}, verified with {root.hex()}"
            raise Fault(Alarm(AlarmKind.SPLIT_VIEW, what, self._own.state().note))

    def _unreadable(self, problem: Problem) -> None:
        now = self._clock.now()
        self._readable_since = None
        log.warning("log.unreadable", code=problem.code)
        if now - self._last_read > SILENCE:
            since = self._last_read.isoformat(timespec="seconds")
            self._findings.raise_(Alarm(AlarmKind.LOG_SILENT, f"no checkpoint since {since}"), now)

    def _overdue_before(self, now: datetime) -> datetime | None:
        """Promises older than this are overdue; None while the log has not been readable long enough to say so."""
        if self._readable_since is None or now - self._readable_since < GRACE:
            return None
        return now - GRACE
