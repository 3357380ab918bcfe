"""Conditions of institutions (機関の状態): what each said last is wrong; nothing is left of what it no longer says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, delete, func, insert, select

from kumihimo.plumbing.wire.messages.freshness import Condition
from kumihimo.roles.oversight.store import tables as t


class ConditionStore:
    """What institutions said last. Safe for many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def replace(self, institution: str, conditions: Sequence[Condition]) -> None:
        """What an institution says now, in the place of what it said before."""
        rows = [one.model_dump() | {"item": one.item or ""} for one in conditions]
        with self._engine.begin() as conn:
            conn.execute(delete(t.condition).where(t.condition.c.institution == institution))
            if rows:
                conn.execute(insert(t.condition), rows)

    def all(self) -> tuple[Condition, ...]:
        """Every condition, by institution."""
        query = select(t.condition).order_by(t.condition.c.institution, t.condition.c.kind, t.condition.c.item)
        with self._engine.connect() as conn:
            return tuple(
                Condition(
                    institution=row.institution,
                    kind=row.kind,
                    item=row.item or None,
                    count=row.count,
                    since=row.since,
                    heard_at=row.heard_at,
                )
                for row in conn.execute(query)
            )

    def by_kind(self) -> dict[tuple[str, str], int]:
        """How many conditions each institution has of each kind: (kind, institution) → number."""
        query = select(t.condition.c.kind, t.condition.c.institution, func.count()).group_by(
            t.condition.c.kind, t.condition.c.institution
        )
        with self._engine.connect() as conn:
            return {(kind, institution): count for kind, institution, count in conn.execute(query)}
