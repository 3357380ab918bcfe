"""Access records (情報提供等記録, 番号法第二十三条): who asked whom about whom for what, when, under which rule.

Both ends keep one for every inquiry, also for one that was refused or never left the house.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from kumihimo.plumbing.storage import Statement
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.exchange import access_record
from kumihimo.roles.gateway.store.upserts import upsert

MOST_SHOWN: Final = 1_000


class Side(StrEnum):
    """Which end keeps the record: 情報照会者 or 情報提供者."""

    REQUESTER = "requester"
    PROVIDER = "provider"


@dataclass(frozen=True)
class AccessRecord:
    """One record. The requester's names staff, department and case; `flagged` (不開示該当) is known to the provider only.

    `outcome` is empty for an inquiry that ended in `problem`, the code of a problem document.
    """

    transaction: str
    side: Side
    requester: str
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    requested_at: datetime
    recorded_at: datetime
    outcome: Outcome | None = None
    problem: str | None = None
    addressee_number: str | None = None
    staff: str | None = None
    department: str | None = None
    case_reference: str | None = None
    flagged: bool = False
    rules: tuple[str, ...] = ()
    rule_book: str | None = None
    log_index: int | None = None
    payload_hash: str | None = None


_PLAIN: Final = tuple(one.name for one in fields(AccessRecord) if one.name not in ("items", "rules", "period"))
_WRITE: Final = Statement(access_record.insert(), access_record.c.keys())


def append_record(conn: Connection, institution: str, record: AccessRecord) -> None:
    """Write a record in the caller's transaction."""
    _WRITE.write(conn, record_values(institution, record))


def replace_record(conn: Connection, institution: str, record: AccessRecord) -> None:
    """Write a record in the caller's transaction, in the place of an earlier one of the same transaction and side."""
    upsert(conn, access_record, [record_values(institution, record)])


def read_record(conn: Connection, institution: str, transaction: str, side: Side) -> AccessRecord | None:
    """One side's record of a transaction, in the caller's transaction."""
    query = select(access_record).where(
        access_record.c.institution == institution,
        access_record.c.transaction == transaction,
        access_record.c.side == side,
    )
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else _record(dict(row))


def record_values(institution: str, record: AccessRecord) -> dict[str, Any]:
    values: dict[str, Any] = {
        **{name: getattr(record, name) for name in _PLAIN},
        "institution": institution,
        "items": json.dumps(record.items),
        "rules": json.dumps(record.rules),
        "since": record.period.since,
        "until": record.period.until,
    }
    return values


class RecordStore:
    """One institution's access records in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)

    def append(self, record: AccessRecord) -> None:
        """Write one record durably; an earlier one of the same transaction and side stays as it is."""
        with suppress(IntegrityError):
            self._commit(lambda conn: append_record(conn, self._institution, record))

    def about(self, addressee_number: str) -> list[AccessRecord]:
        """All records about an addressee, oldest first."""
        return self._read(access_record.c.addressee_number == addressee_number)

    def of(self, transaction: str) -> list[AccessRecord]:
        """The records of one transaction number."""
        return self._read(access_record.c.transaction == transaction)

    def everything(self) -> list[AccessRecord]:
        """All records of the institution, oldest first."""
        return self._read(access_record.c.transaction.is_not(None))

    def shown(self, addressee_number: str | None, transaction: str | None) -> list[AccessRecord]:
        """The newest records of an addressee, of a transaction, of both, or of all: at most `MOST_SHOWN`, newest first."""
        wanted: list[ColumnElement[bool]] = [access_record.c.transaction.is_not(None)]
        if addressee_number is not None:
            wanted.append(access_record.c.addressee_number == addressee_number)
        if transaction is not None:
            wanted.append(access_record.c.transaction == transaction)
        newest = select(access_record).where(access_record.c.institution == self._institution, *wanted)
        newest = newest.order_by(access_record.c.recorded_at.desc(), access_record.c.transaction).limit(MOST_SHOWN)
        with self._engine.connect() as conn:
            return [_record(dict(row)) for row in conn.execute(newest).mappings()]

    def _read(self, condition: Any) -> list[AccessRecord]:
        query = (
            select(access_record)
            .where(access_record.c.institution == self._institution, condition)
            .order_by(access_record.c.recorded_at, access_record.c.transaction)
        )
        with self._engine.connect() as conn:
            return [_record(dict(row)) for row in conn.execute(query).mappings()]


def _record(row: dict[str, Any]) -> AccessRecord:
    del row["institution"]
    row["period"] = Period(since=row.pop("since"), until=row.pop("until"))
    row["items"], row["rules"] = tuple(json.loads(row["items"])), tuple(json.loads(row["rules"]))
    row["side"] = Side(row["side"])
    row["outcome"] = Outcome(row["outcome"]) if row["outcome"] else None
    return AccessRecord(**row)
