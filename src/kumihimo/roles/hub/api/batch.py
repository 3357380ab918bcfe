"""The edges of both operators for batches (一括照会)."""

from __future__ import annotations

from fastapi import FastAPI

from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.routes import Body, Peer
from kumihimo.roles.hub.api.shared import Operator
from kumihimo.roles.hub.service.batch import ChunkDesk
from kumihimo.roles.hub.service.batch_outcomes import ChunkOutcomeDesk, SecondChunkOutcomeDesk
from kumihimo.roles.hub.service.batch_refusals import PATH, SecondChunkRefusalDesk
from kumihimo.roles.hub.service.batch_second import SecondChunkDesk
from kumihimo.roles.hub.service.parties import OVERSIGHT
from kumihimo.roles.hub.service.ports import Notify
from kumihimo.roles.hub.store.batch import ChunkPassageStore


def mount_chunks(app: FastAPI, edge: Edge, chunks: ChunkDesk, outcomes: ChunkOutcomeDesk) -> None:
    """Add operator 1's routes."""

    @app.post("/chunks")
    def decide(body: Body, peer: Peer) -> Envelope:
        """ChunkRequest → ChunkDecision."""
        return edge.answer(chunks.decide(body, peer))

    @app.post("/outcomes-of-chunks")
    def report(body: Body, peer: Peer) -> Envelope:
        """ReportOutcomes → OutcomesLogged."""
        return edge.answer(outcomes.take(body, peer))


def mount_passed_chunks(app: FastAPI, operator: Operator, notify: Notify) -> None:
    """Add operator 2's routes."""
    edge, passages = operator.edge, ChunkPassageStore(operator.engine, OVERSIGHT)
    translation, check = operator.chunk_translation(), operator.proof_check(notify)
    inquiries = SecondChunkDesk(edge, operator.bench(), passages, translation, notify, check)
    outcomes = SecondChunkOutcomeDesk(edge, passages, notify)
    refusals = SecondChunkRefusalDesk(edge, passages, translation, notify, check)

    @app.post("/relayed-chunks")
    def relayed_chunks(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayChunk → ChunkRelayed."""
        return edge.answer(inquiries.pass_on(envelope, peer))

    @app.post("/relayed-outcomes-of-chunks")
    def relayed_outcomes(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayOutcomes → ChunkPassed."""
        return edge.answer(outcomes.pass_on(envelope, peer))

    @app.post(PATH)
    def relayed_refusals(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayRefusals → ChunkPassed."""
        return edge.answer(refusals.pass_on(envelope, peer))
