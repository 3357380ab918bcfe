"""The oversight body's orders: who gives them, that they are kept before they are sent, and sent until both obey."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Signed, open_message
from kumihimo.plumbing.wire.messages.oversight import (
    CarryOutOrder,
    GiveOrder,
    Measure,
    Order,
    OrderCarriedOut,
    Ordered,
    OrderGiven,
    ShowOrders,
)
from kumihimo.roles.oversight.service.orders import OFFICER, OrderDesk
from kumihimo.roles.oversight.store import MIGRATIONS, OrderStore

HUB_1, HUB_2, BODY = PartyId("hub-1/operator"), PartyId("hub-2/operator"), PartyId("oversight/body")


@dataclass
class BothOperators:
    """Both operators as far as orders go: they verify what they are sent with their own keys, and may be down."""

    edge_of: Callable[[PartyId], Edge]
    down: set[PartyId] = field(default_factory=set)
    obeyed: list[tuple[PartyId, int]] = field(default_factory=list)

    def send(self, path: str, message: Any, reply: Any) -> Any:
        assert (path, reply) == ("/orders", OrderCarriedOut)
        hub = PartyId(message.audience)
        if hub in self.down:
            raise Problem("peer.unreachable", hub)
        edge = self.edge_of(hub)
        sent = self.edge_of(BODY).answer(message)
        opened = open_message(sent, CarryOutOrder, edge.directory, sender=BODY, me=hub, clock=edge.clock).value
        signed = edge.read(opened.order, Order, BODY)
        number = signed.value.number
        self.obeyed.append((hub, number))
        done = OrderCarriedOut(in_reply_to=opened.message_id, number=number, order_hash=signed.envelope.digest())
        return Signed(done, edge.answer(done))


@dataclass
class Office:
    """The body's desk, and whoever comes to it."""

    desk: OrderDesk
    operators: BothOperators
    edge_of: Callable[[PartyId], Edge]

    def give(self, measure: Measure, about: str | None, by: PartyId = OFFICER) -> OrderGiven:
        edge = self.edge_of(by)
        ordered = Ordered(measure=measure, institution=about, reason="a test")
        return self.desk.give(edge.answer(edge.message(GiveOrder, BODY, ordered=ordered)), by)

    def shown(self) -> list[tuple[int, tuple[str, ...]]]:
        edge = self.edge_of(OFFICER)
        orders = self.desk.show(edge.answer(edge.message(ShowOrders, BODY)), OFFICER).orders
        return [(one.order.number, one.in_force) for one in orders]


@pytest.fixture
def office(tmp_path: Path, edge_of: Callable[[PartyId], Edge]) -> Office:
    engine = open_engine(f"sqlite:///{tmp_path}/oversight.db")
    migrate(engine, MIGRATIONS)
    operators = BothOperators(edge_of)
    return Office(OrderDesk(edge_of(BODY), OrderStore(engine), operators), operators, edge_of)


def test_an_order_reaches_both_operators_and_its_officer_is_told(office: Office) -> None:
    given = office.give(Measure.SUSPEND, "x-city")
    assert (given.number, given.in_force, given.awaited) == (1, (HUB_1, HUB_2), ())
    assert sorted(office.operators.obeyed) == [(HUB_1, 1), (HUB_2, 1)]
    assert office.give(Measure.LIFT, "x-city").number == 2


def test_an_operator_that_is_down_hears_of_all_its_orders_in_their_order_when_it_is_back(office: Office) -> None:
    office.operators.down = {HUB_2}
    for measure in (Measure.SUSPEND, Measure.LIFT, Measure.SUSPEND):
        assert office.give(measure, None).awaited == (HUB_2,)
    office.desk.send_awaited()
    assert office.shown() == [(3, (HUB_1,)), (2, (HUB_1,)), (1, (HUB_1,))]
    office.operators.down = set()
    for _ in range(2):
        office.desk.send_awaited()
    assert [number for hub, number in office.operators.obeyed if hub == HUB_2] == [1, 2, 3]
    assert office.shown() == [(n, (HUB_1, HUB_2)) for n in (3, 2, 1)]


def test_only_the_officer_orders_and_nothing_is_kept_of_what_others_try(office: Office) -> None:
    with pytest.raises(Problem, match=r"peer\.not_allowed"):
        office.give(Measure.SUSPEND, "x-city", by=PartyId("x-city/desk"))
    with pytest.raises(Problem, match=r"institution\.unknown"):
        office.give(Measure.SUSPEND, "q-city")
    assert office.shown() == []
    assert office.operators.obeyed == []
