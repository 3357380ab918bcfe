"""First schema of My Portal."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("account", sa.String(32), primary_key=True),
        sa.Column("link_code", sa.LargeBinary),
        sa.Column("opened_by", sa.String(40), nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_account_link_code", "account", ["link_code"])
    op.create_table(
        "ticket",
        sa.Column("ticket_hash", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), nullable=False),
    )
    op.create_table(
        "access",
        sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("link_code", sa.LargeBinary, nullable=False),
        sa.Column("transaction_number", sa.String(32), nullable=False),
        sa.Column("commitment", sa.LargeBinary, primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("refusal", sa.Text),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_access_link_code", "access", ["link_code", "log_index"])
    op.create_table(
        "outcome",
        sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("transaction_number", sa.String(32), nullable=False),
        sa.Column("commitment", sa.LargeBinary, primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_outcome_transaction_number", "outcome", ["transaction_number", "log_index"])
    op.create_table(
        "tally",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "feed_cursor",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("feed_cursor", "tally", "outcome", "access", "ticket", "account"):
        op.drop_table(table)
