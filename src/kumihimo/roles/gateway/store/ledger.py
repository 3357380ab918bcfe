"""Tables of the addressee ledger (団体内統合宛名): Individual Number and four items beside the institution's own number.

The only store of an institution that holds Individual Numbers (I1); it never holds a link code.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from kumihimo.plumbing.storage import UtcDateTime, cursor_table

MIGRATIONS: Final = "kumihimo.roles.gateway.migrations_ledger"

metadata = MetaData()

addressee = Table(
    "addressee",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("individual_number", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("given", Text, nullable=False),
    Column("family_kana", Text, nullable=False),
    Column("given_kana", Text, nullable=False),
    Column("sex", Text, nullable=False),
    Column("birth", Date, nullable=False),
    Column("prefecture", Text, nullable=False),
    Column("municipality", Text, nullable=False),
    Column("lines", Text, nullable=False),
    Column("building", Text, nullable=False),
    Column("code", Text),  # of the municipality (全国地方公共団体コード)
    Column("name_key", Text, nullable=False),  # normalised, for exact look-up
    Column("address_key", Text, nullable=False),
    Column("residence", Text, nullable=False),  # institution id of the municipality of residence
    Column("alive", Boolean, nullable=False),
    Column("died_on", Date),
    Column("version", Integer, nullable=False),  # the registry's version of the resident
    Column("since", UtcDateTime, nullable=False),
    Column("standing", Text, nullable=False, server_default="active"),
    Column("merged_into", Text),  # the Individual Number of the registration that stands for this one
    UniqueConstraint("institution", "individual_number", name="uq_addressee_individual_number"),
    Index("ix_addressee_name_birth", "institution", "name_key", "birth"),
)

former_number = Table(
    "former_number",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("individual_number", Text, primary_key=True),
    Column("addressee_number", Text, nullable=False),
    Column("replaced_at", UtcDateTime, nullable=False),
)

# Numbers of registrations that were merged into an addressee's, known here or not.
merged_number = Table(
    "merged_number",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("individual_number", Text, primary_key=True),
    Index("ix_merged_number_number", "institution", "individual_number"),
)

# The newest version told of somebody who was not entered: an older one that comes later must not enter them.
heard = Table(
    "heard",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("individual_number", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

acknowledgement_due = Table(
    "acknowledgement_due",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # in the registry's feed
    Column("version", Integer, nullable=False),
)

# Addressees of whom the exchange must be told whom they stand for.
link_due = Table(
    "link_due",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("generation", Integer, nullable=False),  # grows with every change, so that none is taken for done
)

# Addressees of whom the exchange must be told how they stand in the register.
register_due = Table(
    "register_due",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("institution", Text, nullable=False),
    Column("addressee_number", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    UniqueConstraint("institution", "addressee_number", "event", "version", name="uq_task_event"),
)

# Checks of identity (本人確認), those that were refused too. No number of a document, and none of a person.
identity_check = Table(
    "identity_check",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("request", Text, primary_key=True),  # id of the desk's message, so that one sent twice is one check
    Column("addressee_number", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("documents", Text, nullable=False),  # kinds, JSON
    Column("articles", Text, nullable=False),  # JSON
    Column("why_no_photo", Text),
    Column("staff", Text, nullable=False),
    Column("checked_at", UtcDateTime, nullable=False),
    Column("result", Text, nullable=False),  # `verified`, or the code of a problem
    Index("ix_identity_check_addressee", "institution", "addressee_number", "checked_at"),
)

serial = Table(
    "serial",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

feed_cursor = cursor_table(metadata)
