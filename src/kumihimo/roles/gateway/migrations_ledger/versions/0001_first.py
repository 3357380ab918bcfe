"""First schema of the addressee ledger (団体内統合宛名)."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "addressee",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("individual_number", sa.Text, nullable=False),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("family_kana", sa.Text, nullable=False),
        sa.Column("given_kana", sa.Text, nullable=False),
        sa.Column("sex", sa.Text, nullable=False),
        sa.Column("birth", sa.Date, nullable=False),
        sa.Column("prefecture", sa.Text, nullable=False),
        sa.Column("municipality", sa.Text, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("building", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("name_key", sa.Text, nullable=False),
        sa.Column("address_key", sa.Text, nullable=False),
        sa.Column("residence", sa.Text, nullable=False),
        sa.Column("alive", sa.Boolean, nullable=False),
        sa.Column("died_on", sa.Date),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.UniqueConstraint("institution", "individual_number", name="uq_addressee_individual_number"),
    )
    op.create_table(
        "former_number",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("individual_number", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("replaced_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "serial",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "feed_cursor",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_addressee_name_birth", "addressee", ["institution", "name_key", "birth"])


def downgrade() -> None:
    for table in ("feed_cursor", "serial", "former_number", "addressee"):
        op.drop_table(table)
