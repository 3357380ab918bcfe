"""Orders of the oversight body (第三者機関の命令): suspend, lift, stop everything, set quotas, audit, rotate codes.

番号法 第六章 gives the body the power to order. An order is signed once and kept by everybody who carries it out; its number
decides which of two orders about the same matter is in force, in whatever order they arrive.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from kumihimo.plumbing.wire.envelope import Document, Envelope, Message, Part, Reply, Whole
from kumihimo.plumbing.wire.messages.audits import AuditOrdered


class Measure(StrEnum):
    """What is ordered; `rotate`: an institution, or each of them, moves its link codes to the next epoch."""

    SUSPEND = "suspend"
    LIFT = "lift"
    QUOTA = "quota"
    AUDIT = "audit"
    ROTATE = "rotate"


class Quota(Part):
    """How many requests of one requester are taken within any minute and any day (24 hours)."""

    per_minute: Annotated[int, Field(ge=1, le=10_000_000)]
    per_day: Annotated[int, Field(ge=1, le=1_000_000_000)]


# A reason is logged and shown to residents: no number may hide in it (invariant I1).
_DIGITS: Final = re.compile(r"(?:\d[\s-]?){9}")


def _sayable(reason: str) -> str:
    if not reason.isprintable() or _DIGITS.search(reason):
        raise ValueError("a reason is printable text without long numbers")
    return reason


Reason = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_sayable)]


class Ordered(Part):
    """What an order says. `institution` null: all of them, the whole hub; `quota` and `audit` for those measures only."""

    measure: Measure
    institution: str | None
    reason: Reason
    quota: Quota | None = None
    audit: AuditOrdered | None = None

    @model_validator(mode="after")
    def _quota_where_one_belongs(self) -> Self:
        if (self.measure is Measure.QUOTA) != (self.quota is not None):
            raise ValueError("a quota belongs to an order of that measure, and to no other")
        return self

    @model_validator(mode="after")
    def _audit_of_one_institution(self) -> Self:
        if (self.measure is Measure.AUDIT) != (self.audit is not None) or (self.audit and self.institution is None):
            raise ValueError("an audit names an institution and its inquiries; no other order does")
        return self


class Order(Document):
    """One order, numbered by the oversight body from 1."""

    KIND: ClassVar[str] = "oversight-order.v1"
    number: Annotated[int, Field(ge=1)]
    ordered: Ordered
    ordered_at: AwareDatetime


class CarryOutOrder(Message):
    """Oversight body → each operator: an order it has signed. The same order again changes nothing."""

    KIND: ClassVar[str] = "carry-out-order.v1"
    order: Envelope


class OrderCarriedOut(Reply):
    """The order is in force at this operator, durably; at operator 1 it is also in the log.

    `order_hash` is the digest of the signed order: shown to others, this reply tells that the operator has seen it.
    """

    KIND: ClassVar[str] = "order-carried-out.v1"
    number: Whole
    order_hash: str


class GiveOrder(Message):
    """Oversight officer → oversight body: give an order. It is numbered, signed, kept, and sent until both have it."""

    KIND: ClassVar[str] = "give-order.v1"
    REPEATABLE: ClassVar[bool] = False
    ordered: Ordered


class OrderGiven(Reply):
    """The order's number; which operators have carried it out already, and which are still being asked."""

    KIND: ClassVar[str] = "order-given.v1"
    number: Whole
    in_force: tuple[str, ...]
    awaited: tuple[str, ...]


class ShowOrders(Message):
    """Oversight officer → oversight body: all orders, newest first."""

    KIND: ClassVar[str] = "show-orders.v1"


class OrderShown(Part):
    """An order and the operators that have carried it out."""

    order: Order
    in_force: tuple[str, ...]


class Orders(Reply):
    KIND: ClassVar[str] = "orders.v1"
    orders: tuple[OrderShown, ...]
