"""First schema of the certification authority."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime, cursor_table, feed_table

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "card",
        sa.Column("card_serial", sa.String(40), primary_key=True),
        sa.Column("resident_code", sa.String(11), nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("card_until", sa.Date, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_index("ix_card_resident_code", "card", ["resident_code"])
    op.create_table(
        "application",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("occasion", sa.String(10), nullable=False),
        sa.Column("resident_code", sa.String(11), nullable=False),
        sa.Column("card_serial", sa.String(40), sa.ForeignKey("card.card_serial"), nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_application_resident_code", "application", ["resident_code"])
    op.create_table(
        "certificate",
        sa.Column("profile", sa.String(20), primary_key=True),
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("resident_code", sa.String(11), nullable=False),
        sa.Column("card_serial", sa.String(40), sa.ForeignKey("card.card_serial"), nullable=False),
        sa.Column("application", _ID, sa.ForeignKey("application.id"), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_until", UtcDateTime, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("reason", sa.Integer),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_index("ix_certificate_resident_code", "certificate", ["resident_code"])
    op.create_index("ix_certificate_card_serial", "certificate", ["card_serial"])
    not_good = sa.text("state != 'good'")
    op.create_index(
        "certificate_not_good",
        "certificate",
        ["profile", "valid_until"],
        sqlite_where=not_good,
        postgresql_where=not_good,
    )
    op.create_table(
        "change",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("profile", sa.String(20), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("reason", sa.Integer),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
    )
    op.create_index("change_by_certificate", "change", ["profile", "serial"])
    op.create_table(
        "holder",
        sa.Column("resident_code", sa.String(11), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
    )
    op.create_table(
        "crl",
        sa.Column("ca", sa.String(20), primary_key=True),
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("last_change", sa.BigInteger, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "among_cards",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.Column("asked_by", sa.String(60), nullable=False),
        sa.UniqueConstraint("kind", "name", "key_hash", name="among_cards_key"),
    )
    op.create_table(
        "disclosure",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("profile", sa.String(20), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("asked_by", sa.String(60), nullable=False),
        sa.Column("basis", sa.String(200), nullable=False),
        sa.Column("found", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    tables = sa.MetaData()
    feed_table(tables).create(op.get_bind())
    cursor_table(tables).create(op.get_bind())


def downgrade() -> None:
    for table in (
        "feed_cursor", "feed", "disclosure", "among_cards", "crl", "holder", "change", "certificate", "application", "card",
    ):  # fmt: skip
        op.drop_table(table)
