"""Rotation of link codes: a code for each epoch that is open, the rotations, and old codes kept for opening audits."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0006_rotation"
down_revision = "0005_batch_inquiries"


def upgrade() -> None:
    _key_link_codes_by("institution", "addressee_number", "epoch")
    op.create_table(
        "rotation",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("order_number", sa.BigInteger),
        sa.Column("begun_at", UtcDateTime, nullable=False),
        sa.Column("opened_at", UtcDateTime),
        sa.Column("swapped_at", UtcDateTime),
        sa.Column("told_at", UtcDateTime),
        sa.Column("close_at", UtcDateTime),
        sa.Column("shut_at", UtcDateTime),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("old_public_key", sa.LargeBinary),
    )
    op.create_table(
        "audit_code",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("audit_code")
    op.drop_table("rotation")
    # The older schema knows one code for an addressee: the newest one.
    op.execute(
        "DELETE FROM link_code WHERE epoch < (SELECT max(newer.epoch) FROM link_code AS newer"
        " WHERE newer.institution = link_code.institution AND newer.addressee_number = link_code.addressee_number)"
    )
    _key_link_codes_by("institution", "addressee_number")


def _key_link_codes_by(*columns: str) -> None:
    """Give the table another primary key; SQLite, which cannot change the key of a table, gets another table."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("link_code_pkey", "link_code", type_="primary")
        op.create_primary_key("link_code_pkey", "link_code", list(columns))
        return
    kinds = {
        "institution": sa.Text,
        "addressee_number": sa.Text,
        "code": sa.LargeBinary,
        "epoch": sa.Integer,
        "placed_at": UtcDateTime,
    }
    op.create_table(
        "link_code_anew",
        *(sa.Column(name, kind, nullable=False) for name, kind in kinds.items()),
        sa.PrimaryKeyConstraint(*columns),
        sa.UniqueConstraint("institution", "code", name="uq_link_code_code"),
    )
    names = ", ".join(kinds)
    op.execute(f"INSERT INTO link_code_anew ({names}) SELECT {names} FROM link_code")  # noqa: S608 - names of columns
    op.drop_table("link_code")
    op.rename_table("link_code_anew", "link_code")
