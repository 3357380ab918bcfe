"""Orders of the oversight body at an operator (命令の執行): suspensions, lifting, the stop of everything, quotas.

Each operator takes them from the body itself and never from the other operator, so that none can keep one from the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import structlog

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, parse_envelope
from kumihimo.plumbing.wire.messages.inquiry import Refusal
from kumihimo.plumbing.wire.messages.oversight import CarryOutOrder, Measure, Order, OrderCarriedOut
from kumihimo.plumbing.wire.messages.rotation import RotationOrdered
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.parties import OVERSIGHT, holder_of_codes, is_oversight, is_registry
from kumihimo.roles.hub.service.records import order_record
from kumihimo.roles.hub.service.rulings import refusal_of
from kumihimo.roles.hub.store import News

ROTATE_KIND: Final = "rotate"
log = structlog.get_logger()
Note = Callable[[Signed[Order]], None]


class Orders(Protocol):
    """The orders in force: `store.Standings`."""

    def carry_out(self, signed: Signed[Order], at: datetime) -> None:
        """Durable and in force on return. Raises Problem(order.conflict)."""
        ...


class OrderDesk:
    """Either operator's desk. `note` writes an order down before it takes effect: operator 1 has the log for it."""

    def __init__(self, edge: Edge, orders: Orders, note: Note = lambda _signed: None) -> None:
        self._edge = edge
        self._orders = orders
        self._note = note

    def carry_out(self, envelope: Envelope, peer: PartyId) -> OrderCarriedOut:
        """Bring an order into force; once more changes nothing.

        Raises Problem: of a signature or age, peer.not_allowed, institution.unknown, order.conflict.
        """
        message = self._edge.open(envelope, CarryOutOrder, peer, is_oversight).value
        signed = self._edge.read(message.order, Order, OVERSIGHT)
        order = signed.value
        if order.ordered.institution is not None:
            self._edge.directory.institution(order.ordered.institution)
        self._note(signed)
        self._orders.carry_out(signed, self._edge.clock.now())
        log.warning("order", index=order.number, kind=order.ordered.measure, institution=order.ordered.institution)
        return OrderCarriedOut(in_reply_to=message.message_id, number=order.number, order_hash=signed.envelope.digest())


class RotationOrders:
    """Operator 2's part of an order to rotate: it puts the order on the feed of every exchange it is about.

    An order that is sent again may be there twice; an exchange carries out each number once.
    """

    def __init__(self, edge: Edge, tell: Callable[[News, datetime], None], notify: Callable[[], None]) -> None:
        self._edge = edge
        self._tell = tell
        self._notify = notify

    def __call__(self, signed: Signed[Order]) -> None:
        """Pass on an order to rotate; any other order is nothing to do with feeds."""
        ordered = signed.value.ordered
        if ordered.measure is not Measure.ROTATE:
            return
        about = [one.id for one in self._edge.directory.institutions() if ordered.institution in (None, one.id)]
        for institution in about:
            holder = holder_of_codes(institution)
            if self._edge.directory.has(holder) and not is_registry(holder):  # which reads no feed and has no codes
                news = News(holder, ROTATE_KIND, RotationOrdered(order=signed.envelope))
                self._tell(news, self._edge.clock.now())
        self._notify()


class FirstOrderDesk:
    """Operator 1's desk: what is not taken is logged as rejected, what is taken as an order, once."""

    def __init__(self, edge: Edge, orders: Orders, journal: Journal) -> None:
        self._journal = journal
        self._desk = OrderDesk(edge, orders, self._write)

    def carry_out(self, body: bytes, peer: PartyId) -> OrderCarriedOut:
        """As `OrderDesk.carry_out`."""
        with self._journal.rejecting(peer):
            return self._desk.carry_out(parse_envelope(body), peer)

    def _write(self, signed: Signed[Order]) -> None:
        record = order_record(signed, _answered_from_now_on(signed.value), self._journal.now())
        # By its digest: an order with the number of another is a conflict for the store to find, and stays evidence.
        self._journal.write_once(record, f"order/{signed.envelope.digest()}")


def _answered_from_now_on(order: Order) -> Refusal | None:
    if order.ordered.measure is not Measure.SUSPEND:
        return None
    code = "hub.stopped" if order.ordered.institution is None else "institution.suspended"
    return refusal_of(Problem(code, f"{order.ordered.reason} (order {order.number})"))
