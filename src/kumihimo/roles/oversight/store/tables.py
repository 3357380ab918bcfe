"""Tables of the oversight body (第三者機関の台帳): what it cosigned, verified, was told, and found wrong.

It holds the whole log opened, yet no row names a person: a record says which institution asked which, under which rule.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, String, Table, Text

from kumihimo.plumbing.storage import UtcDateTime, cursor_table

MIGRATIONS: Final = "kumihimo.roles.oversight.migrations"
metadata = MetaData()


class EntryState(StrEnum):
    """How a log entry stands to the record that operator 1 must hand over for it."""

    AWAITED = "awaited"
    MATCHED = "matched"
    MISSING = "missing"  # not handed over in time; it may still come
    CONTRADICTED = "contradicted"


class PromiseState(StrEnum):
    """How a promise stands to the log."""

    AWAITED = "awaited"
    KEPT = "kept"
    OVERDUE = "overdue"  # the log has not grown to it in time; it may still come
    BROKEN = "broken"


# The newest state cosigned, by log; changed only by compare-and-swap.
witnessed = Table(
    "witnessed",
    metadata,
    Column("origin", String(200), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("cosigned_at", UtcDateTime, nullable=False),
    Column("note", Text),  # as the log signed it; null where it was cosigned by an earlier version
)

# The newest state verified from the entries on, by log.
verified = Table(
    "verified",
    metadata,
    Column("origin", String(200), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("verified_at", UtcDateTime, nullable=False),
)

# Tiles computed here from the entries; a partial one is replaced as it grows.
own_tile = Table(
    "own_tile",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("tile_index", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

log_entry = Table(
    "log_entry",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("verified_at", UtcDateTime, nullable=False),
)
Index("ix_log_entry_state", log_entry.c.state, log_entry.c.log_index)

record = Table(
    "record",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    Column("promise", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("about", String(80)),  # a request's transaction number; of an order "order/" and its digest
)
Index("ix_record_about", record.c.about, record.c.log_index)

# Two promises of one index are two rows: at most one of them can be kept.
promise = Table(
    "promise",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("commitment", LargeBinary, primary_key=True),
    Column("promise", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)
Index("ix_promise_state", promise.c.state, promise.c.log_index)

# One row for one thing that is wrong, however often it is seen.
alarm = Table(
    "alarm",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("what", String(400), primary_key=True),
    Column("evidence", Text),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
)

# Orders given, as signed; an operator that has carried one out has a row beside it.
order = Table(
    "given_order",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("envelope", Text, nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
)
order_in_force = Table(
    "order_in_force",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("operator", String(80), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("reply", Text),  # what the operator signed when it had carried it out
)

# Audits ordered; `answer` is what the institution signed, kept where something in it does not hold.
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("concluded_at", UtcDateTime),
    Column("answer", Text),
)
audit_finding = Table(
    "audit_finding",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),  # in the order
    Column("verdict", String(16), nullable=False),
    Column("finding", Text, nullable=False),
    Column("disclosed", Text),  # sealed to the officer
)

# What institutions said last is wrong with their copies.
condition = Table(
    "institution_condition",
    metadata,
    Column("institution", String(80), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("item", String(80), primary_key=True),  # "" for what is about no item
    Column("count", BigInteger, nullable=False),
    Column("since", UtcDateTime),
    Column("heard_at", UtcDateTime, nullable=False),
)

feed_cursor = cursor_table(metadata)
