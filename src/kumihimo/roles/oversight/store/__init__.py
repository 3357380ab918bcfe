"""Store of the oversight body (第三者機関の台帳)."""

from kumihimo.roles.oversight.store.audits import AuditKept, AuditStore, Found, FoundRecord, OpenAudit
from kumihimo.roles.oversight.store.conditions import ConditionStore
from kumihimo.roles.oversight.store.findings import Counts, Findings
from kumihimo.roles.oversight.store.orders import GivenOrder, OrderStore
from kumihimo.roles.oversight.store.statements import Statements, StoredPromise, StoredRecord, promised_with
from kumihimo.roles.oversight.store.tables import MIGRATIONS, feed_cursor, metadata
from kumihimo.roles.oversight.store.verified_log import VerifiedLog
from kumihimo.roles.oversight.store.witnessing import WitnessStore

__all__ = [
    "MIGRATIONS",
    "AuditKept",
    "AuditStore",
    "ConditionStore",
    "Counts",
    "Findings",
    "Found",
    "FoundRecord",
    "GivenOrder",
    "OpenAudit",
    "OrderStore",
    "Statements",
    "StoredPromise",
    "StoredRecord",
    "VerifiedLog",
    "WitnessStore",
    "feed_cursor",
    "metadata",
    "promised_with",
]
