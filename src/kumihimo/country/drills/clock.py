"""The drill of a wrong clock (時計ずれ訓練): four minutes off is borne, six minutes off is told.

Operator 2 and a provider run with a clock that is wrong, ahead and behind. Messages are good for five minutes either way; who is
farther off cannot speak with anybody, is told so with the seconds, and can again once the clock is right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from kumihimo.country import topology
from kumihimo.country.desk import Desk
from kumihimo.country.drills.addresses import served, set_apart, take_over
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.officer import Officer
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period

BORNE, TOLD = 4 * 60.0, 6 * 60.0  # seconds
TELL_SECONDS: Final = 15.0
SETTLE_SECONDS: Final = 60.0
# party -> its program, an error of its clock that is borne, and one that is told
_PARTIES: Final = {
    topology.HUB_2: ("hub", BORNE, -TOLD),
    topology.exchange_of("y-city"): ("exchange", -BORNE, TOLD),
}


def play(ground: Ground) -> Iterator[Shown]:
    """Set the clock of operator 2 wrong, then that of a provider."""
    with ground.founded() as country, ExitStack() as started:
        ports = set_apart(country, *_PARTIES)
        started.enter_context(running(country))
        right = {party: started.enter_context(ExitStack()) for party in _PARTIES}
        for party, (role, _, _) in _PARTIES.items():
            take_over(country, party, "127.0.0.1", ports[party])
            right[party].enter_context(served(country, party, role))
        issue_codes(country, ground.step)
        number = Desk.of(country, "x-city").find(hanako(country.founded).four_items).addressee_number
        for party, (role, borne, told) in _PARTIES.items():
            right[party].close()
            with served(country, party, role, clock_off=borne):
                _answered(country, number)
            yield Shown(party, f"{borne:+.0f} s: answered")
            with served(country, party, role, clock_off=told):
                yield Shown(party, f"{told:+.0f} s: {_told(country, number, told)}")
            right[party].enter_context(served(country, party, role))
            _answered(country, number)
            yield Shown(party, "right again: answered")
        yield Shown("log", _in_order(country))


def _ask(country: Country, number: str) -> Outcome:
    desk = Desk.of(country, "x-city")
    try:
        return desk.inquire(
            staff=first_case.STAFF, case=first_case.CASE, addressee_number=number, provider="y-city",
            affair=first_case.AFFAIR, items=("local-tax",), period=Period(),
        ).outcome  # fmt: skip
    finally:
        desk.client.close()


def _answered(country: Country, number: str) -> None:
    outcome = _ask(country, number)
    if outcome is not Outcome.PROVIDED:
        raise Problem("drill.failed", f"{outcome}", expected="provided")


def _told(country: Country, number: str, off: float) -> str:
    started = time.monotonic()
    try:
        outcome = _ask(country, number)
    except Problem as problem:
        seconds = time.monotonic() - started
        if problem.code != "message.stale" or "clock" not in (problem.advice or "") or seconds > TELL_SECONDS:
            raise Problem(
                "drill.failed", f"{problem} after {seconds:.0f} s", expected="message.stale at once"
            ) from None
        return f"{problem.title.lower()}: {problem.detail} ({problem.code})"
    raise Problem("drill.failed", f"{outcome} with a clock {off:+.0f} s off", expected="message.stale")


def _in_order(country: Country) -> str:
    """However wrong the clocks were, the log only grew, and nobody is accused of anything."""

    def overseen() -> int | None:
        status, size = Officer.of(country).status(), verify_log(country).size
        if status["alarms"]:
            raise Problem(
                "drill.failed", f"alarms {status['alarms_by_kind']}", expected="none: a wrong clock is no wrong"
            )
        return size if status["verified_size"] == status["records"] == size else None

    return f"{until(overseen, SETTLE_SECONDS, 'a verified log')} entries verified, no alarm"


DRILL = Drill("clock", "Set the clocks of operator 2 and of a provider wrong.", play)
