"""What a batch inquiry costs (一括照会), from the entered list to the last answer at the requester, on a running country.

X市 asks the pension service about everybody of its ledger, as for child allowance, again and again until 10,000 persons were
asked about: nobody may be twice in one batch, so that a smaller country asks several batches, all entered before the clock
is looked at. Every person has a log entry, a portal copy and two records when the clock stops; what follows by itself (outcomes
at the log, the portal's and the oversight body's books) is measured as `settled`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from sqlalchemy import Engine, func, select

from kumihimo.country import topology
from kumihimo.country.batches import BatchDesk
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import Problem, fiscal_year
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.messages.batch_desk import BatchShown
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.store.exchange import chunk_report, link_code
from kumihimo.roles.portal.store import outcome as portal_outcome

_REQUESTER: Final = "x-city"
_PROVIDER: Final = "pension-service"
_ITEM: Final = "pension"
_PATIENCE_SECONDS: Final = 600.0


@dataclass(frozen=True)
class _Stores:
    requester: Engine
    provider: Engine
    portal: Engine

    def outcomes_shown(self) -> int:
        """How many outcomes the portal has."""
        with self.portal.connect() as conn:
            return int(conn.execute(select(func.count()).select_from(portal_outcome)).scalar_one())

    def unreported(self) -> int:
        """How many chunks the provider has not reported."""
        with self.provider.connect() as conn:
            return int(conn.execute(select(func.count()).select_from(chunk_report)).scalar_one())


def measure(country: Country, effort: Effort) -> Iterator[Measured]:
    """Persons a second until everybody is answered, and until the portal shows every outcome.

    Raises Problem(country.not_running, internal), and what a batch raises.
    """
    pids(country)  # refuses a country that is down, before anything is asked of it
    desk = BatchDesk.of(country, _REQUESTER)
    open_store = {
        party: open_engine(store_url(country, party))
        for party in (topology.exchange_of(_REQUESTER), topology.exchange_of(_PROVIDER), topology.PORTAL)
    }
    stores = _Stores(*open_store.values())
    try:
        people = _known(stores.requester)
        wanted = effort.pick(quick=min(len(people), 1_000), full=10_000)
        _ask(desk, country, people[: min(200, len(people))])  # connections, keys and points are fetched once
        single = _single_rate(country, effort.pick(quick=5, full=50))
        before = stores.outcomes_shown()
        begun = perf_counter()
        count, batches = 0, []
        while count < wanted:
            some = people[: wanted - count][:10_000]
            batches.append(_entered(desk, country, some))
            count += len(some)
        for batch in batches:
            _check(desk.finished(batch, lambda _shown: None, _PATIENCE_SECONDS))
        answered = perf_counter() - begun

        def told() -> int | None:
            shown = stores.outcomes_shown() - before
            return shown if shown >= count and not stores.unreported() else None

        until(told, _PATIENCE_SECONDS, "the portal showing every outcome", pause=0.2)
        settled = perf_counter() - begun
    finally:
        for engine in open_store.values():
            engine.dispose()
    reference = Reference("single inquiries, one after the other", single)
    for figure, seconds in (("answered", answered), ("settled", settled)):
        rate = count / seconds
        yield Measured("batch", figure, rate, "persons/s", reference, rate / single)


def asked(country: Country, persons: int) -> int:
    """Ask about so many persons, nobody twice in one batch, and wait until everybody is answered: how many they were.

    Raises Problem(internal), and what a batch raises.
    """
    desk = BatchDesk.of(country, _REQUESTER)
    engine = open_engine(store_url(country, topology.exchange_of(_REQUESTER)))
    people = _known(engine)[:10_000]
    engine.dispose()
    for start in range(0, persons, len(people)):
        _ask(desk, country, people[: persons - start])
    return persons


def _known(requester: Engine) -> tuple[str, ...]:
    """Everybody whom the requester can ask about."""
    query = select(link_code.c.addressee_number).where(link_code.c.institution == _REQUESTER)
    with requester.connect() as conn:
        return tuple(conn.execute(query.order_by(link_code.c.addressee_number)).scalars())


def _entered(desk: BatchDesk, country: Country, people: tuple[str, ...]) -> str:
    year = fiscal_year(country.founded)
    entered = desk.enter(
        staff=STAFF, case=CASE, addressee_numbers=people, provider=_PROVIDER, affair=AFFAIR, items=(_ITEM,),
        period=Period(since=year.start, until=year.end),
    )  # fmt: skip
    if entered.batch is None:
        raise Problem("internal", f"{len(entered.rejected)} persons rejected", expected="everybody can be asked about")
    return entered.batch


def _ask(desk: BatchDesk, country: Country, people: tuple[str, ...]) -> None:
    _check(desk.finished(_entered(desk, country, people), lambda _shown: None, _PATIENCE_SECONDS))


def _check(shown: BatchShown) -> None:
    if shown.failed or not shown.outcomes.get(Outcome.PROVIDED):
        raise Problem("internal", f"{shown.outcomes}, {shown.problems}", expected="nobody failed, somebody provided")


def _single_rate(country: Country, count: int) -> float:
    """Inquiries a second of one caller who asks the same of the same provider."""
    desk = Desk.of(country, _REQUESTER)
    number = desk.find(hanako(country.founded).four_items).addressee_number
    year = fiscal_year(country.founded)

    def inquire() -> None:
        desk.inquire(
            staff=STAFF, case=CASE, addressee_number=number, provider=_PROVIDER, affair=AFFAIR, items=(_ITEM,),
            period=Period(since=year.start, until=year.end),
        )  # fmt: skip

    inquire()
    begun = perf_counter()
    for _ in range(count):
        inquire()
    return count / (perf_counter() - begun)
