"""Ways to be told of a notice (通知の方法) in the portal's store, and who is to be told when. Addresses are sealed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from kumihimo.plumbing.storage import UtcDateTime, among
from kumihimo.roles.portal.store import metadata

preference = Table(
    "preference",
    metadata,
    Column("account", String(32), ForeignKey("account.account"), primary_key=True),
    Column("quiet_from", Integer),  # hour in Japan
    Column("quiet_until", Integer),
    Column("tells_openings", Boolean, nullable=False),
    Column("woken_at", UtcDateTime),  # one wake-up until it is looked at
)
channel = Table(
    "channel",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # e-mail address, or push subscription
    Column("code_hash", LargeBinary),  # of the code that proves the address; none once it did
    Column("tries", Integer, nullable=False),  # at that code
    Column("added_at", UtcDateTime, nullable=False),
    Column("failed_at", UtcDateTime),
)
Index("ix_channel_account", channel.c.account)
wake_up = Table(
    "wake_up",
    metadata,
    Column("account", String(32), ForeignKey("account.account"), primary_key=True),
    Column("due_at", UtcDateTime, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
)
Index("ix_wake_up_due_at", wake_up.c.due_at)


class ChannelKind(StrEnum):
    """How somebody is told."""

    MAIL = "mail"
    PUSH = "push"


@dataclass(frozen=True)
class Preference:
    """What an account's holder wants. Quiet hours are hours in Japan, from the first to before the second."""

    account: str
    quiet_from: int | None = None
    quiet_until: int | None = None
    tells_openings: bool = False
    woken_at: datetime | None = None


@dataclass(frozen=True)
class Channel:
    """One way to be told; proven when it has no code any more."""

    channel: str
    account: str
    kind: ChannelKind
    sealed: bytes = field(repr=False)
    code_hash: bytes | None
    tries: int
    added_at: datetime
    failed_at: datetime | None = None


@dataclass(frozen=True)
class WakeUp:
    """Somebody is to be told that there is a notice."""

    account: str
    due_at: datetime
    urgent: bool
    tries: int


class ChannelRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def preference(self, account: str) -> Preference:
        """What somebody wants; where nothing was said, nothing."""
        row = self._conn.execute(select(preference).where(preference.c.account == account)).one_or_none()
        return Preference(account) if row is None else Preference(**row._mapping)

    def prefer(self, account: str, **values: Any) -> None:
        """From now on so."""
        changed = update(preference).where(preference.c.account == account).values(values)
        if self._conn.execute(changed).rowcount == 0:
            self._conn.execute(insert(preference).values({**asdict(Preference(account)), **values}))

    def add(self, one: Channel) -> None:
        """One more way."""
        self._conn.execute(insert(channel).values(asdict(one)))

    def channels(self, account: str) -> list[Channel]:
        """Every way of an account, proven or not, oldest first."""
        query = select(channel).where(channel.c.account == account).order_by(channel.c.added_at)
        return [_channel(row) for row in self._conn.execute(query)]

    def change(self, one: str, **values: Any) -> None:
        """What became of one."""
        self._conn.execute(update(channel).where(channel.c.channel == one).values(values))

    def remove(self, account: str, one: str) -> None:
        """One less."""
        self._conn.execute(delete(channel).where(channel.c.account == account, channel.c.channel == one))

    def wake(self, accounts: Collection[str], urgent: bool, due_at: datetime) -> None:
        """Those of them who have a proven way, and were not told since they looked, are to be told."""
        reachable = (
            select(channel.c.account)
            .distinct()
            .where(among(self._conn, channel.c.account, list(accounts)), channel.c.code_hash.is_(None))
        )
        told = select(preference.c.account).where(preference.c.woken_at.is_not(None))
        if not urgent:
            reachable = reachable.where(channel.c.account.not_in(told))
        theirs = select(wake_up).where(among(self._conn, wake_up.c.account, list(accounts)))
        waiting = {row.account: row for row in self._conn.execute(theirs)}
        for name in self._conn.execute(reachable).scalars().all():
            if name not in waiting:
                self._conn.execute(insert(wake_up).values(account=name, due_at=due_at, urgent=urgent, tries=0))
            elif urgent and not waiting[name].urgent:
                here = wake_up.c.account == name
                self._conn.execute(update(wake_up).where(here).values(due_at=due_at, urgent=True))

    def due(self, now: datetime, limit: int) -> list[WakeUp]:
        """Who is to be told now."""
        query = select(wake_up).where(wake_up.c.due_at <= now).order_by(wake_up.c.due_at).limit(limit)
        return [WakeUp(**row._mapping) for row in self._conn.execute(query)]

    def later(self, account: str, due_at: datetime, tries: int) -> None:
        """Not now."""
        self._conn.execute(update(wake_up).where(wake_up.c.account == account).values(due_at=due_at, tries=tries))

    def is_waiting(self, account: str) -> bool:
        """Whether somebody is still to be told."""
        return self._conn.scalar(select(wake_up.c.account).where(wake_up.c.account == account)) is not None

    def woken(self, account: str) -> None:
        """Nobody has to be told any more."""
        self._conn.execute(delete(wake_up).where(wake_up.c.account == account))

    def forget(self, account: str) -> None:
        """An account is closed."""
        for table in (wake_up, channel, preference):
            self._conn.execute(delete(table).where(table.c.account == account))


def _channel(row: Any) -> Channel:
    values = {**row._mapping, "kind": ChannelKind(row.kind), "sealed": bytes(row.sealed)}
    return Channel(**{**values, "code_hash": None if row.code_hash is None else bytes(row.code_hash)})
