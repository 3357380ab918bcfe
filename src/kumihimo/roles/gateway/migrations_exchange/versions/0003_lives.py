"""Addressees that are one person, or nobody."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0003_lives"
down_revision = "0002_batch"


def upgrade() -> None:
    op.create_table(
        "addressee_link",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("stands_for", sa.Text),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_index("ix_addressee_link_stands_for", "addressee_link", ["institution", "stands_for"])


def downgrade() -> None:
    op.drop_table("addressee_link")
