"""Requests of chunks, which came without it, get the transaction number they are found by."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005_about"
down_revision = "0004_witness"
_AT_ONCE = 5_000


def upgrade() -> None:
    conn = op.get_bind()
    record = sa.table("record", sa.column("log_index"), sa.column("record"), sa.column("about"))
    lacking = sa.select(record.c.log_index, record.c.record).where(record.c.about.is_(None))
    fill = sa.update(record).where(record.c.log_index == sa.bindparam("at")).values(about=sa.bindparam("number"))
    last = -1
    while rows := conn.execute(
        lacking.where(record.c.log_index > last).order_by(record.c.log_index).limit(_AT_ONCE)
    ).all():
        last = rows[-1].log_index
        read = [(row.log_index, json.loads(row.record)) for row in rows]
        found = [
            {"at": at, "number": one["transaction"]}
            for at, one in read
            if one["entry"] == "request" and one["transaction"] is not None
        ]
        if found:
            conn.execute(fill, found)


def downgrade() -> None:
    """Nothing: the column is that of 0003."""
