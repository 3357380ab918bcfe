"""Up to when the authority's feed was read: a responder that is started while the authority is away goes on answering."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_level"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "level",
        sa.Column("source", sa.String(60), primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("level")
