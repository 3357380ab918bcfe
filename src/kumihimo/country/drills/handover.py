"""The drill of restarts (無停止再起動訓練): every service is started again under load, and nobody notices.

Caseworkers who give up at the first problem ask without a pause; not one question may fail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Final

from kumihimo.country import topology
from kumihimo.country.boundaries import Role
from kumihimo.country.drills.agreement import disagreements
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.drills.load import load
from kumihimo.country.drills.settled import settle
from kumihimo.country.running import issue_codes
from kumihimo.country.supervisor import Restarted, attended, deaths_of, restart
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.inquiry import Outcome

_CALLERS: Final = 4


def play(ground: Ground) -> Iterator[Shown]:
    """Start every service again, one after the other, under load."""
    done: dict[Role, list[float]] = defaultdict(list)
    services = topology.services()

    def told(restarted: Restarted) -> None:
        done[topology.service(restarted.party).role].append(restarted.seconds)
        ground.step("restarts", sum(map(len, done.values())), len(services))

    with ground.founded() as country, attended(country):
        issue_codes(country, ground.step)
        with load(country, ground.seed, patient=0, impatient=_CALLERS) as asked:
            restart(country, [service.party for service in services], told)
        settle(country)
        faults = disagreements(country, asked.asked)
        died = [str(death) for death in deaths_of(country)]
    for role, seconds in done.items():
        yield Shown(role.value, f"{len(seconds)} restarted, ready again after {median(seconds):.2f} s (median)")
    failed = [f"{one.transaction}: {one.ended}" for one in asked.asked if one.ended]
    provided, refused = asked.outcomes(Outcome.PROVIDED), asked.outcomes(Outcome.REFUSED)
    yield Shown(
        "inquiries",
        f"{len(asked.asked)} asked meanwhile, {len(failed)} failed ({provided} provided, {refused} refused)",
    )
    if asked.answered:
        slowest = max(one.seconds for one in asked.answered)
        yield Shown("slowest", f"{slowest:.1f} s, median {median(one.seconds for one in asked.answered):.2f} s")
    if failed or faults or died:
        raise Problem(
            "drill.failed", "; ".join([*failed, *faults, *died][:10]),
            expected="no question that fails, stores that agree, nobody who dies",
        )  # fmt: skip
    yield Shown("stores", "desks, log, requesters, providers, portal and oversight body agree about every inquiry")


DRILL: Final = Drill("restart", "Restart every service under load; not one question fails.", play)
