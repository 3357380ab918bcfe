"""Corrections residents asked for: what was asked of whom; neither the text nor the answer is here."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0007_information"
down_revision = "0006_complaints"


def upgrade() -> None:
    op.create_table(
        "correction",
        sa.Column("reference", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(32), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("item", sa.String(80), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_correction_account", "correction", ["account", "asked_at"])


def downgrade() -> None:
    op.drop_table("correction")
