"""Log-ins: accounts opened with the card, and sessions."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0005_site"
down_revision = "0004_rotation"


def upgrade() -> None:
    op.create_table(
        "session",
        sa.Column("id_hash", sa.LargeBinary, primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), nullable=False),
        sa.Column("mandate", sa.String(32)),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "login_card",
        sa.Column("serial_hash", sa.LargeBinary, primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("account.account"), nullable=False),
    )
    op.create_index("ix_login_card_account", "login_card", ["account"])
    op.create_index("ix_session_account", "session", ["account"])
    op.create_index("ix_session_until", "session", ["until"])


def downgrade() -> None:
    op.drop_table("login_card")
    op.drop_table("session")
