"""Orders (命令): given by an officer, numbered and signed by the body, and sent to both operators until both obey.

An order is kept before it is sent. It goes to both operators at once; one that cannot be reached is asked again every half
second, so that it hears of its orders before anybody else can use it for long.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import structlog

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Message, Reply, Signed
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.oversight import (
    CarryOutOrder,
    GiveOrder,
    Order,
    OrderCarriedOut,
    Ordered,
    OrderGiven,
    Orders,
    OrderShown,
    ShowOrders,
)
from kumihimo.roles.oversight.store import GivenOrder, OrderStore

OFFICER: Final = PartyId("oversight/officer")
R = TypeVar("R", bound=Reply)
log = structlog.get_logger()


class Sender(Protocol):
    """Carries a message to its audience and brings the verified answer: `plumbing.wire.client.PeerClient`."""

    def send(self, path: str, message: Message, reply: type[R]) -> Signed[R]:
        """Raises Problem: what the audience reported, or peer.unreachable."""
        ...


class OrderDesk:
    """The oversight body's desk for orders. Safe for many threads."""

    def __init__(
        self, edge: Edge, store: OrderStore, sender: Sender, audit_fits: Callable[[Ordered], None] = lambda _: None
    ) -> None:
        """`audit_fits` looks at an order to audit before it is given, and raises the Problem that stands against it."""
        self._edge = edge
        self._store = store
        self._sender = sender
        self._audit_fits = audit_fits

    def give(self, envelope: Envelope, peer: PartyId) -> OrderGiven:
        """Number, sign, keep and send an order; which operators have carried it out, and which are still asked.

        Raises Problem: of a signature or age, peer.not_allowed, institution.unknown, and what stands against an audit.
        Nothing is kept then.
        """
        message = self._edge.open(envelope, GiveOrder, peer, _is_officer).value
        if message.ordered.institution is not None:
            self._edge.directory.institution(message.ordered.institution)
        now = self._edge.clock.now()
        audit = message.ordered.audit
        if audit is not None:
            self._audit_fits(message.ordered)

        def sign(number: int) -> Envelope:
            return self._edge.answer(Order(number=number, ordered=message.ordered, ordered_at=now))

        given = self._store.give(sign, now, None if audit is None else audit.due_at)
        log.warning("order", index=given.number, kind=message.ordered.measure, institution=message.ordered.institution)
        with ThreadPoolExecutor(len(OPERATORS)) as pool:
            obeyed = tuple(pool.map(lambda operator: self._send(given, operator), OPERATORS))
        told = tuple(zip(OPERATORS, obeyed, strict=True))
        return OrderGiven(
            in_reply_to=message.message_id,
            number=given.number,
            in_force=tuple(operator for operator, done in told if done),
            awaited=tuple(operator for operator, done in told if not done),
        )

    def show(self, envelope: Envelope, peer: PartyId) -> Orders:
        """All orders, newest first."""
        message = self._edge.open(envelope, ShowOrders, peer, _is_officer).value
        shown = tuple(
            OrderShown(order=self._edge.read(one.envelope, Order, self._edge.party).value, in_force=one.in_force)
            for one in self._store.all()
        )
        return Orders(in_reply_to=message.message_id, orders=shown)

    def send_awaited(self) -> None:
        """Send every operator what it has not carried out yet; one that does not obey the first is not asked further."""
        for operator in OPERATORS:
            for given in self._store.awaited(operator):
                if not self._send(given, operator):
                    break

    def _send(self, given: GivenOrder, operator: PartyId) -> bool:
        message = self._edge.message(CarryOutOrder, operator, order=given.envelope)
        try:
            reply = self._sender.send("/orders", message, OrderCarriedOut)
        except Problem as problem:
            log.error("order.waiting", index=given.number, operator=operator, code=problem.code)
            return False
        self._store.carried_out(given.number, operator, self._edge.clock.now(), reply.envelope)
        return True


def _is_officer(party: PartyId) -> bool:
    return party == OFFICER
