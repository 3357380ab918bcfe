"""Complaints (苦情・申出) in the portal's store: which record, and under which reference the oversight body knows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, String, Table, delete, insert, select

from kumihimo.plumbing.storage import UtcDateTime
from kumihimo.roles.portal.store import metadata

complaint = Table(
    "complaint",
    metadata,
    Column("reference", String(32), primary_key=True),
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("complained_at", UtcDateTime, nullable=False),
)
Index("ix_complaint_account", complaint.c.account, complaint.c.complained_at)


@dataclass(frozen=True)
class Complained:
    """One complaint of an account."""

    reference: str
    account: str
    log_index: int
    complained_at: datetime


class ComplaintRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def keep(self, one: Complained) -> None:
        """Write one down."""
        self._conn.execute(insert(complaint).values(asdict(one)))

    def remove(self, reference: str) -> None:
        """It was not taken."""
        self._conn.execute(delete(complaint).where(complaint.c.reference == reference))

    def all(self, account: str) -> list[Complained]:
        """An account's complaints, newest first."""
        query = select(complaint).where(complaint.c.account == account).order_by(complaint.c.complained_at.desc())
        return [Complained(**row._mapping) for row in self._conn.execute(query)]

    def forget(self, account: str) -> None:
        """An account is closed."""
        self._conn.execute(delete(complaint).where(complaint.c.account == account))
