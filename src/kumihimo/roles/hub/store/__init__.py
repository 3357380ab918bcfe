"""Store of an operator of the hub (運営者の保管庫)."""

from kumihimo.roles.hub.store.domains import Domains
from kumihimo.roles.hub.store.entries import Append, Entered, Report, ReportedOutcome, Unrelayed
from kumihimo.roles.hub.store.hop_seeds import HopSeeds
from kumihimo.roles.hub.store.log import MOST_AT_ONCE, LogStore
from kumihimo.roles.hub.store.log_past import requests_logged
from kumihimo.roles.hub.store.log_rows import RECORDS_KIND
from kumihimo.roles.hub.store.notices import Notices
from kumihimo.roles.hub.store.second import KeptAnswer, News, Passage, SecondStore, requests_passed
from kumihimo.roles.hub.store.seeds import Generation, SeedStore
from kumihimo.roles.hub.store.standings import WHOLE_HUB, Standing, Standings
from kumihimo.roles.hub.store.tables import MIGRATIONS, feed, metadata
from kumihimo.roles.hub.store.tree import PublishedCheckpoint, TreeStore

__all__ = [
    "MIGRATIONS",
    "MOST_AT_ONCE",
    "RECORDS_KIND",
    "WHOLE_HUB",
    "Append",
    "Domains",
    "Entered",
    "Generation",
    "HopSeeds",
    "KeptAnswer",
    "LogStore",
    "News",
    "Notices",
    "Passage",
    "PublishedCheckpoint",
    "Report",
    "ReportedOutcome",
    "SecondStore",
    "SeedStore",
    "Standing",
    "Standings",
    "TreeStore",
    "Unrelayed",
    "feed",
    "metadata",
    "requests_logged",
    "requests_passed",
]
