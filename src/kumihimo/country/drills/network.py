"""The drill of a bad network (回線障害訓練): operator 2 and a provider behind lines that fail, one after the other.

Both run in network namespaces of their own. While their lines are cut, slow or lossy, whoever asks is told by one clear problem
within a bound and nobody learns what they may not; the same inquiry goes on under its transaction number when the line is back;
and what waited for the line (refusals, outcomes, the portal's copies) arrives by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from kumihimo.country import topology
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.drills.addresses import listen_at, served, sign_addresses, take_over
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.drills.lines import Lines, bad_lines
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.officer import Officer
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquired

BOUND_SECONDS: Final = 25.0  # two parties wait ten seconds each for the next one, and three for a connection
HEAL_SECONDS: Final = 90.0
HUB, PROVIDER = topology.HUB_2, topology.exchange_of("y-city")
_ROLES: Final = {HUB: "hub", PROVIDER: "exchange"}
_CLEAR: Final = {HUB: ("operator.unreachable",), PROVIDER: ("provider.unreachable",)}


@dataclass(frozen=True)
class Asked:
    """One inquiry of the drill: its transaction number, what came of it, and how long that took."""

    transaction: str
    problem: Problem | None
    seconds: float


@dataclass(frozen=True)
class Counter:
    """A desk of X市 that asks Y市 about one person who has a portal account."""

    country: Country
    desk: Desk
    number: str
    account: str

    def ask(self) -> Asked:
        """Ask once; the transaction number is read from the own records."""
        started = time.monotonic()
        problem = None
        try:
            self.desk.inquire(
                staff=first_case.STAFF, case=first_case.CASE, addressee_number=self.number, provider="y-city",
                affair=first_case.AFFAIR, items=("local-tax",), period=Period(),
            )  # fmt: skip
        except Problem as told:
            problem = told
        return Asked(self.newest(), problem, time.monotonic() - started)

    def newest(self) -> str:
        """The transaction number of the newest own record."""
        return max(self.desk.records(self.number, None), key=lambda one: one.recorded_at).transaction

    def fetch(self, transaction: str) -> Inquired:
        """Go on with an inquiry that was cut off."""
        return OfficersDesk(self.country, self.desk.party).fetch(first_case.STAFF, transaction)

    def shown(self) -> dict[str, bool]:
        """Transaction → whether its outcome is known, as the person sees it in the portal."""
        seen = ResidentsBrowser.of(self.country).accesses(self.account)
        return {one.transaction: one.outcome is not None or one.record.granted is False for one in seen}

    def requests(self, transaction: str) -> int:
        """How many requests the log has under a transaction number, those that say they were refused left out."""
        return int(read_cell(self.country, topology.HUB_1, _REQUESTS, transaction))


_REQUESTS: Final = (
    "SELECT count(*) FROM entry WHERE json_extract(record, '$.transaction') = ?"
    " AND json_extract(record, '$.entry') = 'request' AND json_extract(record, '$.granted') = 1"
)
_OUTBOX: Final = "SELECT count(*) FROM outbox WHERE 1 = ?"
_UNRELAYED: Final = "SELECT count(*) FROM unrelayed_refusal WHERE 1 = ?"


def _spread_out(country: Country, lines: Lines) -> None:
    """Addresses of the drill's network for everybody, in the directory and where they listen."""
    parties = [service.party for service in country.services()]
    at = {party: lines.by_party[party].address if party in lines.by_party else lines.address for party in parties}
    sign_addresses(country, {party: f"https://{at[party]}:{country.ports[party]}" for party in parties})
    for party in parties:
        listen_at(country, party, lines.address)


@contextmanager
def far_away(country: Country, lines: Lines) -> Iterator[None]:
    """The parties with lines, each in its namespace, started there as a service manager would."""
    with ExitStack() as started:
        for party, line in lines.by_party.items():
            take_over(country, party, line.address, country.ports[party])
            started.enter_context(served(country, party, _ROLES[party], line.namespace))
        yield


def play(ground: Ground) -> Iterator[Shown]:
    """Cut, slow down and heal the lines of operator 2 and of a provider."""
    with bad_lines((HUB, PROVIDER), ground.seed) as lines, ground.founded() as country:
        _spread_out(country, lines)
        with running(country), far_away(country, lines):
            issue_codes(country, ground.step)
            yield from _drill(country, lines)


def _drill(country: Country, lines: Lines) -> Iterator[Shown]:
    desk = Desk.of(country, "x-city")
    number = desk.find(hanako(country.founded).four_items).addressee_number
    counter = Counter(country, desk, number, desk.open_portal_account(number))
    asked = [_well(counter)]
    for party, line in lines.by_party.items():
        line.cut = True
        failed = counter.ask()
        asked.append(failed)
        yield Shown(f"{party} cut", _clear(failed, party))
        line.heal()
        asked.append(_well(counter))
        yield Shown("", _goes_on(counter, failed))
    line = lines.by_party[PROVIDER]
    line.delay = 6.0
    late = counter.ask()
    asked.append(late)
    yield Shown("answer too late", _clear(late, PROVIDER))
    line.heal()
    yield Shown("", _goes_on(counter, late))
    for one in lines.by_party.values():
        one.delay, one.loss = 0.1, 0.15
    several = [counter.ask() for _ in range(5)]
    asked += several
    yield Shown("slow and lossy", _bounded(several))
    lines.heal()
    yield Shown("afterwards", _drained(counter, asked))
    yield Shown("leaked", _nothing_leaked(country))


def _well(counter: Counter) -> Asked:
    """An inquiry that is answered, once the lines are good."""

    def answered() -> Asked | None:
        one = counter.ask()
        return one if one.problem is None else None

    return until(answered, HEAL_SECONDS, "an answer over good lines")


def _clear(asked: Asked, party: PartyId) -> str:
    problem = asked.problem
    if problem is None or problem.code not in _CLEAR[party]:
        raise Problem("drill.failed", str(problem), where=party, expected=" or ".join(_CLEAR[party]))
    if asked.seconds > BOUND_SECONDS:
        raise Problem("drill.failed", f"told after {asked.seconds:.1f} s", expected=f"{BOUND_SECONDS:.0f} s at most")
    return f"{problem.title.lower()} ({problem.code}), told after {asked.seconds:.1f} s"


def _goes_on(counter: Counter, failed: Asked) -> str:
    """The same inquiry again: one answer, one request in the log. A second time there is nothing left to fetch."""
    answer = until(lambda: _fetched(counter, failed.transaction), HEAL_SECONDS, "the answer under the same number")
    requests = counter.requests(failed.transaction)
    if answer.outcome is not Outcome.PROVIDED or not answer.items or requests != 1:
        found = f"{answer.outcome}, {len(answer.items)} items, {requests} requests logged"
        raise Problem("drill.failed", found, where=failed.transaction, expected="provided, of one request")
    _must_refuse(lambda: counter.fetch(failed.transaction), "permit.used")
    return "line back: the same inquiry went on under its number and was answered; the log has one request"


def _fetched(counter: Counter, transaction: str) -> Inquired | None:
    try:
        return counter.fetch(transaction)
    except Problem as problem:
        if problem.code in ("operator.unreachable", "provider.unreachable", "peer.unreachable"):
            return None
        raise


def _must_refuse(do: Callable[[], object], code: str) -> None:
    try:
        do()
    except Problem as problem:
        if problem.code == code:
            return
        raise
    raise Problem("drill.failed", "done twice", expected=code)


def _bounded(asked: list[Asked]) -> str:
    clear = {None, *_CLEAR[HUB], *_CLEAR[PROVIDER]}
    for one in asked:
        if (one.problem and one.problem.code) not in clear or one.seconds > BOUND_SECONDS:
            raise Problem(
                "drill.failed", f"{one.problem} after {one.seconds:.1f} s", expected="an answer or a clear problem"
            )
    answered = sum(one.problem is None for one in asked)
    longest = max(one.seconds for one in asked)
    return f"{answered} of {len(asked)} answered, the others told clearly; none took longer than {longest:.1f} s"


def _drained(counter: Counter, asked: list[Asked]) -> str:
    """Everything that waited for a line has arrived: the person sees every inquiry, the outboxes are empty, no alarm."""
    wanted = {one.transaction for one in asked}
    until(lambda: _settled(counter.shown(), wanted), HEAL_SECONDS, "every inquiry in the portal, with its outcome")
    for party in (topology.exchange_of("x-city"), PROVIDER):
        until(partial(_none, counter.country, party, _OUTBOX), HEAL_SECONDS, f"an empty outbox at {party}")
    until(partial(_none, counter.country, topology.HUB_1, _UNRELAYED), HEAL_SECONDS, "refusals told to operator 2")
    size = until(lambda: _overseen(counter.country), HEAL_SECONDS, "an oversight body that has every record")
    return f"the resident sees all {len(wanted)} inquiries; outboxes empty; {size} entries verified, no alarm"


def _nothing_leaked(country: Country) -> str:
    """Numbers and link codes stand where they stood before, and nowhere else: looked for byte by byte."""
    found = first_case.matrix(country, first_case.play(country))
    ledgers = {topology.ledger_of(one) for one in topology.institutions()}
    may = {
        "number": ledgers | {topology.REGISTRY, topology.NUMBERING},
        "code_x": {topology.exchange_of("x-city")},
        "code_y": {topology.exchange_of("y-city")},
        "code_portal": {topology.PORTAL},
    }
    for needle, allowed in may.items():
        astray = found[needle] - allowed
        if astray or not found[needle]:
            raise Problem("drill.failed", f"{needle} is held by {', '.join(sorted(astray)) or 'nobody'}")
    return "the number and the three link codes stand in no store or log but those of who must have them"


def _settled(shown: dict[str, bool], wanted: set[str]) -> bool | None:
    return True if wanted <= {transaction for transaction, known in shown.items() if known} else None


def _none(country: Country, party: str, query: str) -> bool | None:
    return True if int(read_cell(country, PartyId(party), query, "1")) == 0 else None


def _overseen(country: Country) -> int | None:
    status, size = Officer.of(country).status(), verify_log(country).size
    if status["alarms"]:
        raise Problem("drill.failed", f"alarms {status['alarms_by_kind']}", expected="none: a bad line is no wrong")
    return size if status["verified_size"] == status["records"] == size else None


DRILL = Drill("network", "Cut, delay and lose what operator 2 and a provider send and get.", play)
