"""What notices cost (お知らせの配信), from a business system's call to the portal's store, and 1,000 residents' inboxes.

X市 writes to everybody of its ledger, as often as it takes for 100,000 notices. `mailboxes` is done once for an addressee, and
measured where somebody has none yet: both operators translate a code. `fan_out` is done for every notice. `inbox` is each
resident's own page over TLS, in their own session.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median, quantiles
from time import perf_counter
from typing import Final

from sqlalchemy import Engine, func, select

from kumihimo.country import topology
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.portal import Browser
from kumihimo.country.desk import Desk
from kumihimo.country.institution_api import ApiDesk
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import SystemClock, SystemRandomness
from kumihimo.plumbing.storage import open_engine
from kumihimo.roles.gateway.store.exchange import link_code, mailbox
from kumihimo.roles.portal.site import COOKIE
from kumihimo.roles.portal.store import PortalStore, account
from kumihimo.roles.portal.store_notices import notice
from kumihimo.roles.portal.visiting import Sessions

BENCH: Final = "notices"
_SENDER: Final = "x-city"
_PATIENCE_SECONDS: Final = 600.0
_MILLI: Final = 1e3


def measure(country: Country, effort: Effort) -> Iterator[Measured]:
    """Mailboxes and notices a second; ms of an inbox in the median and at the 99th percentile.

    Raises Problem(country.not_running, internal), and what a notice raises.
    """
    pids(country)  # refuses a country that is down
    exchange, portal = (
        open_engine(store_url(country, one)) for one in (topology.exchange_of(_SENDER), topology.PORTAL)
    )
    try:
        people = _known(exchange)
        people = people[: effort.pick(quick=200, full=len(people))]
        wanted = effort.pick(quick=1_000, full=100_000)
        desk = ApiDesk.of(country, _SENDER)
        _send(desk, portal, people[:1])  # connections and keys are fetched once
        alone = _send(desk, portal, people[:1])
        if lacking := _without_mailbox(exchange, people):
            opened = len(lacking) / _send(desk, portal, lacking)
            yield Measured(BENCH, "mailboxes", opened, "1/s", Reference("one notice alone", 1 / alone), opened * alone)
        begun, count = _stored(portal), 0
        started = perf_counter()
        while count < wanted:
            some = people[: wanted - count]
            _hand_in(desk, some)
            count += len(some)
        until(
            lambda: _stored(portal) - begun >= count or None,
            _PATIENCE_SECONDS,
            "every notice in the portal",
            pause=0.05,
        )
        rate = count / (perf_counter() - started)
        yield Measured(BENCH, "fan_out", rate, "1/s", Reference("one notice alone", 1 / alone), rate * alone)
        yield from _inboxes(country, portal, people[: effort.pick(quick=20, full=1_000)])
    finally:
        exchange.dispose()
        portal.dispose()


def _inboxes(country: Country, portal: Engine, people: list[str]) -> Iterator[Measured]:
    desk, store = Desk.of(country, _SENDER), PortalStore(portal)
    accounts = [desk.open_portal_account(one) for one in people]

    def coded() -> bool | None:
        with portal.connect() as conn:
            has = select(func.count()).where(account.c.account.in_(accounts), account.c.link_code.is_not(None))
            return conn.execute(has).scalar_one() == len(accounts) or None

    until(coded, _PATIENCE_SECONDS, "the accounts' link codes")
    sessions = Sessions(store, SystemRandomness(), SystemClock())
    browser = Browser(country)
    pages: list[float] = []
    files: list[float] = []
    for one in accounts:
        browser.cookies[COOKIE] = sessions.begin(one)
        for path, seconds in (("/notices", pages), ("/static/icon.svg", files)):
            begun = perf_counter()
            browser.page(path)
            seconds.append(perf_counter() - begun)
    reference = Reference("the smallest file", median(files) * _MILLI)
    for figure, value in (("inbox", median(pages)), ("inbox_p99", quantiles(pages, n=100)[98])):
        yield Measured(BENCH, figure, value * _MILLI, "ms", reference, value / median(files))


def _send(desk: ApiDesk, portal: Engine, people: list[str]) -> float:
    """Seconds from the call until all of it is in the portal's store."""
    begun, started = _stored(portal), perf_counter()
    _hand_in(desk, people)
    until(
        lambda: _stored(portal) - begun >= len(people) or None,
        _PATIENCE_SECONDS,
        "the notice in the portal",
        pause=0.01,
    )
    return perf_counter() - started


def _hand_in(desk: ApiDesk, people: list[str]) -> None:
    desk.send(
        {
            "reference": SystemRandomness().token_bytes(12).hex(),
            "staff": STAFF,
            "content": {
                "title": {"ja": "予防接種のご案内", "en": "Vaccination"},
                "body": {"ja": "{name}様\n\n" + "次のとおりご案内します。" * 20},
            },
            "recipients": [{"addressee_number": one, "values": {"name": f"住民{one[-6:]}"}} for one in people],
        }
    )


def _stored(portal: Engine) -> int:
    with portal.connect() as conn:
        return int(conn.execute(select(func.count()).select_from(notice)).scalar_one())


def _without_mailbox(engine: Engine, people: list[str]) -> list[str]:
    with engine.connect() as conn:
        has = set(conn.execute(select(mailbox.c.addressee_number)).scalars())
    return [one for one in people if one not in has]


def _known(engine: Engine) -> list[str]:
    """Addressees with a link code."""
    query = select(link_code.c.addressee_number).distinct().order_by(link_code.c.addressee_number)
    with engine.connect() as conn:
        return list(conn.execute(query).scalars())
