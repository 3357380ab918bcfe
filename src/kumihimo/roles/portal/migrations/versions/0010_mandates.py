"""Mandates, and what residents control."""

revision = "0010_mandates"
down_revision = "0009_applications"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
