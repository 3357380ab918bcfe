"""Partitions of the exchange, on PostgreSQL: its rows grow with persons times items, and with every access."""

from typing import Final

from alembic import op

from kumihimo.plumbing.storage import drop_partition_schema, join_partitions, partition

revision = "0004_partitions"
down_revision = "0003_lives"

# table → the column it is cut by; decision 0020 says why the others are whole
_CUT: Final = {"copy": "addressee_number", "provision": "transaction", "access_record": "transaction"}
_PARTS: Final = 8


def upgrade() -> None:
    for table, column in _CUT.items():
        partition(op.get_bind(), table, column, _PARTS)


def downgrade() -> None:
    for table in _CUT:
        join_partitions(op.get_bind(), table)
    drop_partition_schema(op.get_bind())
