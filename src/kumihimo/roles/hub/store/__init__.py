"""Store of an operator of the hub (運営者の保管庫)."""

from kumihimo.roles.hub.store.log import Append, LogStore, Report, ReportedOutcome
from kumihimo.roles.hub.store.second import KeptAnswer, News, Passage, SecondStore
from kumihimo.roles.hub.store.standings import Standing, Standings
from kumihimo.roles.hub.store.tables import MIGRATIONS, feed, metadata
from kumihimo.roles.hub.store.tree import PublishedCheckpoint, TreeStore

__all__ = [
    "MIGRATIONS",
    "Append",
    "KeptAnswer",
    "LogStore",
    "News",
    "Passage",
    "PublishedCheckpoint",
    "Report",
    "ReportedOutcome",
    "SecondStore",
    "Standing",
    "Standings",
    "TreeStore",
    "feed",
    "metadata",
]
