"""First schema of the responder."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime, cursor_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "status",
        sa.Column("profile", sa.String(20), primary_key=True),
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.Integer),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "crl",
        sa.Column("ca", sa.String(20), primary_key=True),
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "credential",
        sa.Column("ca", sa.String(20), primary_key=True),
        sa.Column("authority", sa.LargeBinary, nullable=False),
        sa.Column("responder", sa.LargeBinary),
    )
    cursor_table(sa.MetaData()).create(op.get_bind())


def downgrade() -> None:
    for table in ("feed_cursor", "credential", "crl", "status"):
        op.drop_table(table)
