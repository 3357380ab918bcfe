"""Standing of institutions at an operator (停止命令): active, or suspended with its reason.

Each operator keeps its own list, so that a suspension holds even if one of them ignored it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, insert, select, update

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.hub.store.tables import standings


class Standing(StrEnum):
    """Whether an institution may use the platform."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Standings:
    """The list, kept in memory too because every request asks; one process writes one operator's store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._suspended = self._read()

    def require_active(self, institution: str) -> None:
        """Raises Problem(institution.suspended)."""
        if institution in self._suspended:
            raise Problem(
                "institution.suspended", institution, advice="Ask the oversight body for the reason and the remedy."
            )

    def put(self, institution: str, standing: Standing, reason: str, at: datetime) -> None:
        """Suspend an institution or make it active again, durably, from the next request on."""
        values = {"standing": standing.value, "since": at, "reason": reason}
        with self._engine.begin() as conn:
            changed = conn.execute(update(standings).where(standings.c.institution == institution).values(**values))
            if changed.rowcount == 0:
                conn.execute(insert(standings).values(institution=institution, **values))
        self._suspended = self._read()

    def _read(self) -> frozenset[str]:
        query = select(standings.c.institution).where(standings.c.standing == Standing.SUSPENDED.value)
        with self._engine.connect() as conn:
            return frozenset(conn.execute(query).scalars())
