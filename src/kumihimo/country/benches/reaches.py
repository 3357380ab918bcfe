"""Reaches (目標値): what is promised of the figures, all in one place. A figure without an entry is information only."""

from __future__ import annotations

from typing import Final

from kumihimo.country.benches.figures import Reach

REACHES: Final[dict[str, Reach]] = {
    "rules.decision": Reach("value", "<", 20),
    "translate.hop": Reach("ratio", ">=", 0.8),
    "log.append": Reach("value", ">=", 20_000),
    "log.append_postgresql": Reach("value", ">=", 20_000),
    "log.inclusion_proof": Reach("value", "<=", 1),
    "numbering.assign": Reach("value", ">=", 100_000),
    "numbering.assign_postgresql": Reach("value", ">=", 100_000),
    "country.sqlite": Reach("value", "<=", 300),
    "country.sqlite_memory": Reach("value", "<=", 2_048),
    "country.sqlite_growth": Reach("ratio", "<=", 1.5),
    "country.postgresql": Reach("value", "<=", 300),
    "country.postgresql_memory": Reach("value", "<=", 2_048),
    "country.postgresql_growth": Reach("ratio", "<=", 1.5),
    "inquiry.alone": Reach("value", "<=", 25),
    "inquiry.throughput": Reach("value", ">=", 150),
    "batch.answered": Reach("value", ">=", 1_000),
    "card.apdu": Reach("value", "<=", 1),
    "notices.fan_out": Reach("value", ">=", 2_000),
    "notices.inbox": Reach("value", "<=", 200),
    "notices.inbox_p99": Reach("value", "<=", 200),
    "portal.start": Reach("value", "<=", 200),
    "portal.records": Reach("value", "<=", 200),
    "portal.controls": Reach("value", "<=", 200),
    "portal.mandates": Reach("value", "<=", 200),
    "portal.look_up": Reach("value", "<=", 200),
    "portal.information": Reach("value", "<=", 200),
    "login.page": Reach("value", "<=", 500),
    "inquiry.p99": Reach("value", "<=", 300),
}
