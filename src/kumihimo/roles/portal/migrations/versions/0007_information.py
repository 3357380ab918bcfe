"""Corrections residents asked for."""

revision = "0007_information"
down_revision = "0006_complaints"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
