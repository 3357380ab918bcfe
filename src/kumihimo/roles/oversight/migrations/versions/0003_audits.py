"""Audits and what was found, conditions of institutions; records are found by transaction number, orders by digest."""

import json

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0003_audits"
down_revision = "0002_hub"
_AT_ONCE = 5_000


def upgrade() -> None:
    op.add_column("record", sa.Column("about", sa.String(80)))
    _fill_about(op.get_bind())
    op.create_index("ix_record_about", "record", ["about", "log_index"])
    op.add_column("order_in_force", sa.Column("reply", sa.Text))
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("concluded_at", UtcDateTime),
        sa.Column("answer", sa.Text),
    )
    op.create_table(
        "audit_finding",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("disclosed", sa.Text),
    )
    op.create_table(
        "institution_condition",
        sa.Column("institution", sa.String(80), primary_key=True),
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("item", sa.String(80), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("since", UtcDateTime),
        sa.Column("heard_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    for table in ("institution_condition", "audit_finding", "audit"):
        op.drop_table(table)
    op.drop_column("order_in_force", "reply")
    op.drop_index("ix_record_about", "record")
    op.drop_column("record", "about")


def _fill_about(conn: sa.Connection) -> None:
    record = sa.table("record", sa.column("log_index"), sa.column("record"), sa.column("about"))
    last = -1
    while rows := conn.execute(
        sa.select(record.c.log_index, record.c.record)
        .where(record.c.log_index > last)
        .order_by(record.c.log_index)
        .limit(_AT_ONCE)
    ).all():
        last = rows[-1].log_index
        for row in rows:
            about = _about(json.loads(row.record))
            if about is not None:
                conn.execute(sa.update(record).where(record.c.log_index == row.log_index).values(about=about))


def _about(record: dict[str, str]) -> str | None:
    if record["entry"] == "request":
        return record["transaction"]
    return f"order/{record['request_hash']}" if record["entry"] == "order" else None
