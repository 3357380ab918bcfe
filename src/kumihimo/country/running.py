"""A country that runs (稼働): up with all processes, with link codes issued, and what its parts say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from kumihimo.country.desk import Desk, edge_of
from kumihimo.country.layout import RESIDENT, Country
from kumihimo.country.supervisor import deaths_of, pids
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.vitals import Readiness

Step = Callable[[str, int, int], None]
BASIS = "番号法第二十一条第二項"


def issue_codes(country: Country, step: Step) -> int:
    """Have every institution get link codes for the people who lack one; how many were asked for."""
    asked = 0
    holders = tuple(country.institutions())
    for number, institution in enumerate(holders):
        asked += Desk.of(country, institution).issue_missing_codes(BASIS).requested
        step("link codes", number + 1, len(holders))
    return asked


@dataclass(frozen=True)
class ServiceState:
    """One service as it is now; `pid` None while it is being started again.

    `memory` is its proportional share (PSS) in bytes, `faults` the checks that do not hold, `deaths` how often it has ended
    by itself since the country was started. `remarks` are what somebody should look at though the service can do its work.
    """

    party: PartyId
    pid: int | None
    url: str
    answers: bool
    memory: int
    faults: tuple[str, ...]
    deaths: int
    remarks: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it answers and every check of `/ready` holds."""
        return self.answers and not self.faults


def states(country: Country) -> list[ServiceState]:
    """The state of every service of a running country. Raises Problem(country.not_running)."""
    client = PeerClient(edge_of(country, RESIDENT), timeout=3.0)
    present, deaths = pids(country), Counter(death.party for death in deaths_of(country))
    found = []
    for party in (service.party for service in country.services()):
        pid = present.get(party)
        try:
            readiness = Readiness.model_validate_json(client.look(party, "/ready").content)
            says = [(one.holds, f"{one.name}: {one.says}") for one in readiness.checks if one.says is not None]
            answers, faults = True, tuple(text for holds, text in says if not holds)
            remarks = tuple(text for holds, text in says if holds)
        except (Problem, ValueError):
            answers, faults, remarks = False, (), ()
        memory, url = 0 if pid is None else _memory(pid), country.url(party) or ""
        found.append(ServiceState(party, pid, url, answers, memory, faults, deaths[party], remarks))
    client.close()
    return found


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except psutil.Error:
        return 0
