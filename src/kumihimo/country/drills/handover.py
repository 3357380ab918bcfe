"""The drill of restarts (無停止再起動訓練): every service is started again under load, and nobody notices.

Caseworkers who give up at the first problem ask without a pause, and passers-by ask every service in turn for something
small; not one request may fail.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Final

from kumihimo.country import topology
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import edge_of
from kumihimo.country.drills.agreement import disagreements
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.drills.load import load
from kumihimo.country.drills.settled import settle
from kumihimo.country.layout import RESIDENT, Country
from kumihimo.country.running import issue_codes
from kumihimo.country.supervisor import Restarted, attended, deaths_of, restart
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.inquiry import Outcome

_CALLERS: Final = 4


class PasserBy(threading.Thread):
    """Asks every service in turn, on connections that stay open, whether it is there."""

    def __init__(self, country: Country, stopping: threading.Event) -> None:
        super().__init__(name="passer-by")
        self._client = PeerClient(edge_of(country, RESIDENT))
        self._stopping = stopping
        self.asked = 0
        self.failed: list[str] = []

    def run(self) -> None:
        while not self._stopping.is_set():
            for service in topology.services():
                self.asked += 1
                try:
                    self._client.get(service.party, "/health")
                except Problem as problem:
                    self.failed.append(f"{service.party} at {self.asked}: {problem.code}, {problem.detail}")
        self._client.close()


def play(ground: Ground) -> Iterator[Shown]:
    """Start every service again, one after the other, under load."""
    done: dict[Role, list[float]] = defaultdict(list)
    services = topology.services()

    def told(restarted: Restarted) -> None:
        done[topology.service(restarted.party).role].append(restarted.seconds)
        ground.step("restarts", sum(map(len, done.values())), len(services))

    with ground.founded() as country, attended(_proving(country)):
        issue_codes(country, ground.step)
        stopping = threading.Event()
        passer_by = PasserBy(country, stopping)
        with load(country, ground.seed, patient=0, impatient=_CALLERS) as asked:
            passer_by.start()
            try:
                restart(country, [service.party for service in services], told)
            finally:
                stopping.set()
                passer_by.join()
        settle(country)
        faults = disagreements(country, asked.asked)
        died = [str(death) for death in deaths_of(country)]
    for role, seconds in done.items():
        yield Shown(role.value, f"{len(seconds)} restarted, ready again after {median(seconds):.2f} s (median)")
    failed = [f"{one.transaction}: {one.ended}" for one in asked.asked if one.ended]
    yield Shown("passers-by", f"{passer_by.asked} asked every service in turn, {len(passer_by.failed)} failed")
    provided, refused = asked.outcomes(Outcome.PROVIDED), asked.outcomes(Outcome.REFUSED)
    yield Shown(
        "inquiries",
        f"{len(asked.asked)} asked meanwhile, {len(failed)} failed ({provided} provided, {refused} refused)",
    )
    if asked.answered:
        slowest = max(one.seconds for one in asked.answered)
        yield Shown("slowest", f"{slowest:.1f} s, median {median(one.seconds for one in asked.answered):.2f} s")
    failed += passer_by.failed
    if failed or faults or died:
        raise Problem(
            "drill.failed", "; ".join([*failed, *faults, *died][:10]),
            expected="no question that fails, stores that agree, nobody who dies",
        )  # fmt: skip
    yield Shown("stores", "desks, log, requesters, providers, portal and oversight body agree about every inquiry")


def _proving(country: Country) -> Country:
    """The operators demand a proof of every translation: in the middle of an inquiry one needs the other that asked it."""
    for operator in (topology.HUB_1, topology.HUB_2):
        with country.settings(operator).open("a") as file:
            file.write("proof_share = 1.0\n")
    return country


DRILL: Final = Drill("restart", "Restart every service under load; not one question fails.", play)
