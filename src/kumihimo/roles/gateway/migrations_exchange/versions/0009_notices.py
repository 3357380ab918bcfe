"""Mailboxes at the portal, notices and their recipients, and what recipients answered."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0009_notices"
down_revision = "0008_corrections"


def upgrade() -> None:
    op.create_table(
        "mailbox",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("handle", sa.LargeBinary, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "notice",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("notice", sa.Text, nullable=False, unique=True),
        sa.Column("staff", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("recipients", sa.Integer, nullable=False),
        sa.Column("taken_at", UtcDateTime, nullable=False),
        sa.Column("announced", sa.Boolean, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("problem", sa.Text),
    )
    op.create_index("ix_notice_done", "notice", ["institution", "done", "taken_at"])
    op.create_table(
        "notice_recipient",
        sa.Column("notice", sa.Text, sa.ForeignKey("notice.notice"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("own_values", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", UtcDateTime),
    )
    op.create_index("ix_notice_recipient_state", "notice_recipient", ["notice", "state", "position"])
    op.create_table(
        "notice_answer",
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("notice", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_notice_answer_notice", "notice_answer", ["notice", "received_at"])


def downgrade() -> None:
    for table in ("notice_answer", "notice_recipient", "notice", "mailbox"):
        op.drop_table(table)
