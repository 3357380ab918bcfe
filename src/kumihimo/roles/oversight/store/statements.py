"""Statements (申告された記録と約束): what both operators handed over, as it came, for comparison with the log.

Works inside the transaction of the feed that brings it, so that nothing is lost or taken twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select

from kumihimo.plumbing.storage import Statement, among, insert_rows
from kumihimo.roles.oversight.service.alarms import Alarm
from kumihimo.roles.oversight.store import tables as t
from kumihimo.roles.oversight.store.findings import raise_alarm
from kumihimo.roles.oversight.store.tables import PromiseState

_NEXT = Statement(select(func.coalesce(func.max(t.record.c.log_index) + 1, 0)))
_COMMITMENT = Statement(select(t.record.c.commitment).where(t.record.c.log_index == bindparam("index")))
_TAKE_RECORD = Statement(
    insert(t.record), ("log_index", "commitment", "salt", "record", "promise", "received_at", "about")
)
_STATE = Statement(
    select(t.promise.c.state).where(
        t.promise.c.log_index == bindparam("index"), t.promise.c.commitment == bindparam("commitment")
    )
)
_TAKE_PROMISE = Statement(insert(t.promise), ("log_index", "commitment", "promise", "state", "received_at"))


@dataclass(frozen=True)
class StoredRecord:
    """An opened record: index, commitment and salt (32 bytes each), canonical JSON, the promise's JSON, what it is found by."""

    index: int
    commitment: bytes
    salt: bytes
    record: str
    promise: str
    about: str | None = None


@dataclass(frozen=True)
class StoredPromise:
    """A promise that operator 2 saw: index, commitment (32 bytes), the signed promise as JSON."""

    index: int
    commitment: bytes
    promise: str


def promised_with(index: int) -> str:
    """What stands in the place of a promise that is kept with another entry, which it is about as well."""
    return json.dumps({"promised_with": index})


class Statements:
    """The queries of one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def next_index(self) -> int:
        """The index of the record that must come next."""
        return int(_NEXT.value(self._conn))

    def commitment_of(self, index: int) -> bytes | None:
        """The commitment of the record taken in at an index."""
        found: bytes | None = _COMMITMENT.value(self._conn, index=index)
        return found

    def take_record(self, record: StoredRecord, at: datetime) -> None:
        values = {
            "log_index": record.index,
            "commitment": record.commitment,
            "salt": record.salt,
            "record": record.record,
            "promise": record.promise,
            "received_at": at,
            "about": record.about,
        }
        _TAKE_RECORD.write(self._conn, values)

    def take_records(self, records: Sequence[StoredRecord], at: datetime) -> None:
        """The same of many that are not known yet."""
        columns = ("log_index", "commitment", "salt", "record", "promise", "about")
        rows = [(one.index, one.commitment, one.salt, one.record, one.promise, one.about) for one in records]
        insert_rows(self._conn, t.record, columns, rows, {"received_at": at})

    def take_promises(self, indexes: Sequence[int], commitments: Sequence[bytes], promise: str, at: datetime) -> None:
        """Keep one promise about many entries; entries that are known already are left as they are.

        The promise stands with the first of them, and the others name its index.
        """
        query = select(t.promise.c.log_index, t.promise.c.commitment).where(
            among(self._conn, t.promise.c.log_index, indexes)
        )
        known = {(index, bytes(commitment)) for index, commitment in self._conn.execute(query)}
        new = [one for one in zip(indexes, commitments, strict=True) if one not in known]
        elsewhere = promised_with(new[0][0]) if new else ""
        rows = [
            (index, commitment, elsewhere if place else promise, PromiseState.AWAITED.value, at)
            for place, (index, commitment) in enumerate(new)
        ]
        columns = ("log_index", "commitment", "promise", "state", "received_at")
        insert_rows(self._conn, t.promise, columns, rows)

    def take_promise(self, promise: StoredPromise, at: datetime) -> None:
        """Keep a promise; one that is known already is left as it is."""
        if _STATE.row(self._conn, index=promise.index, commitment=promise.commitment) is not None:
            return
        values = {
            "log_index": promise.index,
            "commitment": promise.commitment,
            "promise": promise.promise,
            "state": PromiseState.AWAITED.value,
            "received_at": at,
        }
        _TAKE_PROMISE.write(self._conn, values)

    def alarm(self, alarm: Alarm, at: datetime) -> None:
        """Raise an alarm in the same transaction."""
        raise_alarm(self._conn, alarm, at)
