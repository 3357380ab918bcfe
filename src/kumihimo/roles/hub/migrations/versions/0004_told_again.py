"""Operator 2 is told again of an outcome that is reported again, and takes it once: no need to remember whether it knows."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0004_told_again"
down_revision = "0003_mark"


def upgrade() -> None:
    op.drop_column("outcome", "relayed_at")


def downgrade() -> None:
    op.add_column("outcome", sa.Column("relayed_at", UtcDateTime))
