"""The exchange's edge for copies (副本): placing them, declaring deliveries, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import FastAPI

from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.freshness import (
    CopyAlarmKind,
    CopyAlarms,
    DeclareDelivery,
    DeliveryDeclared,
    RegisterTold,
    ShowCopyAlarms,
    TellRegister,
)
from kumihimo.plumbing.wire.messages.provision import CopiesPlaced, PutCopies
from kumihimo.plumbing.wire.meters import Reading
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.copies import Copies
from kumihimo.roles.gateway.service.copy_watch import CopyWatch, Looked
from kumihimo.roles.gateway.service.lines import OVERSIGHT
from kumihimo.roles.gateway.store.registered import RegisteredStore

Allowed = Callable[[PartyId], bool]


class CopiesVital:
    """Alarms of copies: the business systems' trouble, with which the exchange can do its work; so a remark, not a fault."""

    name = "copies"

    def __init__(self, watch: CopyWatch) -> None:
        self._watch = watch

    def fault(self) -> str | None:
        return None

    def remark(self) -> str | None:
        """The alarms in short, or None."""
        return in_short(self._watch.lately()) or None

    def readings(self) -> Iterable[Reading]:
        looked = self._watch.lately()
        found = {(one.alarm, one.item or ""): one.count for one in looked.alarms}
        for kind in CopyAlarmKind:
            if not any(key[0] is kind for key in found):
                yield Reading("copy_alarms", 0.0, (kind.value, ""))
        for (kind, item), count in found.items():
            yield Reading("copy_alarms", float(count), (kind.value, item))
        for one in looked.items:
            yield Reading("copies_waiting", float(one.waiting), (one.item,))
            if one.complete_at is not None and one.due_at is not None:
                age = (looked.at - one.complete_at).total_seconds()
                yield Reading("copies_delivered_age_seconds", age, (one.item,))
                yield Reading("copies_due_seconds", (one.due_at - looked.at).total_seconds(), (one.item,))


def in_short(looked: Looked) -> str:
    """The alarms in one line: kinds, items and counts."""
    return ", ".join(f"{one.alarm.value} {one.item or ''}".strip() + f" ({one.count})" for one in looked.alarms)


def mount_copies(app: FastAPI, edge: Edge, copies: Copies, watch: CopyWatch, own_desk: Allowed) -> None:
    """Add what a desk, and the oversight body, may do about copies."""

    def may_see_alarms(peer: PartyId) -> bool:
        return own_desk(peer) or peer == OVERSIGHT

    @app.post("/copies")
    def put_copies(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, PutCopies, peer, own_desk).value
        watch.forget()
        placed, rejected = copies.put(message.copies, message.waiting, message.as_of)
        return edge.answer(CopiesPlaced(in_reply_to=message.message_id, placed=placed, rejected=rejected))

    @app.post("/deliveries")
    def declare(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, DeclareDelivery, peer, own_desk).value
        item = watch.declare(message.item, message.waiting, message.as_of)
        return edge.answer(DeliveryDeclared(in_reply_to=message.message_id, item=item))

    @app.post("/copy-alarms")
    def show_alarms(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShowCopyAlarms, peer, may_see_alarms).value
        looked = watch.look() if own_desk(peer) else watch.lately()
        return edge.answer(
            CopyAlarms(in_reply_to=message.message_id, looked_at=looked.at, alarms=looked.alarms, items=looked.items)
        )


def mount_register(app: FastAPI, edge: Edge, registered: RegisteredStore, own_ledger: Allowed) -> None:
    """Add what the own ledger tells of its addressees."""

    @app.post("/register")
    def tell_register(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, TellRegister, peer, own_ledger).value
        known = registered.tell(message.registered, edge.clock.now())
        return edge.answer(RegisterTold(in_reply_to=message.message_id, known=known))
