"""Complaints to the oversight body, by the record they are about."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0010_complaints"
down_revision = "0009_applications"


def upgrade() -> None:
    op.create_table(
        "complaint",
        sa.Column("reference", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), nullable=False),
        sa.Column("log_index", sa.BigInteger, nullable=False),
        sa.Column("complained_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_complaint_account", "complaint", ["account", "complained_at"])


def downgrade() -> None:
    op.drop_table("complaint")
