"""Reporting outcomes (提供結果の通知): telling the platform what came of each permit, until it has logged it.

A report waits in the outbox from the moment the answer was written down; a platform that cannot be reached is tried again with
pauses from a second to five minutes, also after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.provision import OutcomeLogged, ReportOutcome
from kumihimo.roles.gateway.service.lines import HUB_1, Line
from kumihimo.roles.gateway.store.outbox import OutboxStore, Report, Waiting

BATCH: Final = 100
_LONGEST_PAUSE: Final = timedelta(minutes=5)
log = structlog.get_logger()


@dataclass(frozen=True)
class Outcomes:
    """The outbox's way to operator 1."""

    store: OutboxStore
    edge: Edge
    line: Line

    def send_due(self) -> int:
        """Send what is due, the longest waiting first; how many were accepted.

        Stops at an operator that cannot be reached: the rest would wait for the same.
        """
        accepted: list[Report] = []
        for waiting in self.store.due(self.edge.clock.now(), BATCH):
            try:
                self._send(waiting.report)
            except Problem as problem:
                self._postpone(waiting, problem)
                if problem.code == "peer.unreachable":
                    break
            else:
                accepted.append(waiting.report)
        if accepted:
            # A report sent twice because this was not reached gets the same promise again.
            self.store.accepted(accepted)
        return len(accepted)

    def _send(self, report: Report) -> None:
        message = self.edge.message(
            ReportOutcome,
            HUB_1,
            transaction=report.transaction,
            requester=report.requester,
            provider=report.provider,
            outcome=report.outcome,
            payload_hash=report.payload_hash,
            permit=report.permit,
        )
        self.line.send("/outcomes", message, OutcomeLogged)

    def _postpone(self, waiting: Waiting, problem: Problem) -> None:
        pause = _pause(waiting.attempts)
        transaction = waiting.report.transaction
        self.store.postpone(waiting.report, waiting.attempts + 1, self.edge.clock.now() + pause)
        log.warning("outcome.waiting", transaction=transaction, code=problem.code, count=waiting.attempts + 1)


def tried_since(attempts: int, due_at: datetime) -> datetime:
    """When a report that was tried so often, and is due again then, was put into the outbox."""
    return due_at - sum((_pause(one) for one in range(attempts)), timedelta())


def _pause(attempts: int) -> timedelta:
    """How long to wait after so many earlier attempts."""
    return min(timedelta(seconds=2 ** min(attempts, 10)), _LONGEST_PAUSE)
