"""Complaints (苦情・申出の受付): taken from the portal with the proof of the access, answered by an officer."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from pydantic import ValidationError

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.transparency.access_proof import verify_proof_file
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, malformed
from kumihimo.plumbing.wire.messages.complaints import (
    AnswerComplaint,
    Complain,
    ComplaintAnswered,
    Complaints,
    ComplaintShown,
    ComplaintsStand,
    ComplaintStands,
    ComplaintState,
    ComplaintTaken,
    LookAtComplaints,
    ShowComplaints,
    complaint_binding,
)
from kumihimo.plumbing.wire.messages.inquiry import LogRecord
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.said import open_said, seal_said
from kumihimo.roles.oversight.service.orders import OFFICER
from kumihimo.roles.oversight.store.complaints import Complaint, ComplaintStore


def mount_complaints(
    app: FastAPI, edge: Edge, store: ComplaintStore, log_key: VerifierKey, witnesses: Sequence[VerifierKey]
) -> None:
    """Add the routes."""

    def is_portal(peer: PartyId) -> bool:
        return peer == PORTAL

    def is_officer(peer: PartyId) -> bool:
        return peer == OFFICER

    @app.post("/complaints")
    def take(envelope: Envelope, peer: Peer) -> Envelope:
        """Complain → ComplaintTaken. Raises Problem: log.proof_invalid, log.checkpoint_invalid, sealing.cannot_open."""
        message = edge.open(envelope, Complain, peer, is_portal).value
        proven = verify_proof_file(message.proof, log_key, witnesses)
        says = open_said(edge, message.sealed, complaint_binding(message.reference, "complained"))
        try:
            record = LogRecord.model_validate(proven.record)
        except ValidationError as error:
            raise malformed(error, "complaint") from None
        now = edge.clock.now()
        store.take(
            Complaint(
                message.reference, proven.index, record.to_bytes().decode(), says, now, ComplaintState.RECEIVED, now
            )
        )  # fmt: skip
        return edge.answer(ComplaintTaken(in_reply_to=message.message_id, reference=message.reference))

    @app.post("/complaints/stand")
    def stand(envelope: Envelope, peer: Peer) -> Envelope:
        """LookAtComplaints → ComplaintsStand."""
        message = edge.open(envelope, LookAtComplaints, peer, is_portal).value
        stands = tuple(
            ComplaintStands(
                reference=one.reference,
                state=one.state,
                changed_at=one.changed_at,
                sealed=None if one.answer is None else _sealed(edge, one.reference, one.answer),
            )
            for one in store.find(message.references)
        )
        return edge.answer(ComplaintsStand(in_reply_to=message.message_id, complaints=stands))

    @app.post("/complaints/shown")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowComplaints → Complaints."""
        message = edge.open(envelope, ShowComplaints, peer, is_officer).value
        return edge.answer(
            Complaints(in_reply_to=message.message_id, complaints=tuple(_shown(one) for one in store.all()))
        )  # fmt: skip

    @app.post("/complaints/answered")
    def answer(envelope: Envelope, peer: Peer) -> Envelope:
        """AnswerComplaint → ComplaintAnswered. Raises Problem(complaint.unknown)."""
        message = edge.open(envelope, AnswerComplaint, peer, is_officer).value
        if not store.answer(message.reference, message.state, message.answer, edge.clock.now()):
            raise Problem("complaint.unknown", message.reference, "reference", "a complaint that was made")
        return edge.answer(
            ComplaintAnswered(in_reply_to=message.message_id, reference=message.reference, state=message.state)
        )  # fmt: skip


def _sealed(edge: Edge, reference: str, answer: str) -> str:
    return seal_said(edge, answer, PORTAL, complaint_binding(reference, "answered"))


def _shown(one: Complaint) -> ComplaintShown:
    record = LogRecord.model_validate_json(one.record)
    return ComplaintShown(
        reference=one.reference, log_index=one.log_index, transaction=record.transaction, requester=record.requester,
        provider=record.provider, affair=record.affair, items=record.items, logged_at=record.logged_at, says=one.says,
        complained_at=one.complained_at, state=one.state, changed_at=one.changed_at, answer=one.answer,
    )  # fmt: skip
