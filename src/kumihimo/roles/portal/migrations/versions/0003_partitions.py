"""Partitions of the portal, on PostgreSQL: two rows for every access in the country."""

from typing import Final

from alembic import op

from kumihimo.plumbing.storage import drop_partition_schema, join_partitions, partition

revision = "0003_partitions"
down_revision = "0002_lives"

# table → the column it is cut by; decision 0020 says why the others are whole
_CUT: Final = {"access": "log_index", "outcome": "log_index"}
_PARTS: Final = 16


def upgrade() -> None:
    for table, column in _CUT.items():
        partition(op.get_bind(), table, column, _PARTS)


def downgrade() -> None:
    for table in _CUT:
        join_partitions(op.get_bind(), table)
    drop_partition_schema(op.get_bind())
