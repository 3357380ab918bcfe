"""Registrations over the years: standing and survivor, operations that can be taken back, announcements and who acknowledged."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_lives"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("resident", sa.Column("standing", sa.String(10), nullable=False, server_default="active"))
    op.add_column("resident", sa.Column("merged_into", _ID))
    op.create_index("resident_by_survivor", "resident", ["merged_into"])
    op.create_table(
        "operation",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("happened_on", sa.Date, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("reported_by", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "operation_part",
        sa.Column("operation", _ID, sa.ForeignKey("operation.id"), primary_key=True),
        sa.Column("resident", _ID, sa.ForeignKey("resident.id"), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
    )
    op.create_index("operation_part_by_resident", "operation_part", ["resident", "version"])
    op.create_table(
        "announcement",
        sa.Column("seq", _ID, primary_key=True, autoincrement=False),
        sa.Column("resident", _ID, sa.ForeignKey("resident.id"), nullable=False),
        sa.Column("institution", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("happened_on", sa.Date, nullable=False),
        sa.Column("reported_by", sa.String(40), nullable=False),
        sa.Column("announced_at", UtcDateTime, nullable=False),
        sa.Column("acknowledged_at", UtcDateTime),
    )
    open_ones = sa.text("acknowledged_at IS NULL")
    op.create_index(
        "announcement_unacknowledged",
        "announcement",
        ["reported_by", "announced_at"],
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )


def downgrade() -> None:
    for table in ("announcement", "operation_part", "operation"):
        op.drop_table(table)
    op.drop_index("resident_by_survivor", "resident")
    with op.batch_alter_table("resident") as resident:
        resident.drop_column("merged_into")
        resident.drop_column("standing")
