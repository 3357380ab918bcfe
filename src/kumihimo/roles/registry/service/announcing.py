"""Announcing (通知): the whole state of a resident after an event, to every institution that is subscribed to them.

住民基本台帳法第三十条の九 ff. Every announcement is complete by itself, so that it may come late, twice or in another order.
"""

from __future__ import annotations

from collections.abc import Callable

from kumihimo.domain.kernel import Institution
from kumihimo.plumbing.wire.messages.residents import (
    FourItemsPart,
    RegisterEventKind,
    ResidentEvent,
    ResidentSnapshot,
)
from kumihimo.roles.registry.service.holders import SUBSCRIBER, tell_authority
from kumihimo.roles.registry.store import Change, Resident, Transaction


def announced(
    transaction: Transaction, institution: Callable[[str], Institution], one: Resident, change: Change
) -> ResidentSnapshot:
    """Tell every subscriber, the authority for certificates without the number; the snapshot as municipalities get it."""
    with_code = snapshot(transaction, one, with_code=True)
    without = with_code.model_copy(update={"resident_code": None})
    for subscriber in transaction.subscribers(one.id):
        if subscriber == SUBSCRIBER:
            tell_authority(transaction, one, change)
            continue
        told = with_code if "municipality" in institution(subscriber).classes else without
        event = ResidentEvent(event=RegisterEventKind(change.event), on=change.happened_on, resident=told)
        transaction.announce(one, change, subscriber, event.model_dump(mode="json"))
    return with_code


def snapshot(transaction: Transaction, one: Resident, *, with_code: bool) -> ResidentSnapshot:
    """The state of a resident as it travels; the resident code goes to municipalities only."""
    numbers = transaction.numbers_of(one)
    return ResidentSnapshot(
        individual_number=one.individual_number,
        former_numbers=numbers.former,
        merged_numbers=numbers.merged,
        standing=one.standing,
        merged_into=transaction.survivor_number(one),
        resident_code=one.resident_code if with_code else None,
        four_items=FourItemsPart.of(one.four_items),
        municipality=one.municipality,
        alive=one.died_on is None,
        died_on=one.died_on,
        version=one.version,
    )
