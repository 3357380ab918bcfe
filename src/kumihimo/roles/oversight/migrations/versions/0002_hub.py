"""Orders given to the operators, and who has carried them out."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_hub"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "given_order",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "order_in_force",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("operator", sa.String(80), primary_key=True),
        sa.Column("since", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    for table in ("order_in_force", "given_order"):
        op.drop_table(table)
