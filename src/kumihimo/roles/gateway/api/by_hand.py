"""Edges for what a person does (手動応答): flags, the queue, fetching an answer later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

from fastapi import FastAPI

from kumihimo.domain.kernel import AddresseeNumber, PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.by_hand import (
    AnswerByHand,
    DecidedByHand,
    FetchAnswer,
    LaterProvisionRequest,
    LiftProtection,
    PendingInquiries,
    Protect,
    Protection,
    Protections,
    ShowPending,
    WithholdByHand,
)
from kumihimo.plumbing.wire.messages.provision import Inquired
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.roles.gateway.service.by_hand import ByHand
from kumihimo.roles.gateway.service.copies import Copies
from kumihimo.roles.gateway.service.fetching import Fetching
from kumihimo.roles.gateway.service.inquiry import Result
from kumihimo.roles.gateway.service.provision import answer_to

Allowed = Callable[[PartyId], bool]


def mount_protection(app: FastAPI, edge: Edge, copies: Copies, own_desk: Allowed) -> None:
    """Add the routes by which the own desk sets and lifts flags."""

    def standing(message_id: str, addressee: AddresseeNumber) -> Envelope:
        flags = tuple(Protection(flag=one.kind, item=one.item) for one in copies.protections(addressee))
        return edge.answer(Protections(in_reply_to=message_id, addressee_number=addressee.digits, protections=flags))

    @app.post("/protections")
    def protect(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, Protect, peer, own_desk).value
        addressee = AddresseeNumber.parse(message.addressee_number, "addressee_number")
        copies.protect(addressee, message.flag, message.item)
        return standing(message.message_id, addressee)

    @app.post("/protections/lifted")
    def lift(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, LiftProtection, peer, own_desk).value
        addressee = AddresseeNumber.parse(message.addressee_number, "addressee_number")
        copies.lift(addressee, message.flag, message.item)
        return standing(message.message_id, addressee)


def mount_queue(app: FastAPI, edge: Edge, by_hand: ByHand, own_desk: Allowed, another_exchange: Allowed) -> None:
    """Add the routes of the provider's queue, and the one where requesters come back."""

    @app.post("/pending")
    def show_pending(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShowPending, peer, own_desk).value
        return edge.answer(PendingInquiries(in_reply_to=message.message_id, pending=by_hand.waiting()))

    @app.post("/pending/answered")
    def answer(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, AnswerByHand, peer, own_desk).value
        outcome = by_hand.answer(message)
        return edge.answer(
            DecidedByHand(in_reply_to=message.message_id, transaction=message.transaction, outcome=outcome)
        )

    @app.post("/pending/withheld")
    def withhold(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, WithholdByHand, peer, own_desk).value
        outcome = by_hand.withhold(message)
        return edge.answer(
            DecidedByHand(in_reply_to=message.message_id, transaction=message.transaction, outcome=outcome)
        )

    @app.post("/provisions/later")
    def provide_later(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, LaterProvisionRequest, peer, another_exchange).value
        return edge.answer(answer_to(message, by_hand.later(message, peer)))


def mount_fetching(app: FastAPI, edge: Edge, fetching: Fetching, own_desk: Allowed, in_turn: Executor) -> None:
    """Add the route by which the own desk fetches an answer; it waits for others, in the threads of inquiries."""

    @app.post("/inquiries/later")
    async def later(envelope: Envelope, peer: Peer) -> Envelope:
        """FetchAnswer → Inquired."""
        return await in_thread(partial(fetch, envelope, peer), in_turn)

    def fetch(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, FetchAnswer, peer, own_desk).value
        return edge.answer(inquired(message.message_id, fetching.fetch(message)))


def inquired(message_id: str, result: Result) -> Inquired:
    """What came of an inquiry, as the desk is told."""
    return Inquired(
        in_reply_to=message_id,
        transaction=result.transaction,
        outcome=result.outcome,
        items=result.items,
        permit=result.permit,
        refusal=result.refusal,
        log_index=result.log_index,
    )
