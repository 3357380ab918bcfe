"""What was found wrong (検査結果の閲覧), in sentences and with the evidence, for the officers of the oversight body."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.oversight.service.alarms import plain
from kumihimo.roles.oversight.service.orders import OFFICER
from kumihimo.roles.oversight.store import Findings


class Finding(BaseModel):
    """One alarm: what it means, what exactly was seen, and signed notes of the log that show it, where there are any."""

    kind: str
    sentence: str
    what: str
    evidence: str | None


def mount_findings(app: FastAPI, edge: Edge, findings: Findings) -> None:
    """Add the route."""

    @app.get("/findings")
    def found(peer: Peer) -> list[Finding]:
        """Every alarm, oldest first."""
        edge.directory.party(peer)
        if peer != OFFICER:
            raise Problem("peer.not_allowed", f"{peer} may not read the findings", expected=OFFICER)
        return [
            Finding(kind=one.kind.value, sentence=plain(one.kind), what=one.what, evidence=one.evidence)
            for one in findings.alarms()
        ]
