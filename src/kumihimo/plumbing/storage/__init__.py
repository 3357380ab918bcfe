"""Storage (保管): how a role keeps what it knows, on SQLite or PostgreSQL with one code path."""

from kumihimo.plumbing.storage.answers import Answer
from kumihimo.plumbing.storage.bulk import among, insert_columns, insert_rows, is_listed, listed
from kumihimo.plumbing.storage.contents import StoreContents, TableDigest, contents_of, digests_of
from kumihimo.plumbing.storage.engine import OF_ENGINE, bytes_used, empty_wal, open_engine, store_name
from kumihimo.plumbing.storage.faults import store_problem
from kumihimo.plumbing.storage.feed import (
    FeedItem,
    NewItem,
    append_feed,
    append_feed_all,
    count_feed,
    cursor_table,
    delete_feed,
    expire_feed,
    feed_table,
    get_cursor,
    read_feed,
    set_cursor,
    waiting_in_feed,
)
from kumihimo.plumbing.storage.keyfiles import read_secret, replace_secret, write_public, write_secret
from kumihimo.plumbing.storage.migrations import downgrade, migrate, require_current
from kumihimo.plumbing.storage.partitions import drop_partition_schema, join_partitions, partition
from kumihimo.plumbing.storage.rotations import Rotation, RotationSteps, rotation_table
from kumihimo.plumbing.storage.snapshot import require_empty, restore_snapshot, sha256_of, take_snapshot
from kumihimo.plumbing.storage.statements import Statement
from kumihimo.plumbing.storage.types import UtcDateTime
from kumihimo.plumbing.storage.writer import GroupCommitWriter

__all__ = [
    "OF_ENGINE",
    "Answer",
    "FeedItem",
    "GroupCommitWriter",
    "NewItem",
    "Rotation",
    "RotationSteps",
    "Statement",
    "StoreContents",
    "TableDigest",
    "UtcDateTime",
    "among",
    "append_feed",
    "append_feed_all",
    "bytes_used",
    "contents_of",
    "count_feed",
    "cursor_table",
    "delete_feed",
    "digests_of",
    "downgrade",
    "drop_partition_schema",
    "empty_wal",
    "expire_feed",
    "feed_table",
    "get_cursor",
    "insert_columns",
    "insert_rows",
    "is_listed",
    "join_partitions",
    "listed",
    "migrate",
    "open_engine",
    "partition",
    "read_feed",
    "read_secret",
    "replace_secret",
    "require_current",
    "require_empty",
    "restore_snapshot",
    "rotation_table",
    "set_cursor",
    "sha256_of",
    "store_name",
    "store_problem",
    "take_snapshot",
    "waiting_in_feed",
    "write_public",
    "write_secret",
]
