"""What the portal keeps of own information (自己情報): corrections and look-ups that wait for an office. No content at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, Index, String, Table, Text, delete, insert, select

from kumihimo.plumbing.storage import UtcDateTime
from kumihimo.roles.portal.store import metadata

correction = Table(
    "correction",
    metadata,
    Column("reference", String(32), primary_key=True),
    Column("account", String(32), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("item", String(80), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Index("ix_correction_account", "account", "asked_at"),
)
# A look-up that a person at the office has to answer: the permit under which the answer can be fetched, which names nobody.
waiting_look_up = Table(
    "waiting_look_up",
    metadata,
    Column("account", String(32), primary_key=True),
    Column("affair", String(80), primary_key=True),
    Column("provider", String(40), primary_key=True),
    Column("item", String(80), primary_key=True),
    Column("permit", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
)
MOST: Final = 100  # corrections of one account that are shown


@dataclass(frozen=True)
class AskedCorrection:
    """A correction that was asked for."""

    reference: str
    account: str
    provider: str
    item: str
    asked_at: datetime


class InformationQueries:
    """The queries of one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def keep(self, asked: AskedCorrection) -> None:
        """Write a correction down."""
        self._conn.execute(insert(correction).values(**asked.__dict__))

    def corrections(self, name: str) -> list[AskedCorrection]:
        """Those of an account, newest first."""
        query = select(correction).where(correction.c.account == name).order_by(correction.c.asked_at.desc())
        return [AskedCorrection(**row._mapping) for row in self._conn.execute(query.limit(MOST))]

    def waiting(self, name: str, affair: str) -> dict[tuple[str, str], str]:
        """The permits of an account's look-ups that wait for a person, by provider and item."""
        own = (waiting_look_up.c.account == name) & (waiting_look_up.c.affair == affair)
        return {(row.provider, row.item): row.permit for row in self._conn.execute(select(waiting_look_up).where(own))}

    def wait(self, name: str, affair: str, provider: str, item: str, permit: str, at: datetime) -> None:
        """A look-up waits, in the place of one that waited before."""
        self.wait_no_more(name, affair, provider, item)
        self._conn.execute(
            insert(waiting_look_up).values(
                account=name, affair=affair, provider=provider, item=item, permit=permit, asked_at=at
            )
        )

    def wait_no_more(self, name: str, affair: str, provider: str, item: str) -> None:
        """It was answered, or can be no more."""
        here = waiting_look_up.c
        self._conn.execute(
            delete(waiting_look_up).where(
                here.account == name, here.affair == affair, here.provider == provider, here.item == item
            )
        )

    def forget(self, name: str) -> None:
        """Everything that is kept here of an account, when it is closed; what offices were told stays with them."""
        for table in (correction, waiting_look_up):
            self._conn.execute(delete(table).where(table.c.account == name))
