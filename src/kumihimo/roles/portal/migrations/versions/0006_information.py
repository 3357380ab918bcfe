"""Corrections residents asked for, and look-ups that wait for a person at an office; no content of either is here."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0006_information"
down_revision = "0005_site"


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
    op.create_table(
        "waiting_look_up",
        sa.Column("account", sa.String(32), primary_key=True),
        sa.Column("affair", sa.String(80), primary_key=True),
        sa.Column("provider", sa.String(40), primary_key=True),
        sa.Column("item", sa.String(80), primary_key=True),
        sa.Column("permit", sa.Text, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("waiting_look_up")
    op.drop_table("correction")
