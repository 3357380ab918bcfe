"""Edges of notices (お知らせの受付): exchanges announce, deliver, and look what became of them."""

from __future__ import annotations

from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId, institution_of, party_id
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.notices import (
    AnnounceNotice,
    DeliverNotices,
    LookAtNotices,
    NoticeAnnounced,
    NoticesDelivered,
    NoticesStand,
)
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.portal.service.inbox import Inboxes


def mount_notices(app: FastAPI, edge: Edge, inboxes: Inboxes) -> None:
    """Add the routes of notices."""

    def exchange(peer: PartyId) -> bool:
        return peer == party_id(institution_of(peer), "exchange")

    @app.post("/announced-notices")
    def announce(envelope: Envelope, peer: Peer) -> Envelope:
        """AnnounceNotice → NoticeAnnounced."""
        message = edge.open(envelope, AnnounceNotice, peer, exchange).value
        inboxes.announce(institution_of(peer), message)
        return edge.answer(NoticeAnnounced(in_reply_to=message.message_id, notice=message.notice))

    @app.post("/delivered-notices")
    def deliver(envelope: Envelope, peer: Peer) -> Envelope:
        """DeliverNotices → NoticesDelivered."""
        message = edge.open(envelope, DeliverNotices, peer, exchange).value
        unknown = inboxes.deliver(institution_of(peer), message)
        return edge.answer(NoticesDelivered(in_reply_to=message.message_id, unknown=unknown))

    @app.post("/looked-at-notices")
    def look(envelope: Envelope, peer: Peer) -> Envelope:
        """LookAtNotices → NoticesStand."""
        message = edge.open(envelope, LookAtNotices, peer, exchange).value
        stands = inboxes.stands(institution_of(peer), message.notices)
        return edge.answer(NoticesStand(in_reply_to=message.message_id, notices=stands))
