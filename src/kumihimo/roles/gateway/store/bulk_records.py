"""Access records of many persons (情報提供等記録の一括記入), as rows in one statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection

from kumihimo.plumbing.storage import insert_columns
from kumihimo.roles.gateway.store.exchange import access_record
from kumihimo.roles.gateway.store.records import AccessRecord, record_values
from kumihimo.roles.gateway.store.upserts import upsert


@lru_cache(256)
def _listed(words: tuple[str, ...]) -> str:
    return json.dumps(words)


_COLUMNS: Final = tuple(column.name for column in access_record.columns)


def append_records(conn: Connection, institution: str, records: Sequence[AccessRecord]) -> None:
    """Write new records in the caller's transaction: of one chunk, so that most columns are the same in all of them."""
    if not records:
        return
    columns = dict(zip(_COLUMNS, zip(*(_row(institution, one) for one in records), strict=True), strict=True))
    same = {name: of[0] for name, of in columns.items() if of.count(of[0]) == len(of)}
    varying = {name: of for name, of in columns.items() if name not in same}
    if varying:
        insert_columns(conn, access_record, varying, same)
    else:
        insert_columns(conn, access_record, columns)


def replace_records(conn: Connection, institution: str, records: Sequence[AccessRecord]) -> None:
    """Write records in the place of earlier ones of the same transactions and side."""
    upsert(conn, access_record, [record_values(institution, one) for one in records])


def _row(institution: str, one: AccessRecord) -> tuple[object, ...]:
    return (
        institution, one.transaction, one.side.value, one.addressee_number, one.staff, one.department, one.case_reference,
        one.requester, one.provider, one.affair, _listed(one.items), one.period.since, one.period.until,
        one.requested_at, one.recorded_at, one.outcome.value if one.outcome else None, one.problem, one.flagged,
        _listed(one.rules), one.rule_book, one.log_index, one.payload_hash,
    )  # fmt: skip
