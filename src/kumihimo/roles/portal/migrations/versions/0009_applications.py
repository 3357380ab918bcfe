"""Drafts, applications and their parts."""

revision = "0009_applications"
down_revision = "0008_notices"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
