"""Answers by hand and repeated inquiries: sealed answers, the queue, requests as they were signed."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_batch"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("inquiry", sa.Column("request", sa.Text))
    op.add_column("inquiry", sa.Column("pending_at", UtcDateTime))
    op.create_table(
        "sealed_answer",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.Text),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("kept_until", UtcDateTime, nullable=False),
    )
    op.create_index("ix_sealed_answer_kept_until", "sealed_answer", ["institution", "kept_until"])
    op.create_table(
        "by_hand",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime),
        sa.Column("staff", sa.Text),
        sa.Column("department", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("items", sa.Text),
        sa.Column("released_at", UtcDateTime),
    )
    op.create_index("ix_by_hand_due", "by_hand", ["institution", "decided_at", "due_at"])


def downgrade() -> None:
    op.drop_table("by_hand")
    op.drop_table("sealed_answer")
    op.drop_column("inquiry", "pending_at")
    op.drop_column("inquiry", "request")
