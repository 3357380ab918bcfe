"""Epochs of link-code domains, and the generations of the operator's seeds."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0005_rotation"
down_revision = "0004_told_again"


def upgrade() -> None:
    op.create_table(
        "domain_epoch",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("present_since", UtcDateTime),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("public_key", sa.LargeBinary),
    )
    op.create_table(
        "domain_seed",
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    op.create_table(
        "seed_generation",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("begun_at", UtcDateTime, nullable=False),
        sa.Column("destroyed_at", UtcDateTime),
    )


def downgrade() -> None:
    for table in ("seed_generation", "domain_seed", "domain_epoch"):
        op.drop_table(table)
