"""Copies and what protects them (副本登録・不開示設定): what a business system hands over, checked before it is stored.

One bad copy does not hold up the others: it is rejected with its position and the reason, and the rest is placed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from kumihimo.domain.kernel import AddresseeNumber, Clock, Problem
from kumihimo.plumbing.information_items import check_body, schema_of
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.provision import CopyOf, RejectedCopy
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


def _of_nobody(number: str) -> Problem:
    return Problem(
        "addressee.unknown",
        str(AddresseeNumber(number)),
        where="addressee_number",
        expected="a number of the institution's ledger",
        advice="Enter the person in the ledger first; a number entered just now is known within seconds.",
    )


@dataclass(frozen=True)
class Copies:
    """The service around an exchange's copies."""

    store: CopyStore
    clock: Clock
    unknown: Callable[[Collection[str]], set[str]] = lambda _numbers: set()
    most_a_day: int = 10**12

    def put(
        self, copies: Sequence[CopyOf], waiting: int | None = None, as_of: datetime | None = None
    ) -> tuple[int, tuple[RejectedCopy, ...]]:
        """Place what is right, all in one transaction; how many, and what was rejected.

        `waiting` rows of the same items are still to come (None: what was told last, less these). Raises
        Problem(quota.exceeded), with nothing placed, when more would be placed in a day than the institution may.
        """
        right: list[CopyOf] = []
        rejected: list[RejectedCopy] = []
        nobodys = self.unknown({one.addressee_number for one in copies})
        for position, one in enumerate(copies):
            try:
                check_copy(one)
                if one.addressee_number in nobodys:
                    raise _of_nobody(one.addressee_number)
            except Problem as problem:
                reason = f"{problem.where}: {problem.detail}, expected {problem.expected}"
                rejected.append(RejectedCopy(position=position, code=problem.code, reason=reason))
            else:
                right.append(one)
        if right and not self.store.deliver(right, waiting, as_of, self.most_a_day, self.clock.now()):
            raise Problem(
                "quota.exceeded",
                f"{len(right)} copies beyond the {self.most_a_day} of a day",
                where="copies",
                expected="no more copies in a day than the exchange is set to take",
                advice="Send them tomorrow, or have copies_per_day raised in the exchange's role.toml.",
            )
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
