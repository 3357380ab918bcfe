"""A mark names its entry, so that entries need no index of random transaction numbers; marks of operator 1 need none of time.

An index of random keys costs a page for each entry, written twice: it was most of what an entry cost.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_mark"
down_revision = "0002_hub"

_OF_MARK = """
UPDATE mark SET entry_index = coalesce(
    (SELECT min(entry_index) FROM entry WHERE entry.transaction_number = mark.mark),
    (SELECT CAST(logged AS BIGINT) FROM outcome WHERE outcome.mark = mark.mark AND logged NOT LIKE '{%'))
"""


def upgrade() -> None:
    op.add_column("mark", sa.Column("entry_index", sa.BigInteger))
    op.execute(_OF_MARK)
    op.drop_index("ix_entry_transaction_number", "entry")
    op.drop_index("ix_mark_made_at", "mark")
    of_requests = sa.text("requester IS NOT NULL")
    op.create_index("ix_mark_made_at", "mark", ["made_at"], sqlite_where=of_requests, postgresql_where=of_requests)


def downgrade() -> None:
    op.drop_index("ix_mark_made_at", "mark")
    op.create_index("ix_mark_made_at", "mark", ["made_at"])
    op.create_index("ix_entry_transaction_number", "entry", ["transaction_number"])
    op.drop_column("mark", "entry_index")
