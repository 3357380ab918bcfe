"""What an inquiry costs (情報照会の八段階), from the question to the opened answer, on a running country.

Every inquiry is the lawful one of the first case, asked by X市's desk of its own exchange, and must be provided. First one
caller alone, by turns with a bare round trip to that exchange over the same kind of connection; then 16 callers at
once, each with connections of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from statistics import median, quantiles
from time import perf_counter
from typing import Final

from kumihimo.country import topology
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import paired, seconds_of
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import Problem, fiscal_year
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period

_CALLERS: Final = 16
_MILLI: Final = 1e3
_REQUESTER: Final = "x-city"


def measure(country: Country, effort: Effort) -> Iterator[Measured]:
    """Median ms alone; then inquiries a second, and p50 and p99 ms, of 16 callers at once.

    Raises Problem(country.not_running, internal), and what an inquiry raises.
    """
    pids(country)  # refuses a country that is down, before anything is asked of it
    desk = Desk.of(country, _REQUESTER)
    exchange = topology.exchange_of(_REQUESTER)
    inquire = lawful(country, desk)
    found = paired(inquire, lambda: desk.client.get(exchange, "/health"), effort.pick(quick=10, full=300))
    trip = Reference("a bare round trip", found.reference_seconds * _MILLI)
    yield Measured("inquiry", "alone", found.seconds * _MILLI, "ms", trip, found.time_ratio)

    each = effort.pick(quick=3, full=100)
    callers = [lawful(country, Desk.of(country, _REQUESTER)) for _ in range(_CALLERS)]
    with ThreadPoolExecutor(_CALLERS) as pool:
        list(pool.map(seconds_of, callers))  # the first of each caller makes its connection
        begun = perf_counter()
        latencies = [
            one for mine in pool.map(lambda ask: [seconds_of(ask) for _ in range(each)], callers) for one in mine
        ]
        elapsed = perf_counter() - begun
    rate, alone = len(latencies) / elapsed, 1 / found.seconds
    yield Measured("inquiry", "throughput", rate, "inquiries/s", Reference("one caller alone", alone), rate / alone)
    for figure, latency in (("p50", median(latencies)), ("p99", quantiles(latencies, n=100)[98])):
        reference = Reference("alone", found.seconds * _MILLI)
        yield Measured("inquiry", figure, latency * _MILLI, "ms", reference, latency / found.seconds)


def lawful(country: Country, desk: Desk) -> Callable[[], None]:
    """The lawful inquiry of the first case, to be asked again and again."""
    addressee = desk.find(hanako(country.founded).four_items)
    year = fiscal_year(date(country.founded.year, 4, 1))

    def inquire() -> None:
        answer = desk.inquire(
            staff=STAFF,
            case=CASE,
            addressee_number=addressee.addressee_number,
            provider="y-city",
            affair=AFFAIR,
            items=("local-tax",),
            period=Period(since=year.start, until=year.start),
        )
        if answer.outcome is not Outcome.PROVIDED:
            raise Problem("internal", f"Y市 answered {answer.outcome}", expected="provided")

    return inquire
