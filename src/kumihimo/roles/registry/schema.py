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
)
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
