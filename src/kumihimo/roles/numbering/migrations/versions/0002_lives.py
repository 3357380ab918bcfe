"""Ends and returns of assignments, each with its day and reason."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_lives"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "amendment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("number", sa.BigInteger, sa.ForeignKey("assignment.number"), nullable=False),
        sa.Column("act", sa.String(10), nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_amendment_number", "amendment", ["number"])


def downgrade() -> None:
    op.drop_table("amendment")
