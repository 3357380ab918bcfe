"""First schema of the exchange (中間サーバー)."""

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "link_code",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("code", sa.LargeBinary, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("placed_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("institution", "code", name="uq_link_code_code"),
    )
    op.create_table(
        "expected_ticket",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("ticket_hash", sa.LargeBinary, primary_key=True),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("expected_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "copy",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.Date, primary_key=True),
        sa.Column("valid_until", sa.Date),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("placed_at", UtcDateTime, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
    )
    op.create_table(
        "flag",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_table(
        "staff_right",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("staff", sa.Text, primary_key=True),
        sa.Column("affair", sa.Text, primary_key=True),
        sa.Column("department", sa.Text, nullable=False),
    )
    op.create_table(
        "inquiry",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text, nullable=False),
        sa.Column("case_reference", sa.Text, nullable=False),
        sa.Column("case_salt", sa.LargeBinary, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("affair", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("since", sa.Date),
        sa.Column("until", sa.Date),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("subject_hash", sa.Text, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("staff", sa.Text, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("outcome", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("decision", sa.Text),
    )
    op.create_table(
        "provision",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("permit", sa.Text, nullable=False),
        sa.Column("permit_hash", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("payload_hash", sa.Text),
        sa.Column("answered_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "access_record",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("side", sa.Text, primary_key=True),
        sa.Column("addressee_number", sa.Text),
        sa.Column("staff", sa.Text),
        sa.Column("department", sa.Text),
        sa.Column("case_reference", sa.Text),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("affair", sa.Text, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("since", sa.Date),
        sa.Column("until", sa.Date),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("flagged", sa.Boolean, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("rule_book", sa.Text),
        sa.Column("log_index", sa.BigInteger),
        sa.Column("payload_hash", sa.Text),
    )
    op.create_table(
        "outbox",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("transaction", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("payload_hash", sa.Text),
        sa.Column("permit", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "feed_cursor",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_expected_ticket_addressee", "expected_ticket", ["institution", "addressee_number"])
    op.create_index("ix_access_record_addressee", "access_record", ["institution", "addressee_number", "recorded_at"])
    op.create_index("ix_outbox_due", "outbox", ["institution", "due_at"])


def downgrade() -> None:
    for table in (
        "feed_cursor",
        "outbox",
        "access_record",
        "provision",
        "inquiry",
        "staff_right",
        "flag",
        "copy",
        "expected_ticket",
        "link_code",
    ):
        op.drop_table(table)
