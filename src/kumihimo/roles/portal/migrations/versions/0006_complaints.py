"""Counts of records a day, and complaints to the oversight body."""

revision = "0006_complaints"
down_revision = "0005_site"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
