"""Link codes that were replaced after a leak."""

import sqlalchemy as sa
from alembic import op

revision = "0002_lives"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "replaced_code",
        sa.Column("link_code", sa.LargeBinary, primary_key=True),
        sa.Column("replaced_by", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("replaced_code")
