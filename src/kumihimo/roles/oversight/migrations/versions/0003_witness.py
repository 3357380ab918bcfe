"""The checkpoint as the log signed it beside the state that was cosigned: what other witnesses can compare."""

import sqlalchemy as sa
from alembic import op

revision = "0003_witness"
down_revision = "0002_hub"


def upgrade() -> None:
    op.add_column("witnessed", sa.Column("note", sa.Text, nullable=True))


def downgrade() -> None:
    op.drop_column("witnessed", "note")
