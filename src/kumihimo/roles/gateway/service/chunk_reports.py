"""Reporting outcomes of chunks (一括の提供結果の通知): as `outcomes`, a whole chunk in one message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.batch import OutcomesLogged, ReportOutcomes
from kumihimo.roles.gateway.service.lines import HUB_1, Line
from kumihimo.roles.gateway.store.chunk_reports import ChunkOutbox, ChunkReport

AT_ONCE: Final = 4
_LONGEST_PAUSE: Final = timedelta(minutes=5)
log = structlog.get_logger()


@dataclass(frozen=True)
class ChunkOutcomes:
    """The way of reports about chunks to operator 1."""

    store: ChunkOutbox
    edge: Edge
    line: Line

    def send_due(self) -> int:
        """Send what is due, the longest waiting first; how many were accepted. Stops as `Outcomes.send_due`."""
        accepted = 0
        for waiting in self.store.due(self.edge.clock.now(), AT_ONCE):
            try:
                self._send(waiting.report)
            except Problem as problem:
                pause = min(timedelta(seconds=2 ** min(waiting.attempts, 10)), _LONGEST_PAUSE)
                self.store.postpone(waiting.report, waiting.attempts + 1, self.edge.clock.now() + pause)
                log.warning(
                    "outcomes.waiting", transaction=waiting.report.transaction, code=problem.code,
                    count=waiting.attempts + 1,
                )  # fmt: skip
                if problem.code == "peer.unreachable":
                    break
            else:
                self.store.accepted(waiting.report)
                accepted += 1
        return accepted

    def _send(self, report: ChunkReport) -> None:
        message = self.edge.message(
            ReportOutcomes,
            HUB_1,
            transaction=report.transaction,
            requester=report.requester,
            provider=report.provider,
            outcomes=report.outcomes,
            payload_hash=report.payload_hash,
            permit=report.permit,
        )
        self.line.send("/outcomes-of-chunks", message, OutcomesLogged)
