"""Mailboxes, notices, ways to be told of them, and wake-ups that are due."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0008_notices"
down_revision = "0007_mandates"


def upgrade() -> None:
    op.create_table(
        "mailbox",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("handle_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("institution", sa.String(40), nullable=False),
        sa.Column("link_code", sa.LargeBinary, nullable=False),
        sa.Column("epoch", sa.Integer),
    )
    op.create_index("ix_mailbox_link_code", "mailbox", ["link_code"])
    op.create_table(
        "announced",
        sa.Column("notice", sa.String(32), primary_key=True),
        sa.Column("institution", sa.String(40), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("deadline", sa.Date),
        sa.Column("announced_at", UtcDateTime, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("opened", sa.Integer, nullable=False),
    )
    op.create_table(
        "attachment",
        sa.Column("notice", sa.String(32), sa.ForeignKey("announced.notice"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("mailbox", sa.Integer, sa.ForeignKey("mailbox.number"), nullable=False),
        sa.Column("notice", sa.String(32), sa.ForeignKey("announced.notice"), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("delivered_at", UtcDateTime, nullable=False),
        sa.Column("opened_at", UtcDateTime),
        sa.Column("answered_at", UtcDateTime),
    )
    op.create_index("ix_notice_mailbox", "notice", ["mailbox", "delivered_at"])
    op.create_table(
        "opening",
        sa.Column("notice", sa.String(32), sa.ForeignKey("announced.notice"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("opened_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "preference",
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), primary_key=True),
        sa.Column("quiet_from", sa.Integer),
        sa.Column("quiet_until", sa.Integer),
        sa.Column("tells_openings", sa.Boolean, nullable=False),
        sa.Column("woken_at", UtcDateTime),
    )
    op.create_table(
        "channel",
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("code_hash", sa.LargeBinary),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("added_at", UtcDateTime, nullable=False),
        sa.Column("failed_at", UtcDateTime),
    )
    op.create_index("ix_channel_account", "channel", ["account"])
    op.create_table(
        "wake_up",
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), primary_key=True),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    op.create_index("ix_wake_up_due_at", "wake_up", ["due_at"])


def downgrade() -> None:
    for table in ("wake_up", "channel", "preference", "opening", "notice", "attachment", "announced", "mailbox"):
        op.drop_table(table)
