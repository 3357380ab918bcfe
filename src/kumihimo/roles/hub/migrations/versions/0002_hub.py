"""Orders of the oversight body, quotas, secrets of proofs, and by whom a transaction number was used."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_hub"
down_revision = "0002_batch"


def upgrade() -> None:
    op.create_table(
        "oversight_order",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("matter", sa.Text, nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("carried_out_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_oversight_order_matter", "oversight_order", ["matter", "number"])
    op.create_table(
        "quota",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("per_minute", sa.BigInteger, nullable=False),
        sa.Column("per_day", sa.BigInteger, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_table(
        "hop_secret",
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "unrelayed_refusal",
        sa.Column("entry_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("logged", sa.Text, nullable=False),
    )
    op.add_column("mark", sa.Column("requester", sa.Text))
    op.create_index("ix_mark_made_at", "mark", ["made_at"])


def downgrade() -> None:
    op.drop_index("ix_mark_made_at", "mark")
    op.drop_column("mark", "requester")
    op.drop_table("unrelayed_refusal")
    op.drop_table("hop_secret")
    op.drop_table("quota")
    op.drop_table("oversight_order")
