"""Applications of residents (申請・届出): each is taken once and has a reference number; its state goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from kumihimo.plumbing.wire.messages.applications import ApplicationState
from kumihimo.roles.gateway.store.exchange import application

MOST_SHOWN: Final = 1_000


@dataclass(frozen=True)
class Application:
    """One part of somebody's application."""

    receipt: str
    number: str
    procedure: str
    sealed: bytes = field(repr=False)
    hash: str
    taken_at: datetime
    state: ApplicationState
    changed_at: datetime
    staff: str | None = None
    says: str | None = None


class ApplicationStore:
    """One institution's applications in a database."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution
        self._own = application.c.institution == institution

    def take(self, new: Application) -> Application:
        """Write one down; one of the same receipt stays as it is."""
        row = {"institution": self._institution, **{name: getattr(new, name) for name in _FIELDS}}
        try:
            with self._engine.begin() as conn:
                conn.execute(insert(application).values(row))
        except IntegrityError:
            found = self.find([new.receipt])
            if not found:
                raise
            return found[0]
        return new

    def find(self, receipts: Sequence[str]) -> list[Application]:
        """Those of these receipts that are here."""
        return self._read(select(application).where(self._own, application.c.receipt.in_(receipts)))

    def numbered(self, number: str) -> Application | None:
        """The one with this reference number."""
        found = self._read(select(application).where(self._own, application.c.number == number))
        return found[0] if found else None

    def newest(self, state: ApplicationState | None, before: datetime | None) -> list[Application]:
        """The newest ones, in one state and taken before an instant where these are named; at most `MOST_SHOWN`."""
        query = select(application).where(self._own)
        if state is not None:
            query = query.where(application.c.state == state)
        if before is not None:
            query = query.where(application.c.taken_at < before)
        return self._read(query.order_by(application.c.taken_at.desc(), application.c.number).limit(MOST_SHOWN))

    def change(
        self, number: str, before: ApplicationState, after: ApplicationState, staff: str, says: str | None, at: datetime
    ) -> bool:
        """From one state to another; False where it is in another state already."""
        here = self._own & (application.c.number == number) & (application.c.state == before)
        values = {"state": after, "staff": staff, "says": says, "changed_at": at}
        with self._engine.begin() as conn:
            return conn.execute(update(application).where(here).values(values)).rowcount == 1

    def _read(self, query: Any) -> list[Application]:
        with self._engine.connect() as conn:
            return [
                Application(
                    **{
                        **{name: getattr(row, name) for name in _FIELDS},
                        "sealed": bytes(row.sealed),
                        "state": ApplicationState(row.state),
                    }
                )
                for row in conn.execute(query)
            ]


_FIELDS: Final = tuple(Application.__dataclass_fields__)
