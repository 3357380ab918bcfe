"""Copies and what protects them (副本登録・不開示設定): what a business system hands over, checked before it is stored.

One bad copy does not hold up the others: it is rejected with its position and the reason, and the rest is placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kumihimo.domain.kernel import AddresseeNumber, Clock, Problem
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.provision import CopyOf, RejectedCopy
from kumihimo.roles.gateway.service.items import check_body, schema_of
from kumihimo.roles.gateway.service.release import ANY_ITEM
from kumihimo.roles.gateway.store.copies import CopyStore, StoredFlag


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

    def protect(self, addressee: AddresseeNumber, kind: FlagKind, item: str = ANY_ITEM) -> None:
        """Put a flag before the release of an item, or of every item. Raises Problem(item.unknown)."""
        if item != ANY_ITEM:
            schema_of(item)
        self.store.set_flag(addressee.digits, item, kind, self.clock.now())

    def lift(self, addressee: AddresseeNumber, kind: FlagKind, item: str = ANY_ITEM) -> bool:
        """Take a flag away again; whether there was one."""
        return self.store.lift_flag(addressee.digits, item, kind)

    def protections(self, addressee: AddresseeNumber) -> tuple[StoredFlag, ...]:
        """Every flag of an addressee."""
        return self.store.standing(addressee.digits)
