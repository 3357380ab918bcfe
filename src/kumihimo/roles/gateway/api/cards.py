"""The ledger's edge for IC cards (ICカードの窓口): what its own desk asks at a window about a card."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.card_desk import (
    ApplyForCard,
    CertifyCardKey,
    CertifyOfficeKey,
    ShowCards,
    TellOfCard,
)
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.cards import CardWindow


def mount_cards(app: FastAPI, edge: Edge, window: CardWindow, own_desk: Callable[[PartyId], bool]) -> None:
    """Add the window's endpoints to a ledger's application."""

    @app.post("/cards")
    def apply(envelope: Envelope, peer: Peer) -> Envelope:
        """Certificates for the keys of an addressee's card, and what is to be written on it."""
        return edge.answer(window.apply(edge.open(envelope, ApplyForCard, peer, own_desk).value))

    @app.post("/shown-cards")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """The cards and certificates of an addressee, or one card."""
        return edge.answer(window.show(edge.open(envelope, ShowCards, peer, own_desk).value))

    @app.post("/card-reports")
    def report(envelope: Envelope, peer: Peer) -> Envelope:
        """A card was lost, found, given back or stolen."""
        return edge.answer(window.report(edge.open(envelope, TellOfCard, peer, own_desk).value))

    @app.post("/office-keys")
    def certify_office(envelope: Envelope, peer: Peer) -> Envelope:
        """The office's key towards cards."""
        return edge.answer(window.certify_office(edge.open(envelope, CertifyOfficeKey, peer, own_desk).value))

    @app.post("/card-keys")
    def certify_card(envelope: Envelope, peer: Peer) -> Envelope:
        """The key of a new, blank card."""
        return edge.answer(window.certify_card(edge.open(envelope, CertifyCardKey, peer, own_desk).value))
