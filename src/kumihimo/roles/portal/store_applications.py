"""Applications (申請・届出) in the portal's store: drafts and what was sent, sealed with a key that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
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

from kumihimo.plumbing.storage import UtcDateTime
from kumihimo.roles.portal.store import metadata

AT_ONCE: Final = 500
application = Table(
    "application",
    metadata,
    Column("application", String(32), primary_key=True),
    Column("account", String(32), ForeignKey("account.account"), nullable=False),
    Column("event", String(20), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # answers; manifest and signature once it was signed
    Column("changed_at", UtcDateTime, nullable=False),
    Column("signed_at", UtcDateTime),  # none: a draft
)
Index("ix_application_account", application.c.account, application.c.changed_at)
part = Table(
    "application_part",
    metadata,
    Column("receipt", String(32), primary_key=True),
    Column("application", String(32), ForeignKey("application.application"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("institution", String(40), nullable=False),
    Column("procedure", String(61), nullable=False),
    Column("hash", String(64), nullable=False),  # of the part, as in the manifest
    Column("sealed", LargeBinary),  # what is to be sent; none once it was taken
    Column("taken", LargeBinary),  # the receiver's receipt, as signed, sealed
    Column("taken_at", UtcDateTime),
    Column("problem", String(60)),  # code of what holds it up
)
Index("ix_application_part_application", part.c.application, part.c.place)


@dataclass(frozen=True)
class Kept:
    """An application as kept; a draft until it was signed."""

    application: str
    account: str
    event: str
    sealed: bytes = field(repr=False)
    changed_at: datetime
    signed_at: datetime | None = None


@dataclass(frozen=True)
class KeptPart:
    """A part for one body."""

    receipt: str
    application: str
    place: int
    institution: str
    procedure: str
    hash: str
    sealed: bytes | None = field(repr=False)
    taken: bytes | None = field(default=None, repr=False)
    taken_at: datetime | None = None
    problem: str | None = None


class ApplicationRows:
    """Queries over a connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def add(self, one: Kept) -> None:
        """A new draft."""
        self._conn.execute(insert(application).values(asdict(one)))

    def all(self, account: str) -> list[Kept]:
        """An account's applications, newest first."""
        query = select(application).where(application.c.account == account).order_by(application.c.changed_at.desc())
        return [Kept(**row._mapping) for row in self._conn.execute(query)]

    def one(self, account: str, name: str) -> Kept | None:
        """One of an account's applications."""
        here = (application.c.account == account) & (application.c.application == name)
        row = self._conn.execute(select(application).where(here)).one_or_none()
        return None if row is None else Kept(**row._mapping)

    def change(self, name: str, sealed: bytes, at: datetime) -> bool:
        """A draft has other answers; False where it was signed meanwhile."""
        draft = (application.c.application == name) & application.c.signed_at.is_(None)
        return self._conn.execute(update(application).where(draft).values(sealed=sealed, changed_at=at)).rowcount == 1

    def sign(self, name: str, sealed: bytes, at: datetime, parts: Sequence[KeptPart]) -> bool:
        """A draft was signed and is to be sent; False where it was already."""
        draft = (application.c.application == name) & application.c.signed_at.is_(None)
        change = {"sealed": sealed, "changed_at": at, "signed_at": at}
        if self._conn.execute(update(application).where(draft).values(change)).rowcount == 0:
            return False
        self._conn.execute(insert(part), [asdict(one) for one in parts])
        return True

    def discard(self, account: str, name: str) -> None:
        """A draft is thrown away."""
        here = (application.c.account == account) & (application.c.application == name)
        self._conn.execute(delete(application).where(here, application.c.signed_at.is_(None)))

    def parts(self, names: Sequence[str]) -> list[KeptPart]:
        """The parts of applications, in order."""
        query = select(part).where(part.c.application.in_(names)).order_by(part.c.application, part.c.place)
        return [KeptPart(**row._mapping) for row in self._conn.execute(query)]

    def waiting(self) -> list[KeptPart]:
        """Parts that no body has taken yet, at most `AT_ONCE`; those that nothing has held up first."""
        query = select(part).where(part.c.taken_at.is_(None)).order_by(part.c.problem.is_not(None)).limit(AT_ONCE)
        return [KeptPart(**row._mapping) for row in self._conn.execute(query)]

    def note(self, receipt: str, **values: Any) -> None:
        """What became of a part."""
        self._conn.execute(update(part).where(part.c.receipt == receipt).values(values))

    def forget(self, account: str) -> bool:
        """An account is closed; False, and nothing is forgotten, while a part is still to be sent."""
        theirs = select(application.c.application).where(application.c.account == account)
        waits = select(part.c.receipt).where(part.c.application.in_(theirs), part.c.taken_at.is_(None)).limit(1)
        if self._conn.scalar(waits) is not None:
            return False
        self._conn.execute(delete(part).where(part.c.application.in_(theirs)))
        self._conn.execute(delete(application).where(application.c.account == account))
        return True
