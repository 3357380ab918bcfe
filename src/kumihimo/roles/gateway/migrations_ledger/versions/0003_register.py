"""Addressees of whom the exchange must be told how they stand; at first all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003_register"
down_revision = "0002_lives"


def upgrade() -> None:
    op.create_table(
        "register_due",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    op.execute(
        "INSERT INTO register_due (institution, addressee_number, generation)"
        " SELECT institution, addressee_number, 1 FROM addressee"
    )


def downgrade() -> None:
    op.drop_table("register_due")
