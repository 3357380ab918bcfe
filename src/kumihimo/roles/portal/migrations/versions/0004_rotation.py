"""Rotation of the portal's link codes: of which epoch a code is, and the rotations."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0004_rotation"
down_revision = "0003_partitions"


def upgrade() -> None:
    for table in ("account", "access"):
        op.add_column(table, sa.Column("epoch", sa.Integer))
    op.add_column("replaced_code", sa.Column("epoch", sa.Integer))
    op.add_column("replaced_code", sa.Column("by_epoch", sa.Integer))
    op.create_index("ix_replaced_code_replaced_by", "replaced_code", ["replaced_by"])
    op.create_table(
        "rotation",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("order_number", sa.BigInteger),
        sa.Column("begun_at", UtcDateTime, nullable=False),
        sa.Column("opened_at", UtcDateTime),
        sa.Column("swapped_at", UtcDateTime),
        sa.Column("told_at", UtcDateTime),
        sa.Column("close_at", UtcDateTime),
        sa.Column("shut_at", UtcDateTime),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("old_public_key", sa.LargeBinary),
    )


def downgrade() -> None:
    op.drop_table("rotation")
    op.drop_index("ix_replaced_code_replaced_by", "replaced_code")
    op.drop_column("replaced_code", "by_epoch")
    op.drop_column("replaced_code", "epoch")
    for table in ("access", "account"):
        op.drop_column(table, "epoch")
