"""Standing of institutions at an operator (停止命令): active, or suspended with its reason; and orders as carried out.

Each operator keeps its own list, so that a suspension holds even if one of them ignored it. The list is read from the store
again at least every half second: an order takes effect within a second also where several processes serve one store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, Engine, Table, func, insert, select, update

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Envelope, Signed
from kumihimo.plumbing.wire.messages.oversight import Measure, Order, Quota
from kumihimo.roles.hub.store.tables import orders, quotas, standings

WHOLE_HUB: Final = "*"  # no institution has this id
REFRESH_SECONDS: Final = 0.5


class Standing(StrEnum):
    """Whether an institution may use the platform."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class InForce:
    """What is ordered now: reasons of suspensions and quotas, by institution; the whole hub under `WHOLE_HUB`."""

    suspended: Mapping[str, str]
    quotas: Mapping[str, Quota]


class Standings:
    """The list, kept in memory too because every request asks. Safe for many threads."""

    def __init__(self, engine: Engine, seconds: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._seconds = seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._known = InForce({}, {})
        self._read()

    def require_active(self, institution: str) -> None:
        """Raises Problem(hub.stopped, institution.suspended) with the reason of the order."""
        suspended = self._in_force().suspended
        if WHOLE_HUB in suspended:
            raise Problem("hub.stopped", suspended[WHOLE_HUB], advice="Wait for the oversight body's order to resume.")
        if institution in suspended:
            raise Problem(
                "institution.suspended",
                f"{institution}: {suspended[institution]}",
                advice="Ask the oversight body for the remedy.",
            )

    def quota(self, institution: str) -> Quota | None:
        """The quota ordered for an institution, else for all; None where none was ordered."""
        ordered = self._in_force().quotas
        return ordered.get(institution) or ordered.get(WHOLE_HUB)

    def put(self, institution: str, standing: Standing, reason: str, at: datetime) -> None:
        """Suspend an institution or make it active again, durably, from the next request on."""
        with self._engine.begin() as conn:
            _put(conn, standings, institution, {"standing": standing.value, "since": at, "reason": reason})
        self._read()

    def carry_out(self, signed: Signed[Order], at: datetime) -> None:
        """Bring an order into force, durably, unless a later one about the same matter is. Once more changes nothing.

        Raises Problem(order.conflict) when another order has the same number.
        """
        order = signed.value
        about = order.ordered.institution or WHOLE_HUB
        matter = _matter_of(order, about)
        with self._engine.begin() as conn:
            known = conn.execute(select(orders.c.envelope).where(orders.c.number == order.number)).scalar_one_or_none()
            if known is not None:
                if Envelope.model_validate_json(known).digest() != signed.envelope.digest():
                    raise Problem("order.conflict", f"order {order.number} was another one")
                return
            newest = conn.execute(select(func.max(orders.c.number)).where(orders.c.matter == matter)).scalar_one()
            row = {"number": order.number, "matter": matter, "envelope": signed.envelope.model_dump_json()}
            conn.execute(insert(orders).values(**row, carried_out_at=at))
            if newest is None or newest < order.number:
                _bring_into_force(conn, order, about, at)
        self._read()

    def _in_force(self) -> InForce:
        if self._seconds() - self._read_at > REFRESH_SECONDS:
            self._read()
        return self._known

    def _read(self) -> None:
        asked_at = self._seconds()
        stopped = select(standings.c.institution, standings.c.reason).where(
            standings.c.standing == Standing.SUSPENDED.value
        )
        with self._engine.connect() as conn:
            suspended = {row.institution: row.reason for row in conn.execute(stopped)}
            limits = {
                row.institution: Quota(per_minute=row.per_minute, per_day=row.per_day)
                for row in conn.execute(select(quotas))
            }
        with self._lock:
            if asked_at >= self._read_at:  # not over what a later look has found
                self._known, self._read_at = InForce(suspended, limits), asked_at


def _matter_of(order: Order, about: str) -> str:
    """Of orders about one matter the newest holds; every audit is a matter of its own."""
    match order.ordered.measure:
        case Measure.AUDIT:
            return f"audit/{order.number}"
        case Measure.QUOTA:
            return f"quota/{about}"
        case Measure.ROTATE:
            return f"rotation/{about}"
        case _:
            return f"standing/{about}"


def _bring_into_force(conn: Connection, order: Order, about: str, at: datetime) -> None:
    said = order.ordered
    if said.measure in (Measure.AUDIT, Measure.ROTATE):
        return  # an operator has nothing to do but to have seen it; institutions hear of a rotation from operator 2
    if said.quota is not None:
        _put(conn, quotas, about, {**said.quota.model_dump(), "since": at})
        return
    standing = Standing.SUSPENDED if said.measure is Measure.SUSPEND else Standing.ACTIVE
    reason = f"{said.reason} (order {order.number})"
    _put(conn, standings, about, {"standing": standing.value, "since": at, "reason": reason})


def _put(conn: Connection, table: Table, institution: str, values: Mapping[str, object]) -> None:
    changed = conn.execute(update(table).where(table.c.institution == institution).values(**values))
    if changed.rowcount == 0:
        conn.execute(insert(table).values(institution=institution, **values))
