"""Sessions (セッション) in the portal's store: what outlives a restart, and a hash where the browser keeps a secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

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
    Column("mandate", String(32)),  # under which somebody else is acted for; none: for oneself
    Column("until", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
Index("ix_session_account", session.c.account)
Index("ix_session_until", session.c.until)

# Whose certificate a log-in shows. A keyed hash: the serial number itself is in the authority's store too.
login_card = Table(
    "login_card",
    metadata,
    Column("serial_hash", LargeBinary, primary_key=True),
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
)
Index("ix_login_card_account", login_card.c.account)


@dataclass(frozen=True)
class KeptSession:
    """One row: of whose card it is, and the mandate that is used."""

    id_hash: bytes
    account: str
    until: datetime
    seen_at: datetime
    mandate: str | None = None


class SessionRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def add(self, one: KeptSession) -> None:
        """A new session."""
        self._conn.execute(insert(session).values(asdict(one)))

    def of(self, id_hash: bytes) -> KeptSession | None:
        """The session, ended or not."""
        row = self._conn.execute(select(session).where(session.c.id_hash == id_hash)).one_or_none()
        return None if row is None else KeptSession(**row._mapping)

    def seen(self, id_hash: bytes, at: datetime) -> None:
        """It was used."""
        self._conn.execute(update(session).where(session.c.id_hash == id_hash).values(seen_at=at))

    def act(self, id_hash: bytes, mandate: str | None) -> None:
        """From now on it acts under this mandate, or for its own holder."""
        self._conn.execute(update(session).where(session.c.id_hash == id_hash).values(mandate=mandate))

    def end(self, id_hash: bytes) -> None:
        """Forget it."""
        self._conn.execute(delete(session).where(session.c.id_hash == id_hash))

    def end_of_account(self, account: str) -> None:
        """Forget every session of an account."""
        self._conn.execute(delete(session).where(session.c.account == account))

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
