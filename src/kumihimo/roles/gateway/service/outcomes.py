"""Reporting outcomes (提供結果の通知): telling the platform what came of each permit, until it has logged it.

A report waits in the outbox from the moment the answer was written down; a platform that cannot be reached is tried again with
pauses from a second to five minutes, also after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.provision import REPORTS, OutcomesTaken, ReportOutcome, ReportsOfOutcomes
from kumihimo.roles.gateway.service.lines import HUB_1, Line
from kumihimo.roles.gateway.store.outbox import OutboxStore, Report, Waiting

_LONGEST_PAUSE: Final = timedelta(minutes=5)
log = structlog.get_logger()


@dataclass(frozen=True)
class Outcomes:
    """The outbox's way to operator 1."""

    store: OutboxStore
    edge: Edge
    line: Line

    def send_due(self) -> int:
        """Send what is due, the longest waiting first, many in one message; how many were accepted.

        Where the message as a whole is refused, each is sent alone: one report must not hold up the others.
        """
        due = self.store.due(self.edge.clock.now(), REPORTS)
        if not due:
            return 0
        try:
            accepted = self._send(due)
        except Problem as problem:
            accepted = []
            for waiting in due:
                if problem.code == "peer.unreachable" or len(due) == 1:
                    self._postpone(waiting, problem.code)
                else:
                    accepted += self._send_alone(waiting)
        if accepted:
            # A report sent twice because this was not reached gets the same promise again.
            self.store.accepted(accepted)
        return len(accepted)

    def _send_alone(self, waiting: Waiting) -> list[Report]:
        try:
            return self._send([waiting])
        except Problem as problem:
            self._postpone(waiting, problem.code)
            return []

    def _send(self, due: Sequence[Waiting]) -> list[Report]:
        """Those that were accepted; the others are postponed. Raises Problem: of the message as a whole."""
        reports = tuple(self.edge.answer(self._report(waiting.report)) for waiting in due)
        message = self.edge.message(ReportsOfOutcomes, HUB_1, reports=reports)
        taken = self.line.send("/outcomes", message, OutcomesTaken).value.taken
        if len(taken) != len(due):
            raise Problem("message.malformed", f"{len(taken)} answers", where="taken", expected=f"{len(due)}")
        accepted = []
        for waiting, one in zip(due, taken, strict=True):
            if one.promise is not None:
                accepted.append(waiting.report)
            else:
                self._postpone(waiting, one.problem or "internal")
        return accepted

    def _report(self, report: Report) -> ReportOutcome:
        return self.edge.message(
            ReportOutcome,
            HUB_1,
            transaction=report.transaction,
            requester=report.requester,
            provider=report.provider,
            outcome=report.outcome,
            payload_hash=report.payload_hash,
            permit=report.permit,
        )

    def _postpone(self, waiting: Waiting, code: str) -> None:
        self.store.postpone(waiting.report, waiting.attempts + 1, self.edge.clock.now() + _pause(waiting.attempts))
        transaction = waiting.report.transaction
        log.warning("outcome.waiting", transaction=transaction, code=code, count=waiting.attempts + 1)


def tried_since(attempts: int, due_at: datetime) -> datetime:
    """When a report that was tried so often, and is due again then, was put into the outbox."""
    return due_at - sum((_pause(one) for one in range(attempts)), timedelta())


def _pause(attempts: int) -> timedelta:
    """How long to wait after so many earlier attempts."""
    return min(timedelta(seconds=2 ** min(attempts, 10)), _LONGEST_PAUSE)
