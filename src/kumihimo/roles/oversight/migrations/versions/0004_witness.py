"""The checkpoint as the log signed it beside the state that was cosigned: what other witnesses can compare."""

import sqlalchemy as sa
from alembic import op

revision = "0004_witness"
down_revision = "0003_audits"


def upgrade() -> None:
    op.add_column("witnessed", sa.Column("note", sa.Text, nullable=True))


def downgrade() -> None:
    op.drop_column("witnessed", "note")
