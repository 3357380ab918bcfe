"""Applications that residents sent through the portal."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0010_applications"
down_revision = "0009_notices"


def upgrade() -> None:
    op.create_table(
        "application",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("receipt", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("procedure", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("taken_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("staff", sa.Text),
        sa.Column("says", sa.Text),
        sa.UniqueConstraint("institution", "number", name="uq_application_number"),
    )
    op.create_index("ix_application_state", "application", ["institution", "state", "taken_at"])


def downgrade() -> None:
    op.drop_table("application")
