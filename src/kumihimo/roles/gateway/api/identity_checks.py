"""The ledger's door for identity checks (本人確認の記録): its own desk records them and looks at them."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.identity import IdentityChecks, RecordIdentityCheck, ShowIdentityChecks
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.identity_checks import IdentityChecking


def add_identity_checks(
    app: FastAPI, edge: Edge, checking: IdentityChecking, own_desk: Callable[[PartyId], bool]
) -> None:
    """Add the two paths to the ledger's application."""

    @app.post("/identity-checks")
    def record_identity_check(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, RecordIdentityCheck, peer, own_desk).value
        checks = checking.record(message)
        return edge.answer(
            IdentityChecks(in_reply_to=message.message_id, addressee_number=message.addressee_number, checks=checks)
        )

    @app.post("/identity-checks/shown")
    def show_identity_checks(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShowIdentityChecks, peer, own_desk).value
        checks = checking.shown(message.addressee_number)
        return edge.answer(
            IdentityChecks(in_reply_to=message.message_id, addressee_number=message.addressee_number, checks=checks)
        )
