"""Complaints of residents about accesses."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0006_complaints"
down_revision = "0005_about"


def upgrade() -> None:
    op.create_table(
        "complaint",
        sa.Column("reference", sa.String(32), primary_key=True),
        sa.Column("log_index", sa.BigInteger, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("complained_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("answer", sa.Text),
    )
    op.create_index("ix_complaint_state", "complaint", ["state", "complained_at"])


def downgrade() -> None:
    op.drop_table("complaint")
