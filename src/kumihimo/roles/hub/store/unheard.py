"""Requests of which operator 2 may not have heard (未達の照会): rows that go, many at once, when it has.

Their rows are written with the entries themselves (`log`); here is what is done with them afterwards.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine, delete, select

from kumihimo.roles.hub.store import tables as t


class Unheard:
    """The rows in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def forget(self, indexes: Collection[int]) -> None:
        """Operator 2 has heard of them: their ciphertexts are deleted."""
        with self._engine.begin() as conn:
            conn.execute(delete(t.unrelayed).where(t.unrelayed.c.entry_index.in_(indexes)))

    def has_outcome(self, transaction: str) -> bool:
        """Whether anything was reported about a transaction, so that its permit must have left."""
        query = select(t.outcomes.c.mark).where(t.outcomes.c.mark.startswith(f"outcome/{transaction}/"))
        with self._engine.connect() as conn:
            return conn.execute(query.limit(1)).one_or_none() is not None
