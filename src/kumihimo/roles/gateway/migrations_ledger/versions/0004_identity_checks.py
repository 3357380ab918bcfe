"""Checks of identity made at the counter (本人確認の記録)."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0004_identity_checks"
down_revision = "0003_register"


def upgrade() -> None:
    op.create_table(
        "identity_check",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("documents", sa.Text, nullable=False),
        sa.Column("articles", sa.Text, nullable=False),
        sa.Column("why_no_photo", sa.Text),
        sa.Column("staff", sa.Text, nullable=False),
        sa.Column("checked_at", UtcDateTime, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_index("ix_identity_check_addressee", "identity_check", ["institution", "addressee_number", "checked_at"])


def downgrade() -> None:
    op.drop_table("identity_check")
