"""First schema of the numbering authority."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "used_number",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("drawn_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "assignment",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("resident_code", sa.String(11), nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime),
    )
    op.create_index(
        "assignment_current",
        "assignment",
        ["resident_code"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "corporate_number",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("registered_name", sa.String(300), nullable=False),
        sa.Column("seat", sa.String(300), nullable=False),
        sa.Column("assigned_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("registered_name", "seat", name="corporate_number_body"),
    )


def downgrade() -> None:
    op.drop_table("corporate_number")
    op.drop_table("assignment")
    op.drop_table("used_number")
