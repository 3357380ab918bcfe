"""Mandates, and when they were used."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0007_mandates"
down_revision = "0006_information"


def upgrade() -> None:
    op.create_table(
        "mandate",
        sa.Column("mandate", sa.String(32), primary_key=True),
        sa.Column("giver", sa.String(32), sa.ForeignKey("account.account")),
        sa.Column("holder", sa.String(32), sa.ForeignKey("account.account")),
        sa.Column("invitation_hash", sa.LargeBinary, unique=True),
        sa.Column("invited_until", UtcDateTime, nullable=False),
        sa.Column("relation", sa.String(20), nullable=False),
        sa.Column("scopes", sa.String(400), nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
        sa.Column("accepted_at", UtcDateTime),
        sa.Column("revoked_at", UtcDateTime),
        sa.Column("revoked_by", sa.String(10)),
    )
    op.create_index("ix_mandate_giver", "mandate", ["giver"])
    op.create_index("ix_mandate_holder", "mandate", ["holder"])
    op.create_table(
        "mandate_use",
        sa.Column("mandate", sa.String(32), sa.ForeignKey("mandate.mandate"), primary_key=True),
        sa.Column("topic", sa.String(20), primary_key=True),
        sa.Column("used_at", UtcDateTime, primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("mandate_use")
    op.drop_table("mandate")
