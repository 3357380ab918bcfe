"""Sizes (規模の実測): how much memory and disk the services of a running country take, by role."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import psutil

from kumihimo.country.boundaries import Role
from kumihimo.country.layout import Country
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.storage import bytes_used, open_engine


@dataclass(frozen=True)
class RoleSize:
    """All services of one role, in bytes: the largest resident set (RSS, with shared pages), the sum of the proportional
    shares (PSS), and the stores with what is not yet in them (-wal)."""

    role: Role
    services: int
    rss: int
    pss: int
    disk: int

    def disk_per_thousand(self, residents: int) -> float:
        """Bytes of disk for 1,000 residents of the country."""
        return self.disk * 1_000 / max(residents, 1)


def sizes(country: Country) -> list[RoleSize]:
    """The sizes by role, as they are now. Raises Problem(country.not_running)."""
    by_role: dict[Role, list[tuple[int, int, int]]] = defaultdict(list)
    for party, pid in pids(country).items():
        memory = psutil.Process(pid).memory_full_info()
        disk = _disk(country, party)
        by_role[country.service(party).role].append((memory.rss, memory.pss, disk))
    return [
        RoleSize(
            role, len(found), max(one[0] for one in found), sum(one[1] for one in found), sum(one[2] for one in found)
        )
        for role, found in by_role.items()
    ]


def _disk(country: Country, party: PartyId) -> int:
    """Bytes of a party's store: its files, or its database on a server."""
    engine = open_engine(store_url(country, party))
    try:
        if engine.dialect.name == "postgresql":
            return bytes_used(engine)
        return sum(file.stat().st_size for file in country.home(party).glob("store.db*"))
    finally:
        engine.dispose()
