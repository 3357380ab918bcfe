"""Operator 2 keeps what it answered for the life of the permit."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_batch"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "kept_answer",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("kept_until", UtcDateTime, nullable=False),
    )
    op.create_index("ix_kept_answer_kept_until", "kept_answer", ["kept_until"])


def downgrade() -> None:
    op.drop_table("kept_answer")
