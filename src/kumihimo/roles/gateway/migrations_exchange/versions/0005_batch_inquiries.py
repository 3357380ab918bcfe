"""Batch inquiries and scheduled ones: what is asked together, its answers and reports, and when it is asked again."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0005_batch_inquiries"
down_revision = "0004_partitions"

_TABLES = ("schedule_run", "schedule", "chunk_report", "chunk_answer", "batch_chunk", "batch")


def upgrade() -> None:
    op.add_column("inquiry", sa.Column("chunk", sa.Text))
    op.create_table(
        "batch",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("batch", sa.Text, primary_key=True),
        sa.Column("staff", sa.Text, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("case_reference", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("affair", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("since", sa.Date),
        sa.Column("until", sa.Date),
        sa.Column("persons", sa.Integer, nullable=False),
        sa.Column("entered_at", UtcDateTime, nullable=False),
        sa.Column("kept_until", UtcDateTime, nullable=False),
        sa.Column("schedule", sa.Text),
    )
    op.create_index("ix_batch_kept_until", "batch", ["institution", "kept_until"])
    op.create_table(
        "batch_chunk",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("batch", sa.Text, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("addressees", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("case_salt", sa.LargeBinary),
        sa.Column("epoch", sa.Integer),
        sa.Column("asked_at", UtcDateTime),
        sa.Column("request", sa.Text),
        sa.Column("decision", sa.Text),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("outcomes", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("closed_at", UtcDateTime),
    )
    op.create_index("ix_batch_chunk_batch", "batch_chunk", ["institution", "batch", "ordinal"])
    op.create_index("ix_batch_chunk_state", "batch_chunk", ["institution", "state"])
    op.create_table(
        "chunk_answer",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("permit_hash", sa.Text, nullable=False),
        sa.Column("outcomes", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", UtcDateTime, nullable=False),
        sa.Column("kept_until", UtcDateTime, nullable=False),
    )
    op.create_index("ix_chunk_answer_kept_until", "chunk_answer", ["institution", "kept_until"])
    op.create_table(
        "chunk_report",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("outcomes", sa.Text, nullable=False),
        sa.Column("payload_hash", sa.Text),
        sa.Column("permit", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_chunk_report_due", "chunk_report", ["institution", "due_at"])
    op.create_table(
        "schedule",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("schedule", sa.Text, primary_key=True),
        sa.Column("staff", sa.Text, nullable=False),
        sa.Column("case_reference", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("affair", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("since", sa.Date),
        sa.Column("until", sa.Date),
        sa.Column("year_of_run", sa.Boolean, nullable=False),
        sa.Column("addressees", sa.Text, nullable=False),
        sa.Column("recurrence", sa.Text, nullable=False),
        sa.Column("first_on", sa.Date, nullable=False),
        sa.Column("last_on", sa.Date),
        sa.Column("next_on", sa.Date),
        sa.Column("entered_at", UtcDateTime, nullable=False),
        sa.Column("cancelled_at", UtcDateTime),
    )
    op.create_index("ix_schedule_next_on", "schedule", ["institution", "next_on"])
    op.create_table(
        "schedule_run",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("schedule", sa.Text, primary_key=True),
        sa.Column("due_on", sa.Date, primary_key=True),
        sa.Column("ran_at", UtcDateTime, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("left_out", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_column("inquiry", "chunk")
