"""Store of the responder: serial numbers and how they stand, lists as they came, certificates. It could not name anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    select,
)

from kumihimo.domain.jpki import GOOD, UNKNOWN, CaName, Profile, Reason, State, Status
from kumihimo.plumbing.storage import Statement, UtcDateTime, cursor_table
from kumihimo.plumbing.wire.messages.cards import CertificateState, StatusChange

RESPONDER_MIGRATIONS: Final = "kumihimo.roles.jpki.migrations_responder"
FULL, DELTA = "full", "delta"
responder_metadata = MetaData()

status = Table(
    "status",
    responder_metadata,
    Column("profile", String(20), primary_key=True),
    Column("serial", String(40), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("reason", Integer),
    Column("at", UtcDateTime, nullable=False),
)

crl = Table(
    "crl",
    responder_metadata,
    Column("ca", String(20), primary_key=True),
    Column("kind", String(10), primary_key=True),  # full or delta
    Column("number", BigInteger, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

credential = Table(
    "credential",
    responder_metadata,
    Column("ca", String(20), primary_key=True),
    Column("authority", LargeBinary, nullable=False),  # DER
    Column("responder", LargeBinary),  # our own certificate by it, for authorities that issue to residents
)

# Up to when the feed of a party was read to its end.
level = Table(
    "level",
    responder_metadata,
    Column("source", String(60), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

responder_cursor = cursor_table(responder_metadata)

_STATUS = Statement(
    select(status.c.state, status.c.reason, status.c.at).where(
        status.c.profile == bindparam("profile"), status.c.serial == bindparam("serial")
    )
)


@dataclass(frozen=True)
class Credential:
    """An authority's certificate, and ours by it; DER."""

    authority: bytes = field(repr=False)
    responder: bytes | None = field(repr=False)


class ResponderStore:
    """The responder's store."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def status(self, profile: Profile, serial: str) -> Status:
        """How a certificate stands; unknown where the authority never told of it."""
        with self.engine.connect() as conn:
            row = _STATUS.row(conn, profile=profile.value, serial=serial)
        if row is None:
            return UNKNOWN
        if row.state == CertificateState.GOOD.value:
            return GOOD
        return Status(State.REVOKED, row.at, Reason(row.reason) if row.reason is not None else None)

    def crl(self, ca: CaName, kind: str) -> bytes | None:
        """The newest list, as it came."""
        with self.engine.connect() as conn:
            return conn.scalar(select(crl.c.der).where(crl.c.ca == ca.value, crl.c.kind == kind))

    def authority(self, ca: CaName) -> bytes | None:
        """An authority's certificate."""
        with self.engine.connect() as conn:
            return conn.scalar(select(credential.c.authority).where(credential.c.ca == ca.value))

    def level_with(self, source: str) -> datetime | None:
        """Up to when the feed of a party was read to its end, as far as that was noted."""
        with self.engine.connect() as conn:
            return conn.scalar(select(level.c.at).where(level.c.source == source))

    def keep_level(self, source: str, at: datetime) -> None:
        with self.engine.begin() as conn:
            if conn.execute(level.update().where(level.c.source == source).values(at=at)).rowcount == 0:
                conn.execute(level.insert().values(source=source, at=at))

    def credentials(self) -> dict[CaName, Credential]:
        with self.engine.connect() as conn:
            rows = conn.execute(select(credential)).all()
        return {CaName(row.ca): Credential(row.authority, row.responder) for row in rows}

    def keep_credentials(self, credentials: Mapping[CaName, Credential]) -> None:
        """Put these in the place of all that were there."""
        rows = [
            {"ca": ca.value, "authority": one.authority, "responder": one.responder} for ca, one in credentials.items()
        ]
        with self.engine.begin() as conn:
            conn.execute(credential.delete())
            conn.execute(credential.insert(), rows)


def take_status(conn: Connection, told: StatusChange) -> None:
    """Note how a certificate stands now; again is as once."""
    mine = (status.c.profile == told.profile.value) & (status.c.serial == told.serial)
    values = {"state": told.state.value, "reason": told.reason, "at": told.at}
    if conn.execute(status.update().where(mine).values(values)).rowcount == 0:
        conn.execute(status.insert().values(profile=told.profile.value, serial=told.serial, **values))


def take_list(conn: Connection, ca: CaName, kind: str, number: int, der: bytes) -> None:
    """Keep a list in place of an older one."""
    mine = (crl.c.ca == ca.value) & (crl.c.kind == kind)
    known = conn.scalar(select(crl.c.number).where(mine))
    values = {"number": number, "der": der}
    if known is None:
        conn.execute(crl.insert().values(ca=ca.value, kind=kind, **values))
    elif known <= number:
        conn.execute(crl.update().where(mine).values(values))
