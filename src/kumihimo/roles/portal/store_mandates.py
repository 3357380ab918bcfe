"""Mandates (代理権) in the portal's store: who may look and act for whom, since when, until when, and when it was used.

Both ends are account numbers, which mean nothing outside the portal.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from kumihimo.plumbing.storage import UtcDateTime
from kumihimo.roles.portal.store import metadata

mandate = Table(
    "mandate",
    metadata,
    Column("mandate", String(32), primary_key=True),
    Column("giver", String(32), ForeignKey("account.account")),  # none once their account is closed
    Column("holder", String(32), ForeignKey("account.account")),  # likewise, and until the invitation is taken
    Column("invitation_hash", LargeBinary, unique=True),  # SHA-256; none once it was taken
    Column("invited_until", UtcDateTime, nullable=False),
    Column("relation", String(20), nullable=False),
    Column("scopes", String(400), nullable=False),
    Column("last_day", Date, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
    Column("accepted_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", String(10)),  # giver or holder
)
Index("ix_mandate_giver", mandate.c.giver)
Index("ix_mandate_holder", mandate.c.holder)

mandate_use = Table(
    "mandate_use",
    metadata,
    Column("mandate", String(32), ForeignKey("mandate.mandate"), primary_key=True),
    Column("topic", String(20), primary_key=True),
    Column("used_at", UtcDateTime, primary_key=True),  # to the minute
)


@dataclass(frozen=True)
class Mandate:
    """One mandate. `last_day` is the last one on which it holds, in Japan."""

    id: str
    giver: str | None
    holder: str | None
    invited_until: datetime
    relation: str
    scopes: frozenset[str]
    last_day: date
    given_at: datetime
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def holds(self, today: date) -> bool:
        """Whether it may be used."""
        return None not in (self.giver, self.holder) and self.revoked_at is None and today <= self.last_day


@dataclass(frozen=True)
class Use:
    """A topic was looked at under a mandate."""

    topic: str
    at: datetime


class MandateRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def add(self, one: Mandate, invitation_hash: bytes) -> None:
        """A mandate that waits for its holder."""
        self._conn.execute(
            insert(mandate).values(
                mandate=one.id, giver=one.giver, invitation_hash=invitation_hash, invited_until=one.invited_until,
                relation=one.relation, scopes=" ".join(sorted(one.scopes)), last_day=one.last_day, given_at=one.given_at,
            )
        )  # fmt: skip

    def invited(self, invitation_hash: bytes) -> Mandate | None:
        """The mandate an invitation is for."""
        return self._one(mandate.c.invitation_hash == invitation_hash)

    def accept(self, one: str, holder: str, at: datetime) -> bool:
        """The invitation is taken, by one person only; False where somebody was quicker."""
        free = (mandate.c.mandate == one) & mandate.c.holder.is_(None) & mandate.c.revoked_at.is_(None)
        change = {"holder": holder, "accepted_at": at, "invitation_hash": None}
        return self._conn.execute(update(mandate).where(free).values(change)).rowcount == 1

    def of(self, one: str) -> Mandate | None:
        """A mandate."""
        return self._one(mandate.c.mandate == one)

    def concerning(self, account: str) -> list[Mandate]:
        """Given or held by an account, newest first."""
        query = select(mandate).where(or_(mandate.c.giver == account, mandate.c.holder == account))
        return [_read(row) for row in self._conn.execute(query.order_by(mandate.c.given_at.desc()))]

    def revoke(self, one: str, by: str, at: datetime) -> None:
        """It does not hold any more."""
        change = {"revoked_at": at, "revoked_by": by, "invitation_hash": None}
        self._conn.execute(
            update(mandate).where(mandate.c.mandate == one, mandate.c.revoked_at.is_(None)).values(change)
        )

    def used(self, one: str, topic: str, at: datetime) -> None:
        """Its holder looked at a topic; once more in that minute changes nothing."""
        with suppress(IntegrityError), self._conn.begin_nested():
            self._conn.execute(insert(mandate_use).values(mandate=one, topic=topic, used_at=at))

    def uses(self, mandates: Sequence[str]) -> dict[str, list[Use]]:
        """When each was used for what, newest first."""
        found: dict[str, list[Use]] = {one: [] for one in mandates}
        query = select(mandate_use).where(mandate_use.c.mandate.in_(mandates))
        for row in self._conn.execute(query.order_by(mandate_use.c.used_at.desc(), mandate_use.c.topic)):
            found[row.mandate].append(Use(row.topic, row.used_at))
        return found

    def leave(self, account: str, at: datetime) -> None:
        """An account is closed: its mandates end, and stay with the other end, who must be able to see what was done."""
        for end, by in ((mandate.c.giver, "giver"), (mandate.c.holder, "holder")):
            revoked = {"revoked_at": at, "revoked_by": by, "invitation_hash": None}
            self._conn.execute(update(mandate).where(end == account, mandate.c.revoked_at.is_(None)).values(revoked))
            self._conn.execute(update(mandate).where(end == account).values({end.name: None}))
        nobodys = mandate.c.giver.is_(None) & mandate.c.holder.is_(None)
        theirs = select(mandate.c.mandate).where(nobodys)
        self._conn.execute(delete(mandate_use).where(mandate_use.c.mandate.in_(theirs)))
        self._conn.execute(delete(mandate).where(nobodys))

    def _one(self, where: Any) -> Mandate | None:
        row = self._conn.execute(select(mandate).where(where)).one_or_none()
        return None if row is None else _read(row)


def _read(row: Row[Any]) -> Mandate:
    return Mandate(
        row.mandate, row.giver, row.holder, row.invited_until, row.relation, frozenset(row.scopes.split()), row.last_day,
        row.given_at, row.accepted_at, row.revoked_at, row.revoked_by,
    )  # fmt: skip
