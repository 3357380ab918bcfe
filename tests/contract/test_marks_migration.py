"""Marks of operator 1 learn which entry was written under them, and entries stay as they were, up and down."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, inspect, text

from kumihimo.plumbing.storage import downgrade, migrate, require_current
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogPromise, LogRecord
from kumihimo.roles.hub.store import MIGRATIONS, LogStore

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
USED, OTHER = "ab" * 16, "cd" * 16
ENTRY = (
    "INSERT INTO entry (entry_index, commitment, salt, record, transaction_number, logged_at)"
    " VALUES (:index, :bytes, :bytes, :record, :transaction, :at)"
)
OUTCOME = "INSERT INTO outcome (mark, outcome, report, logged) VALUES (:mark, 'provided', '{}', :logged)"
MARK = "INSERT INTO mark (mark, made_at, requester) VALUES (:mark, :at, :requester)"


@pytest.fixture
def before(engine: Engine) -> Engine:
    """A store of the release before: two entries of one transaction, an outcome of each form, a mark of operator 2."""
    migrate(engine, MIGRATIONS)
    downgrade(engine, MIGRATIONS, "0002_hub")
    with engine.begin() as conn:
        at = NOON.isoformat()
        for index, transaction in enumerate((OTHER, USED, USED, None)):
            record = LogRecord(entry=EntryKind.REQUEST, logged_at=NOON, transaction=transaction)
            values = {"index": index, "bytes": bytes(32), "transaction": transaction, "at": at}
            conn.execute(text(ENTRY), values | {"record": record.to_bytes().decode()})
        for mark, requester in ((USED, None), ("outcome/1", None), ("outcome/2", None), ("ef" * 16, "x-city")):
            conn.execute(text(MARK), {"mark": mark, "at": at, "requester": requester})
        conn.execute(text(OUTCOME), {"mark": "outcome/1", "logged": "2"})
        conn.execute(text(OUTCOME), {"mark": "outcome/2", "logged": "{}"})
    return engine


def test_marks_made_before_name_their_entries(before: Engine) -> None:
    migrate(before, MIGRATIONS)
    require_current(before, MIGRATIONS)
    with before.connect() as conn:
        named = {row.mark: row.entry_index for row in conn.execute(text("SELECT mark, entry_index FROM mark"))}
    assert named == {USED: 1, "outcome/1": 2, "outcome/2": None, "ef" * 16: None}
    log = LogStore(before, _unsigned, "oversight/body")
    known = log.first_request(USED)
    log.close()
    assert known is not None
    assert LogPromise.model_validate_json(known.promise.payload_bytes()).index == 1


def test_entries_and_marks_are_the_same_after_going_up_and_down(before: Engine) -> None:
    rows = _rows(before)
    migrate(before, MIGRATIONS)
    downgrade(before, MIGRATIONS, "0002_hub")
    assert _rows(before) == rows
    assert "ix_entry_transaction_number" in {one["name"] for one in inspect(before).get_indexes("entry")}


def _rows(engine: Engine) -> list[list[tuple[object, ...]]]:
    with engine.connect() as conn:
        queries = ("SELECT * FROM entry ORDER BY entry_index", "SELECT * FROM mark ORDER BY mark")
        return [[tuple(row) for row in conn.execute(text(query))] for query in queries]


def _unsigned(promise: LogPromise) -> Envelope:

    return Envelope(payloadType=promise.payload_type(), payload=b64(promise.to_bytes()), signatures=())
