"""Tables of the certification authority: cards, applications, certificates and all that became of them, lists, disclosures.

Resident codes stand here, Individual Numbers nowhere (I1). What a certificate is used for, nobody tells this store.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from kumihimo.plumbing.storage import UtcDateTime, cursor_table, feed_table

MIGRATIONS: Final = "kumihimo.roles.jpki.migrations"
metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")

card = Table(
    "card",
    metadata,
    Column("card_serial", String(40), primary_key=True),
    Column("resident_code", String(11), nullable=False, index=True),
    Column("municipality", String(40), nullable=False),  # that issued it
    Column("card_until", Date, nullable=False),
    Column("state", String(10), nullable=False),  # in_use, lost, ended
    Column("issued_at", UtcDateTime, nullable=False),
    Column("since", UtcDateTime, nullable=False),  # of the state
)

application = Table(
    "application",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("occasion", String(10), nullable=False),
    Column("resident_code", String(11), nullable=False, index=True),
    Column("card_serial", String(40), ForeignKey("card.card_serial"), nullable=False),
    Column("municipality", String(40), nullable=False),
    Column("identity", Text, nullable=False),  # canonical JSON of IdentityCheck
    Column("received_at", UtcDateTime, nullable=False),
)

certificate = Table(
    "certificate",
    metadata,
    Column("profile", String(20), primary_key=True),
    Column("serial", String(40), primary_key=True),
    Column("resident_code", String(11), nullable=False, index=True),
    Column("card_serial", String(40), ForeignKey("card.card_serial"), nullable=False, index=True),
    Column("application", _ID, ForeignKey("application.id"), nullable=False),
    Column(
        "key_hash", String(64), nullable=False, unique=True
    ),  # SHA-256 of SubjectPublicKeyInfo: a key has one certificate
    Column("der", LargeBinary, nullable=False),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_until", UtcDateTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("cause", String(20), nullable=False),
    Column("reason", Integer),
    Column("since", UtcDateTime, nullable=False),
)
# What a list is made of.
Index(
    "certificate_not_good",
    certificate.c.profile,
    certificate.c.valid_until,
    sqlite_where=certificate.c.state != "good",
    postgresql_where=certificate.c.state != "good",
)

# Every state a certificate ever had, oldest first.
change = Table(
    "change",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("profile", String(20), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("cause", String(20), nullable=False),
    Column("reason", Integer),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(120), nullable=False),  # party, and at a window the member of staff
)
Index("change_by_certificate", change.c.profile, change.c.serial)

# The newest version of a holder that was heard of: an event of an earlier one comes too late.
holder = Table(
    "holder",
    metadata,
    Column("resident_code", String(11), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("municipality", String(40), nullable=False),
)

crl = Table(
    "crl",
    metadata,
    Column("ca", String(20), primary_key=True),
    Column("kind", String(10), primary_key=True),  # full or delta
    Column("number", BigInteger, nullable=False),
    Column("last_change", BigInteger, nullable=False),  # the id of the last change it knows
    Column("made_at", UtcDateTime, nullable=False),
)

# Certificates of the card-management authority: for offices and for cards.
among_cards = Table(
    "among_cards",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("kind", String(10), nullable=False),  # office or card
    Column("name", String(40), nullable=False),  # institution id, or card serial
    Column("key_hash", String(64), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("asked_by", String(60), nullable=False),
    UniqueConstraint("kind", "name", "key_hash", name="among_cards_key"),
)

disclosure = Table(
    "disclosure",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("profile", String(20), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("asked_by", String(60), nullable=False),
    Column("basis", String(200), nullable=False),
    Column("found", Integer, nullable=False),  # 1 where there is such a certificate
    Column("at", UtcDateTime, nullable=False),
)

feed = feed_table(metadata)
feed_cursor = cursor_table(metadata)
