"""What the oversight body watches about itself (第三者機関の稼働状態): how far it has verified the log, and its alarms."""

from __future__ import annotations

from collections.abc import Iterable

from kumihimo.plumbing.wire.meters import Reading
from kumihimo.roles.oversight.service.alarms import AlarmKind
from kumihimo.roles.oversight.store import ConditionStore, Findings


class ConditionsVital:
    """What institutions say is wrong with their copies: their trouble, shown here as a gauge."""

    name = "conditions"

    def __init__(self, conditions: ConditionStore) -> None:
        self._conditions = conditions

    def fault(self) -> str | None:
        return None

    def readings(self) -> Iterable[Reading]:
        found = self._conditions.by_kind()
        for (kind, institution), count in found.items():
            yield Reading("conditions", float(count), (kind, institution))
        if not found:
            yield Reading("conditions", 0.0, ("", ""))


class LogVital:
    """An alarm is a fault of others: the body that found it is ready all the same, and shows it as a gauge."""

    name = "verified log"

    def __init__(self, findings: Findings, origin: str) -> None:
        self._findings = findings
        self._origin = origin

    def fault(self) -> str | None:
        return None

    def readings(self) -> Iterable[Reading]:
        counts = self._findings.counts(self._origin)
        yield Reading("verified_entries", float(counts.verified_size))
        for kind in AlarmKind:
            yield Reading("alarms", float(counts.alarms.get(kind.value, 0)), (kind.value,))
