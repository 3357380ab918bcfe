"""First schema of the registry."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "resident",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("resident_code", sa.String(11), nullable=False, unique=True),
        sa.Column("individual_number", sa.String(12), nullable=False, unique=True),
        sa.Column("four_items", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False),
        sa.Column("address_key", sa.Text, nullable=False),
        sa.Column("birth", sa.Date, nullable=False),
        sa.Column("sex", sa.String(1), nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("died_on", sa.Date),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("code_counter", sa.Integer, nullable=False),
    )
    op.create_index("resident_by_birth_and_name", "resident", ["birth", "name_key"])
    op.create_table(
        "history",
        sa.Column("resident", _ID, sa.ForeignKey("resident.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("happened_on", sa.Date, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("reported_by", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("four_items", sa.Text, nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
    )
    op.create_table(
        "number_history",
        sa.Column("individual_number", sa.String(12), primary_key=True),
        sa.Column("resident", _ID, sa.ForeignKey("resident.id"), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime),
    )
    op.create_index("ix_number_history_resident", "number_history", ["resident"])
    op.create_table(
        "subscription",
        sa.Column("resident", _ID, sa.ForeignKey("resident.id"), primary_key=True),
        sa.Column("institution", sa.String(40), primary_key=True),
    )
    op.create_table(
        "code_holder",
        sa.Column("resident", _ID, sa.ForeignKey("resident.id"), primary_key=True),
        sa.Column("institution", sa.String(40), primary_key=True),
        sa.Column("counter", sa.Integer, nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("issued_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "feed",
        sa.Column("seq", _ID, primary_key=True, autoincrement=True),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_audience_seq", "feed", ["audience", "seq"])


def downgrade() -> None:
    for table in ("feed", "code_holder", "subscription", "number_history", "history", "resident"):
        op.drop_table(table)
