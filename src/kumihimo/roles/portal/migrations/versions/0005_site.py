"""Log-ins: accounts opened with the card, and sessions."""

revision = "0005_site"
down_revision = "0004_rotation"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
