"""Sessions (セッション) in the portal's store: what outlives a restart, and a hash where the browser keeps a secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, ForeignKey, Index, LargeBinary, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import UtcDateTime
from kumihimo.roles.portal.store import metadata

session = Table(
    "session",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),  # SHA-256 of the cookie: the store gives nobody a session
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
    Column("own_account", String(32), nullable=False),  # of whoever's card it is
    Column("scopes", String(400)),  # none: everything, the own account
    Column("serial", LargeBinary, nullable=False),  # sealed with the cookie: only its browser opens it
    Column("until", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
Index("ix_session_own_account", session.c.own_account)
Index("ix_session_until", session.c.until)

# Whose certificate a log-in shows. A keyed hash: the serial number itself is in the authority's store too.
login_card = Table(
    "login_card",
    metadata,
    Column("serial_hash", LargeBinary, primary_key=True),
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
)
Index("ix_login_card_account", login_card.c.account)

_SEPARATOR: Final = " "


@dataclass(frozen=True)
class KeptSession:
    """One row. `scopes`: the topics a mandate allows; None for the own account."""

    id_hash: bytes
    account: str
    own_account: str
    scopes: frozenset[str] | None
    serial: bytes
    until: datetime
    seen_at: datetime


class SessionRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def add(self, one: KeptSession) -> None:
        """A new session."""
        self._conn.execute(
            insert(session).values(
                id_hash=one.id_hash, account=one.account, own_account=one.own_account, scopes=_written(one.scopes),
                serial=one.serial, until=one.until, seen_at=one.seen_at,
            )
        )  # fmt: skip

    def of(self, id_hash: bytes) -> KeptSession | None:
        """The session, ended or not."""
        row = self._conn.execute(select(session).where(session.c.id_hash == id_hash)).one_or_none()
        if row is None:
            return None
        scopes = None if row.scopes is None else frozenset(row.scopes.split())
        return KeptSession(
            bytes(row.id_hash), row.account, row.own_account, scopes, bytes(row.serial), row.until, row.seen_at
        )

    def seen(self, id_hash: bytes, at: datetime) -> None:
        """It was used."""
        self._conn.execute(update(session).where(session.c.id_hash == id_hash).values(seen_at=at))

    def act(self, id_hash: bytes, account: str, scopes: frozenset[str] | None) -> None:
        """From now on it acts in this account."""
        change = {"account": account, "scopes": _written(scopes)}
        self._conn.execute(update(session).where(session.c.id_hash == id_hash).values(change))

    def end(self, id_hash: bytes) -> None:
        """Forget it."""
        self._conn.execute(delete(session).where(session.c.id_hash == id_hash))

    def end_of_account(self, account: str) -> None:
        """Forget every session of an account, and every one that acts in it."""
        self._conn.execute(delete(session).where((session.c.own_account == account) | (session.c.account == account)))

    def forget_before(self, until: datetime, seen_at: datetime) -> None:
        """Forget those that are over."""
        self._conn.execute(delete(session).where((session.c.until < until) | (session.c.seen_at < seen_at)))


class CardRows:
    """Which card opens which account."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def account_of(self, serial_hash: bytes) -> str | None:
        """The account of a certificate."""
        query = select(login_card.c.account).where(login_card.c.serial_hash == serial_hash)
        found: str | None = self._conn.scalar(query)
        return found

    def add(self, serial_hash: bytes, account: str) -> None:
        """A certificate opens this account. Raises Problem(store.busy) where it has opened another meanwhile."""
        try:
            self._conn.execute(insert(login_card).values(serial_hash=serial_hash, account=account))
        except IntegrityError:
            raise Problem("store.busy", "the same card logs in twice", advice="Try again in a moment.") from None

    def remove(self, serial_hash: bytes) -> None:
        """The certificate opens nothing."""
        self._conn.execute(delete(login_card).where(login_card.c.serial_hash == serial_hash))

    def forget(self, account: str) -> None:
        """No certificate opens this account."""
        self._conn.execute(delete(login_card).where(login_card.c.account == account))

    def merge(self, newer: str, older: str) -> None:
        """Whatever opened or visits one account belongs to another from now on."""
        self._conn.execute(update(login_card).where(login_card.c.account == newer).values(account=older))
        self._conn.execute(update(session).where(session.c.account == newer).values(account=older))
        self._conn.execute(update(session).where(session.c.own_account == newer).values(own_account=older))


def _written(scopes: frozenset[str] | None) -> str | None:
    return None if scopes is None else _SEPARATOR.join(sorted(scopes))
