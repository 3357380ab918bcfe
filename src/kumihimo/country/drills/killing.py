"""The drill of sudden deaths (突然死訓練): processes are killed at random moments while everybody goes on asking.

A country of its own is put under load, and SIGKILL ends a service drawn at random, again and again, the next without waiting
for the last. Everything starts again by itself. Afterwards every store must agree with every other about every inquiry.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from kumihimo.country import topology
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import Desk, edge_of
from kumihimo.country.drills.agreement import disagreements, inconsistent
from kumihimo.country.drills.drilling import RESIDENTS, Drill, Ground, Shown
from kumihimo.country.drills.load import UNREACHED, Load, load
from kumihimo.country.drills.settled import settle
from kumihimo.country.inspection import read_rows
from kumihimo.country.layout import RESIDENT, Country
from kumihimo.country.running import BASIS
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import Death, Patience, attended, pids
from kumihimo.domain.kernel import PartyId, Problem, SeededRandomness
from kumihimo.domain.transparency.checkpoint import Checkpoint, open_checkpoint
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.client import PeerClient

TIMES: Final = 50
_MOST_PAUSE_MS: Final = 900  # between two kills
_PATIENT, _IMPATIENT = 5, 2
_EARLY: Final = ("x-city", "y-city", "z-town", "health-insurer")  # those who take part in the load
_CODES_SECONDS: Final = 90.0
_LIVING: Final = "SELECT addressee_number FROM addressee WHERE alive AND standing = 'active'"
_MEANT: Final = Patience(deaths=10**9)
_IDLE: Final = frozenset(topology.exchange_of(one) for one in topology.institutions() if one not in _EARLY)
_IN_DANGER: Final = tuple(service.party for service in topology.services() if service.party not in _IDLE)
ROLES: Final = tuple(dict.fromkeys(service.role for service in topology.services()))  # that the country itself runs


@dataclass
class Deaths:
    """What the supervisor told: when somebody was killed here, when a service died, when it was ready again."""

    killed: list[tuple[PartyId, float]] = field(default_factory=list)
    died: Counter[str] = field(default_factory=Counter)
    ready: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def back(self, party: PartyId) -> None:
        """A service is ready."""
        self.ready[party].append(time.monotonic())

    def heard(self, death: Death) -> None:
        """A service died."""
        self.died[death.party] += 1

    def seconds_until_ready(self, role: Role) -> list[float]:
        """For every kill in a role, how long until that service was ready again."""
        return [
            min(at for at in self.ready[party] if at > since) - since
            for party, since in self.killed
            if topology.service(party).role is role
        ]


class Onlooker(threading.Thread):
    """Keeps every checkpoint that the log shows meanwhile, as anybody may."""

    def __init__(self, country: Country, stopping: threading.Event) -> None:
        super().__init__(name="onlooker")
        self._client = PeerClient(edge_of(country, RESIDENT), timeout=5.0)
        self._key = VerifierKey.parse((country.folder / "log.vkey").read_text().strip())
        self._stopping = stopping
        self.seen: dict[int, Checkpoint] = {}
        self.contradicted: list[str] = []

    def run(self) -> None:
        while not self._stopping.wait(0.3):
            try:
                note = self._client.get(topology.HUB_1, "/log/checkpoint").decode()
            except Problem:
                continue
            shown = open_checkpoint(note, self._key).checkpoint
            before = self.seen.setdefault(shown.size, shown)
            if before.root != shown.root:
                self.contradicted.append(f"two roots were shown for {shown.size} entries")
        self._client.close()


class CodeSeeker(threading.Thread):
    """Has link codes issued for the institutions that have none, through everything that dies."""

    def __init__(self, country: Country, stopping: threading.Event) -> None:
        super().__init__(name="codes")
        self._country = country
        self._stopping = stopping
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopping.wait(1.0):
                _all_coded(self._country)
        except BaseException as error:
            self.fault = error


def _all_coded(country: Country) -> bool:
    """Whether everybody alive has a link code at every institution that knows them; those who lack one are asked for."""
    lacking = [institution for institution in topology.institutions() if not _coded(country, institution)]
    for institution in lacking:
        _seek(country, institution)
    return not lacking


def _coded(country: Country, institution: str) -> bool:
    living = read_rows(country, topology.ledger_of(institution), _LIVING)
    codes = read_rows(country, topology.exchange_of(institution), "SELECT addressee_number FROM link_code")
    return set(living) <= set(codes)


def _seek(country: Country, institution: str) -> None:
    desk = Desk.of(country, institution)
    try:
        desk.issue_missing_codes(BASIS)
    except Problem as problem:
        if problem.code not in UNREACHED:
            raise
    finally:
        desk.client.close()


def play(ground: Ground) -> Iterator[Shown]:
    """Kill `ground.times` times, wait until everything is done, and lay all stores side by side."""
    times, deaths = ground.times or TIMES, Deaths()
    with ground.founded(RESIDENTS) as country:
        _impatient_exchanges(country)
        with attended(country, deaths.back, deaths.heard, _MEANT):
            for institution in _EARLY:
                _seek(country, institution)
            begun = time.monotonic()
            asked, onlooker = _under_fire(ground, country, times, deaths)
            fired = time.monotonic() - begun
            until(lambda: _all_coded(country) or None, _CODES_SECONDS, "a link code for everybody")
            settle(country)
            found = disagreements(country, asked.asked)
            faults = [one for one in found if not _unproven(one)] + onlooker.contradicted
            faults += inconsistent(country, onlooker.seen.values())
        yield from _shown(times, deaths, asked, fired, time.monotonic() - begun - fired)
        if faults:
            raise Problem(
                "drill.failed", f"{len(faults)} disagreements: {'; '.join(faults[:10])}",
                expected="stores that agree about every inquiry",
            )  # fmt: skip
        yield Shown("alarms", f"{len(found)} because an operator died while it was to prove a translation; no other")
        entries, checkpoints = max(onlooker.seen), len(onlooker.seen)
        yield Shown("log", f"{entries} entries; {checkpoints} checkpoints seen on the way, consistent with all of them")
        yield Shown("stores", "desks, log, requesters, providers, portal and oversight body agree about every inquiry")


def _under_fire(ground: Ground, country: Country, times: int, deaths: Deaths) -> tuple[Load, Onlooker]:
    stopping = threading.Event()
    onlooker, codes = Onlooker(country, stopping), CodeSeeker(country, stopping)
    chance = SeededRandomness(f"{ground.seed}/kills")
    with load(country, ground.seed, _PATIENT, _IMPATIENT) as asked:
        onlooker.start()
        codes.start()
        try:
            while len(deaths.killed) < times:
                time.sleep(chance.randbelow(_MOST_PAUSE_MS) / 1000)
                role = ROLES[chance.randbelow(len(ROLES))]
                parties = [party for party in _IN_DANGER if topology.service(party).role is role]
                _kill(country, parties[chance.randbelow(len(parties))], deaths)
                ground.step("kills", len(deaths.killed), times)
        finally:
            stopping.set()
            codes.join()
    onlooker.join()
    if codes.fault is not None:
        raise codes.fault
    return asked, onlooker


def _kill(country: Country, party: PartyId, deaths: Deaths) -> None:
    """End a service as a power cut would, whatever it is doing, starting included; nothing where it is dead already."""
    pid = pids(country).get(party)
    if pid is not None:
        since = time.monotonic()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        deaths.killed.append((party, since))


def _unproven(disagreement: str) -> bool:
    """Whether it is the alarm of an operator that could not prove a translation because it was dead: that one is right."""
    return "raised translation_unproven" in disagreement and disagreement.endswith("(operator.unreachable)")


def _impatient_exchanges(country: Country) -> None:
    """Codes that were lost on the way are asked for again after seconds, not minutes."""
    for institution in topology.institutions():
        with country.settings(topology.exchange_of(institution)).open("a") as file:
            file.write('ticket_patience = "PT3S"\n')


def _shown(times: int, deaths: Deaths, asked: Load, fired: float, settled: float) -> Iterator[Shown]:
    yield Shown("role", f"{'kills':>6}{'restarts':>10}{'median s until ready':>22}")
    for role in ROLES:
        seconds = deaths.seconds_until_ready(role)
        restarts = sum(count for party, count in deaths.died.items() if topology.service(party).role is role)
        yield Shown(role.value, f"{len(seconds):6}{restarts:10}{median(seconds) if seconds else 0:22.2f}")
    yield Shown(
        "together", f"{times:6}{sum(deaths.died.values()):10}{fired:9.0f} s under fire, settled {settled:.0f} s later"
    )
    met = Counter(code for one in asked.asked for code in one.met)
    again = sum(1 for one in asked.answered if one.met)
    ended = Counter(one.ended for one in asked.asked if one.ended)
    yield Shown(
        "inquiries", f"{len(asked.asked)} asked, {len(asked.answered)} answered, {again} of them when asked again"
    )
    yield Shown("problems met", ", ".join(f"{code} {count}" for code, count in met.most_common()) or "none")
    yield Shown("given up", ", ".join(f"{code} {count}" for code, count in ended.most_common()) or "none")


DRILL: Final = Drill("kill", "Kill services at random under load; everything goes on and agrees.", play, TIMES)
