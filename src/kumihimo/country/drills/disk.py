"""The drill of a full disk (容量不足訓練): one store after the other has no room left, and gets it back.

Every service has a small disk of its own. While one is full, whoever wants something written there is told so by one clear
problem within seconds, and the service goes on running; when there is room again the same work is done, what waited arrives by
itself, and no store holds half of anything.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Final

from kumihimo.country import topology
from kumihimo.country.desk import Desk
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.drills.small_disk import SmallDisk, small_disk
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.officer import Officer
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes, states
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import pids, running
from kumihimo.domain.kernel import FourItems, PartyId, Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.plumbing.wire.messages.oversight import Measure, Quota
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind

TELL_SECONDS: Final = 15.0  # a database waits ten for a lock
HEAL_SECONDS: Final = 60.0
_TRIES: Final = 400  # small writes fit into pages that are there already
_FULL: Final = "store.full"


@dataclass(frozen=True)
class Work:
    """Something that is written into the store of `party`."""

    party: PartyId
    do: Callable[[int], object]


def play(ground: Ground) -> Iterator[Shown]:
    """Fill and empty the disk of one service of every role, and of both operators."""
    with ground.founded() as country, ExitStack() as disks:
        works = _works(country)
        small = {work.party: disks.enter_context(small_disk(country.home(work.party))) for work in works}
        with running(country):
            issue_codes(country, ground.step)
            first_case.play(country)
            running_as = pids(country)
            for number, work in enumerate(works):
                ground.step("full disks", number, len(works))
                yield Shown(work.party, _full_and_empty(small[work.party], work))
            if pids(country) != running_as or len(states(country)) != len(running_as):
                raise Problem("drill.failed", "a service has ended", expected="all of them to go on running")
            until(lambda: all(one.ready for one in states(country)) or None, HEAL_SECONDS, "a ready country")
            works[1].do(-1)  # the address as it was
            case = first_case.play(country)
            yield Shown("afterwards", f"everything is ready; asked as {case.granted.transaction} and answered")
            size = until(lambda: _overseen(country), HEAL_SECONDS, "an oversight body that has every record")
            yield Shown("log", f"all {size} entries verified, every record handed over, no alarm")
        yield Shown("stores", f"{_whole(country)} stores whole, nothing half written")


def _full_and_empty(disk: SmallDisk, work: Work) -> str:
    disk.fill()
    try:
        refused, seconds, done = _until_refused(work)
    finally:
        disk.empty()
    if refused.code != _FULL:
        raise Problem("drill.failed", str(refused), where=work.party, expected=_FULL)
    if seconds > TELL_SECONDS:
        raise Problem("drill.failed", f"told after {seconds:.0f} s", where=work.party, expected=f"{TELL_SECONDS:.0f} s")
    until(lambda: _done(work, done), HEAL_SECONDS, f"{work.party} writing again")
    return f"full: {refused.title.lower()} ({refused.code}), told after {seconds:.1f} s; with room again: done"


def _until_refused(work: Work) -> tuple[Problem, float, int]:
    for number in range(_TRIES):
        started = time.monotonic()
        try:
            work.do(number)
        except Problem as problem:
            return problem, time.monotonic() - started, number
    raise Problem("drill.failed", f"{_TRIES} writes fitted on a full disk", where=work.party, expected=_FULL)


def _done(work: Work, number: int) -> bool | None:
    try:
        work.do(number)
    except Problem as problem:
        if problem.code == _FULL:
            return None  # a transaction of somebody else still holds what it could not write
        raise
    return True


def _works(country: Country) -> tuple[Work, ...]:
    """One piece of work for every kind of store; that of the registry, done with -1, puts everything right again."""
    desk, tax = Desk.of(country, "x-city"), Desk.of(country, "tax-office")
    person = hanako(country.founded).four_items
    number_of: dict[str, str] = {}  # asked once: later the ledger knows the person by other four items
    today = legal_day(SystemClock().now())

    def own() -> str:
        if not number_of:
            number_of["x-city"] = desk.find(person).addressee_number
        return number_of["x-city"]

    def corrected(number: int) -> object:
        items = person if number < 0 else _at(person, f"甲山マンション {100 + number}号")
        return desk.report(RegisterEventKind.CORRECTION, today, own(), items, "訂正")

    def asked(_number: int) -> object:
        return desk.inquire(
            staff=first_case.STAFF, case=first_case.CASE, addressee_number=own(), provider="y-city",
            affair=first_case.AFFAIR, items=("local-tax",), period=Period(),
        )  # fmt: skip

    def quota(number: int) -> object:
        limits = Quota(per_minute=50_000 + number, per_day=900_000)
        return Officer.of(country).order(Measure.QUOTA, "z-town", "訓練", limits)

    return (
        Work(topology.NUMBERING, lambda number: tax.corporate_number(f"訓練株式会社{number}", "甲県X市中央1-1")),
        Work(topology.REGISTRY, corrected),
        Work(topology.ledger_of("x-city"), corrected),
        Work(topology.PORTAL, lambda _number: desk.open_portal_account(own())),
        Work(topology.exchange_of("x-city"), asked),
        Work(topology.exchange_of("y-city"), asked),
        Work(topology.HUB_1, asked),
        Work(topology.HUB_2, asked),
        Work(topology.OVERSIGHT, quota),
    )


def _at(person: FourItems, building: str) -> FourItems:
    return replace(person, address=replace(person.address, building=building))


def _overseen(country: Country) -> int | None:
    """The size of the log once the oversight body has verified all of it. Raises Problem(drill.failed) on an alarm."""
    status, size = Officer.of(country).status(), verify_log(country).size
    if status["alarms"]:
        raise Problem("drill.failed", f"alarms {status['alarms_by_kind']}", expected="none: nobody did wrong")
    return size if status["verified_size"] == status["records"] == size else None


def _whole(country: Country) -> int:
    """How many stores there are, every one of them checked by SQLite itself. Raises Problem(drill.failed)."""
    stores = [country.home(service.party) / "store.db" for service in topology.services()]
    for store in stores:
        with closing(sqlite3.connect(store)) as connection:
            faults = [*connection.execute("PRAGMA integrity_check"), *connection.execute("PRAGMA foreign_key_check")]
        if faults != [("ok",)]:
            raise Problem("drill.failed", str(faults[:3]), where=str(store), expected="ok")
    return len(stores)


DRILL = Drill("disk", "Fill the disk of one service after the other, and empty it again.", play)
