"""The witness's memory (立会人の記憶): the newest state cosigned, changed only by whoever has seen the one before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.transparency.witness import WitnessedState
from kumihimo.roles.oversight.store import tables as t


class WitnessStore:
    """States by the origin of a log."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def state(self, origin: str) -> WitnessedState:
        """The newest state cosigned; that of an empty log before the first."""
        query = select(t.witnessed.c.size, t.witnessed.c.root).where(t.witnessed.c.origin == origin)
        with self._engine.connect() as conn:
            row = conn.execute(query).one_or_none()
        return WitnessedState() if row is None else WitnessedState(row.size, row.root)

    def note(self, origin: str) -> str | None:
        """The newest checkpoint cosigned, as the log signed it; None before the first."""
        query = select(t.witnessed.c.note).where(t.witnessed.c.origin == origin)
        with self._engine.connect() as conn:
            found: str | None = conn.execute(query).scalar_one_or_none()
            return found

    def swap(
        self, origin: str, old: WitnessedState, new: WitnessedState, at: datetime, note: str | None = None
    ) -> bool:
        """Replace `old` by `new`, with the log's own words for it, durable on return.

        False, and nothing changed, when the state is no longer `old`.
        """
        values = {"size": new.size, "root": new.root, "cosigned_at": at, "note": note}
        unchanged = (
            update(t.witnessed)
            .where(t.witnessed.c.origin == origin, t.witnessed.c.size == old.size, t.witnessed.c.root == old.root)
            .values(values)
        )
        try:
            with self._engine.begin() as conn:
                if conn.execute(unchanged).rowcount == 1:
                    return True
                if old != WitnessedState():
                    return False
                conn.execute(insert(t.witnessed).values(origin=origin, **values))
                return True
        except IntegrityError:
            return False  # another request stored a first state in between
