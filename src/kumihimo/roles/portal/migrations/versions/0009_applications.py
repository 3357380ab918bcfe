"""Applications of residents, and their parts for each body."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0009_applications"
down_revision = "0008_notices"


def upgrade() -> None:
    op.create_table(
        "application",
        sa.Column("application", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("signed_at", UtcDateTime),
    )
    op.create_index("ix_application_account", "application", ["account", "changed_at"])
    op.create_table(
        "application_part",
        sa.Column("receipt", sa.String(32), primary_key=True),
        sa.Column("application", sa.String(32), sa.ForeignKey("application.application"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("institution", sa.String(40), nullable=False),
        sa.Column("procedure", sa.String(61), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("taken", sa.LargeBinary),
        sa.Column("taken_at", UtcDateTime),
        sa.Column("problem", sa.String(60)),
    )
    op.create_index("ix_application_part_application", "application_part", ["application", "place"])


def downgrade() -> None:
    op.drop_table("application_part")
    op.drop_table("application")
