"""Merged and cancelled registrations; what is to be acknowledged, told to the exchange, and looked at."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0002_lives"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("addressee", sa.Column("standing", sa.Text, nullable=False, server_default="active"))
    op.add_column("addressee", sa.Column("merged_into", sa.Text))
    op.create_table(
        "merged_number",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("individual_number", sa.Text, primary_key=True),
    )
    op.create_index("ix_merged_number_number", "merged_number", ["institution", "individual_number"])
    op.create_table(
        "heard",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("individual_number", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "acknowledgement_due",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "link_due",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("raised_at", UtcDateTime, nullable=False),
        sa.Column("settled_at", UtcDateTime),
        sa.UniqueConstraint("institution", "addressee_number", "event", "version", name="uq_task_event"),
    )


def downgrade() -> None:
    for table in ("task", "link_due", "acknowledgement_due", "heard", "merged_number"):
        op.drop_table(table)
    with op.batch_alter_table("addressee") as addressee:
        addressee.drop_column("merged_into")
        addressee.drop_column("standing")
