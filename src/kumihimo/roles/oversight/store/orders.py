"""Orders given (命令簿): numbered without gaps, kept for ever, and which operator has carried out which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, exists, func, insert, select, text

from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.roles.oversight.store import tables as t


@dataclass(frozen=True)
class GivenOrder:
    """A signed order and the operators that have carried it out."""

    number: int
    envelope: Envelope
    in_force: tuple[str, ...]


class OrderStore:
    """The book of orders. Safe for many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def give(self, sign: Callable[[int], Envelope], at: datetime, audit_due_at: datetime | None = None) -> GivenOrder:
        """Number an order, have it signed, keep it; durable on return. An order to audit is open until `audit_due_at`."""
        with self._engine.begin() as conn:
            _one_at_a_time(conn)
            number = int(conn.execute(select(func.coalesce(func.max(t.order.c.number), 0) + 1)).scalar_one())
            envelope = sign(number)
            conn.execute(insert(t.order).values(number=number, envelope=envelope.model_dump_json(), given_at=at))
            if audit_due_at is not None:
                conn.execute(insert(t.audit).values(number=number, due_at=audit_due_at))
        return GivenOrder(number, envelope, ())

    def carried_out(self, number: int, operator: str, at: datetime, reply: Envelope | None = None) -> None:
        """Note that an operator has carried out an order, and what it signed; once more changes nothing."""
        same = (t.order_in_force.c.number == number) & (t.order_in_force.c.operator == operator)
        with self._engine.begin() as conn:
            _one_at_a_time(conn)
            if conn.execute(select(t.order_in_force.c.number).where(same)).scalar_one_or_none() is None:
                conn.execute(
                    insert(t.order_in_force).values(
                        number=number, operator=operator, since=at,
                        reply=reply.model_dump_json() if reply is not None else None,
                    )
                )  # fmt: skip

    def awaited(self, operator: str) -> list[GivenOrder]:
        """The orders that an operator has not carried out yet, oldest first."""
        done = exists().where(t.order_in_force.c.number == t.order.c.number, t.order_in_force.c.operator == operator)
        query = select(t.order.c.number, t.order.c.envelope).where(~done).order_by(t.order.c.number)
        with self._engine.connect() as conn:
            return [GivenOrder(row.number, _read(row.envelope), ()) for row in conn.execute(query)]

    def all(self) -> list[GivenOrder]:
        """Every order, newest first."""
        where: dict[int, list[str]] = {}
        with self._engine.connect() as conn:
            for row in conn.execute(select(t.order_in_force).order_by(t.order_in_force.c.operator)):
                where.setdefault(row.number, []).append(row.operator)
            rows = conn.execute(select(t.order).order_by(t.order.c.number.desc())).all()
        return [GivenOrder(row.number, _read(row.envelope), tuple(where.get(row.number, ()))) for row in rows]


def _read(envelope: str) -> Envelope:
    return Envelope.model_validate_json(envelope)


def _one_at_a_time(conn: Connection) -> None:
    """Two officers at once must not get one number; SQLite's writing transactions follow one another by themselves."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("LOCK TABLE given_order IN SHARE ROW EXCLUSIVE MODE"))
