"""The store of an operator of the hub."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "entry",
        sa.Column("entry_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("transaction_number", sa.Text),
        sa.Column("logged_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_entry_transaction_number", "entry", ["transaction_number"])
    op.create_table(
        "tile",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("tile_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "mark",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("made_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "outcome",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("payload_hash", sa.Text),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("logged", sa.Text, nullable=False),
        sa.Column("relayed_at", UtcDateTime),
    )
    op.create_table(
        "promise",
        sa.Column("entry_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Text, primary_key=True),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "standing",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "feed",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_audience_seq", "feed", ["audience", "seq"])


def downgrade() -> None:
    for table in ("feed", "standing", "promise", "outcome", "mark", "checkpoint", "tile", "entry"):
        op.drop_table(table)
