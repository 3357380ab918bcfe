"""Notices, their inbox, receipts, channels and wake-ups."""

revision = "0008_notices"
down_revision = "0007_information"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
