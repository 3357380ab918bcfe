"""Deliveries of copies and what the register says of addressees; copies held already count as delivered when last placed."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime, join_partitions, partition

revision = "0007_freshness"
down_revision = "0006_rotation"
_PARTS = 8


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("delivered_at", UtcDateTime),
        sa.Column("complete_at", UtcDateTime),
        sa.Column("as_of", UtcDateTime),
        sa.Column("waiting", sa.BigInteger, nullable=False),
        sa.Column("waiting_since", UtcDateTime),
        sa.Column("day", sa.Date),
        sa.Column("placed_on_day", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO delivery (institution, item, delivered_at, complete_at, as_of, waiting, placed_on_day)"
        " SELECT institution, item, MAX(placed_at), MAX(placed_at), MAX(placed_at), 0, 0 FROM copy"
        " GROUP BY institution, item"
    )
    op.create_table(
        "registered",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_index("ix_registered_says", "registered", ["institution", "says", "since"])
    partition(op.get_bind(), "registered", "addressee_number", _PARTS)


def downgrade() -> None:
    join_partitions(op.get_bind(), "registered")
    for table in ("registered", "delivery"):
        op.drop_table(table)
