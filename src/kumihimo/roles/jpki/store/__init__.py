"""Store of the certification authority; every query runs inside one `transaction()`."""

from kumihimo.roles.jpki.store.cards import (
    LIST,
    RESPONDER,
    ROOT_LIST,
    STATUS,
    AuthorityStore,
    Card,
    CardState,
    Certificate,
    NewCertificate,
    Taken,
    Transaction,
)
from kumihimo.roles.jpki.store.tables import MIGRATIONS, feed, feed_cursor, metadata

__all__ = [
    "LIST",
    "MIGRATIONS",
    "RESPONDER",
    "ROOT_LIST",
    "STATUS",
    "AuthorityStore",
    "Card",
    "CardState",
    "Certificate",
    "NewCertificate",
    "Taken",
    "Transaction",
    "feed",
    "feed_cursor",
    "metadata",
]
