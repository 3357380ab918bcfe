"""Corrections people asked for."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0008_corrections"
down_revision = "0007_freshness"


def upgrade() -> None:
    op.create_table(
        "correction",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, nullable=False),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("staff", sa.Text),
        sa.Column("answered_at", UtcDateTime),
    )
    op.create_index("ix_correction_state", "correction", ["institution", "state", "asked_at"])


def downgrade() -> None:
    op.drop_table("correction")
