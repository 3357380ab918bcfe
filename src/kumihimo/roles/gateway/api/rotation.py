"""The exchange's edge for rotations of its link codes (符号の更新): its own desk begins, follows and closes them."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Message
from kumihimo.plumbing.wire.messages.rotation import CloseRotation, RotationShown, ShowRotation, StartRotation
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.rotation import Rotations


def mount_rotation(app: FastAPI, edge: Edge, rotations: Rotations, own_desk: Callable[[PartyId], bool]) -> None:
    """Add the desk's routes. Each answers with the state of the newest rotation."""

    def shown(message: Message) -> Envelope:
        return edge.answer(
            RotationShown(
                in_reply_to=message.message_id,
                institution=institution_of(edge.party),
                epoch=rotations.store.present(),
                rotation=rotations.state(),
            )
        )

    @app.post("/rotations")
    def start_rotation(envelope: Envelope, peer: Peer) -> Envelope:
        """StartRotation → RotationShown."""
        message = edge.open(envelope, StartRotation, peer, own_desk).value
        rotations.start(message.reason, message.close_at)
        return shown(message)

    @app.post("/shown-rotations")
    def show_rotation(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowRotation → RotationShown."""
        return shown(edge.open(envelope, ShowRotation, peer, own_desk).value)

    @app.post("/closed-rotations")
    def close_rotation(envelope: Envelope, peer: Peer) -> Envelope:
        """CloseRotation → RotationShown."""
        message = edge.open(envelope, CloseRotation, peer, own_desk).value
        rotations.close(message.at_once)
        return shown(message)
