"""Placing copies (副本登録): what a business system hands over is checked against the item's schema before it is stored.

One bad copy does not hold up the others: it is rejected with its position and the reason, and the rest is placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kumihimo.domain.kernel import AddresseeNumber, Clock, Problem
from kumihimo.plumbing.wire.messages.provision import CopyOf, RejectedCopy
from kumihimo.roles.gateway.service.items import check_body
from kumihimo.roles.gateway.store.copies import CopyStore


def check_copy(one: CopyOf) -> None:
    """Raises Problem(addressee_number.format|check_digit, item.unknown, copy.invalid)."""
    AddresseeNumber.parse(one.addressee_number, "addressee_number")
    check_body(one.item.item, one.item.body)
    if one.item.valid_until is not None and one.item.valid_until < one.item.valid_from:
        raise Problem(
            "copy.invalid",
            f"{one.item.item}: valid until a day before it begins",
            where="valid_until",
            expected=f"{one.item.valid_from.isoformat()} or later",
        )


@dataclass(frozen=True)
class Copies:
    """The service around an exchange's copies."""

    store: CopyStore
    clock: Clock

    def put(self, copies: Sequence[CopyOf]) -> tuple[int, tuple[RejectedCopy, ...]]:
        """Place what is right, all in one transaction; how many, and what was rejected."""
        right: list[CopyOf] = []
        rejected: list[RejectedCopy] = []
        for position, one in enumerate(copies):
            try:
                check_copy(one)
            except Problem as problem:
                reason = f"{problem.where}: {problem.detail}, expected {problem.expected}"
                rejected.append(RejectedCopy(position=position, code=problem.code, reason=reason))
            else:
                right.append(one)
        if right:
            self.store.put(right, self.clock.now())
        return len(right), tuple(rejected)
