"""Edges of corrections (訂正の申出): the portal asks and looks, the own desk answers."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.information import (
    AnswerCorrection,
    AskCorrection,
    CorrectionAnswered,
    Corrections,
    CorrectionsStand,
    CorrectionTaken,
    LookAtCorrections,
    ShowCorrections,
)
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.corrections import CorrectionDesk


def mount_corrections(app: FastAPI, edge: Edge, desk: CorrectionDesk, own_desk: Callable[[PartyId], bool]) -> None:
    """Add the routes of corrections."""

    def is_portal(peer: PartyId) -> bool:
        return peer == PORTAL

    @app.post("/corrections")
    def take(envelope: Envelope, peer: Peer) -> Envelope:
        """AskCorrection → CorrectionTaken."""
        message = edge.open(envelope, AskCorrection, peer, is_portal).value
        desk.take(message)
        return edge.answer(CorrectionTaken(in_reply_to=message.message_id, reference=message.reference))

    @app.post("/corrections/stand")
    def stand(envelope: Envelope, peer: Peer) -> Envelope:
        """LookAtCorrections → CorrectionsStand."""
        message = edge.open(envelope, LookAtCorrections, peer, is_portal).value
        return edge.answer(
            CorrectionsStand(in_reply_to=message.message_id, corrections=desk.stand(message.references))
        )  # fmt: skip

    @app.post("/corrections/shown")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowCorrections → Corrections."""
        message = edge.open(envelope, ShowCorrections, peer, own_desk).value
        return edge.answer(Corrections(in_reply_to=message.message_id, corrections=desk.queue()))

    @app.post("/corrections/answered")
    def answer(envelope: Envelope, peer: Peer) -> Envelope:
        """AnswerCorrection → CorrectionAnswered."""
        message = edge.open(envelope, AnswerCorrection, peer, own_desk).value
        state = desk.answer(message)
        return edge.answer(
            CorrectionAnswered(in_reply_to=message.message_id, reference=message.reference, state=state)
        )  # fmt: skip
