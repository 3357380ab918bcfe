"""Tables of the registry: residents as they are now, every former state, numbers over time, who subscribed, who holds codes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from kumihimo.plumbing.storage import UtcDateTime, feed_table

MIGRATIONS: Final = "kumihimo.roles.registry.migrations"
metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")

resident = Table(
    "resident",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("resident_code", String(11), nullable=False, unique=True),
    Column("individual_number", String(12), nullable=False, unique=True),
    Column("four_items", Text, nullable=False),  # canonical JSON of FourItems.to_dict()
    Column("name_key", Text, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("birth", Date, nullable=False),
    Column("sex", String(1), nullable=False),
    Column("municipality", String(40), nullable=False),
    Column("died_on", Date),
    Column("version", Integer, nullable=False),
    Column("code_counter", Integer, nullable=False),  # raised when the person's link codes are made anew
    Column("standing", String(10), nullable=False, server_default="active"),
    Column("merged_into", _ID),  # the id of the resident this registration turned out to be
)
Index("resident_by_survivor", resident.c.merged_into)
Index("resident_by_birth_and_name", resident.c.birth, resident.c.name_key)

history = Table(
    "history",
    metadata,
    Column("resident", _ID, ForeignKey("resident.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("event", String(20), nullable=False),
    Column("happened_on", Date, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("reported_by", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("four_items", Text, nullable=False),
    Column("municipality", String(40), nullable=False),
)

number_history = Table(
    "number_history",
    metadata,
    Column("individual_number", String(12), primary_key=True),
    Column("resident", _ID, ForeignKey("resident.id"), nullable=False, index=True),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
)

subscription = Table(
    "subscription",
    metadata,
    Column("resident", _ID, ForeignKey("resident.id"), primary_key=True),
    Column("institution", String(40), primary_key=True),
)

code_holder = Table(
    "code_holder",
    metadata,
    Column("resident", _ID, ForeignKey("resident.id"), primary_key=True),
    Column("institution", String(40), primary_key=True),
    Column("counter", Integer, nullable=False),
    Column("basis", Text, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
)

feed = feed_table(metadata)

# What was done to registrations rather than in a life; everything needed to take it back is in its parts.
operation = Table(
    "operation",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("happened_on", Date, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("reported_by", String(40), nullable=False),
    Column("reason", Text, nullable=False),
)

operation_part = Table(
    "operation_part",
    metadata,
    Column("operation", _ID, ForeignKey("operation.id"), primary_key=True),
    Column("resident", _ID, ForeignKey("resident.id"), primary_key=True),
    Column("version", Integer, nullable=False),  # after it
    Column("before", Text, nullable=False),  # canonical JSON of the whole resident; null for one who was not there
    Column("after", Text, nullable=False),
)
Index("operation_part_by_resident", operation_part.c.resident, operation_part.c.version)

announcement = Table(
    "announcement",
    metadata,
    Column("seq", _ID, primary_key=True, autoincrement=False),  # in the feed
    Column("resident", _ID, ForeignKey("resident.id"), nullable=False),
    Column("institution", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("event", String(20), nullable=False),
    Column("happened_on", Date, nullable=False),
    Column("reported_by", String(40), nullable=False),
    Column("announced_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime),
)
Index(
    "announcement_unacknowledged",
    announcement.c.reported_by,
    announcement.c.announced_at,
    sqlite_where=announcement.c.acknowledged_at.is_(None),
    postgresql_where=announcement.c.acknowledged_at.is_(None),
)
