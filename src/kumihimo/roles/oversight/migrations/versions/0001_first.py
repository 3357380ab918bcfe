"""First schema of the oversight body."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "witnessed",
        sa.Column("origin", sa.String(200), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("cosigned_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "verified",
        sa.Column("origin", sa.String(200), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("verified_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "own_tile",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("tile_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_entry",
        sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("verified_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_log_entry_state", "log_entry", ["state", "log_index"])
    op.create_table(
        "record",
        sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("promise", sa.Text, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "promise",
        sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("commitment", sa.LargeBinary, primary_key=True),
        sa.Column("promise", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_promise_state", "promise", ["state", "log_index"])
    op.create_table(
        "alarm",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("what", sa.String(400), primary_key=True),
        sa.Column("evidence", sa.Text),
        sa.Column("raised_at", UtcDateTime, nullable=False),
        sa.Column("last_seen_at", UtcDateTime, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_table(
        "feed_cursor",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("feed_cursor", "alarm", "promise", "record", "log_entry", "own_tile", "verified", "witnessed"):
        op.drop_table(table)
