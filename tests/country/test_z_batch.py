"""A batch on a whole country: a provider killed between chunks, the rest answered, and everything on record in the end."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from kumihimo.cli.batch_files import read_addressees, write_rejected, write_results
from kumihimo.country import topology
from kumihimo.country.batches import BatchDesk
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import AFFAIR, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import fiscal_year, legal_day
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.messages.batch_desk import BatchShown, Recurrence, WithRejected
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.store.exchange import access_record, chunk_report, link_code
from kumihimo.roles.hub.store.tables import entries
from kumihimo.roles.portal.store import access, outcome

X, PENSION = "x-city", "pension-service"
SECONDS = 120.0


@pytest.fixture(scope="module")
def numbers(country: Country) -> tuple[str, ...]:
    """Everybody whom X City can ask about."""
    return tuple(_column(country, topology.exchange_of(X), select(link_code.c.addressee_number)))


@pytest.fixture(scope="module")
def desk(country: Country) -> BatchDesk:
    return BatchDesk.of(country, X)


@pytest.fixture
def protected(country: Country) -> Iterator[OfficersDesk]:
    """The pension service, where somebody is protected and somebody else is to be answered by hand."""
    provider = OfficersDesk.of(country, PENSION)
    held = _column(country, topology.exchange_of(PENSION), select(link_code.c.addressee_number))
    assert len(held) > 2
    for number in held[::3]:
        provider.protect(number, FlagKind.SUPPORT_MEASURE)
    for number in held[1::3]:
        provider.protect(number, FlagKind.ANSWER_BY_HAND)
    yield provider
    for number in held[::3]:
        provider.lift(number, FlagKind.SUPPORT_MEASURE)
    for number in held[1::3]:
        provider.lift(number, FlagKind.ANSWER_BY_HAND)


def _column(country: Country, party: str, query: object) -> list[str]:
    engine = open_engine(store_url(country, topology.service(party).party))
    try:
        with engine.connect() as conn:
            return list(conn.execute(query).scalars())  # type: ignore[call-overload]
    finally:
        engine.dispose()


def ask(desk: BatchDesk, numbers: tuple[str, ...]) -> str:
    year = fiscal_year(desk.country.founded)
    entered = desk.enter(
        staff=STAFF, case="一括", addressee_numbers=numbers, provider=PENSION, affair=AFFAIR, items=("pension",),
        period=Period(since=year.start, until=year.end),
    )  # fmt: skip
    assert entered.batch is not None, entered.rejected
    return entered.batch


def finished(desk: BatchDesk, batch: str) -> BatchShown:
    return desk.finished(batch, lambda _shown: None, SECONDS)


def test_everybody_is_answered_as_the_provider_may_and_seen_by_log_and_portal(
    country: Country, desk: BatchDesk, numbers: tuple[str, ...], protected: OfficersDesk, tmp_path: Path
) -> None:
    batch = ask(desk, numbers)
    shown = finished(desk, batch)
    assert shown.failed == 0
    assert sum(shown.outcomes.values()) == len(numbers)
    assert {"provided", "none", "withheld", "pending"} >= set(shown.outcomes)
    assert {"withheld", "pending"} <= set(shown.outcomes)
    results = list(desk.results(STAFF, batch))
    assert sorted(one.addressee_number for one in results) == sorted(numbers)
    assert all(bool(one.items) == (one.outcome is Outcome.PROVIDED) for one in results)
    transactions = {one.transaction for one in results}
    for party, query in (
        (topology.exchange_of(X), select(access_record.c.transaction)),
        (topology.exchange_of(PENSION), select(access_record.c.transaction)),
    ):
        assert transactions <= set(_column(country, party, query))
    logged = _column(country, topology.HUB_1, select(entries.c.transaction_number))
    assert all(logged.count(one or "") >= 1 for one in transactions)

    def told() -> bool | None:
        seen = set(_column(country, topology.PORTAL, select(outcome.c.transaction_number)))
        return True if transactions <= seen else None

    until(told, SECONDS, "the portal hearing of every outcome")
    assert transactions <= set(_column(country, topology.PORTAL, select(access.c.transaction_number)))
    assert _column(country, topology.exchange_of(PENSION), select(chunk_report.c.transaction)) == []
    waiting = {one.transaction for one in protected.pending()}
    pending = next(one for one in results if one.outcome is Outcome.PENDING)
    assert pending.transaction in waiting
    decided = protected.answer(STAFF, pending.transaction or "")
    got = {one.place: one for one in desk.with_answers_by_hand(STAFF, iter(results))}[pending.place]
    assert got.outcome is decided
    assert write_results(tmp_path / "results.csv", desk.results(STAFF, batch)) == len(numbers)
    with (tmp_path / "results.csv").open(encoding="utf-8-sig") as file:
        assert {row["addressee_number"] for row in csv.DictReader(file)} == set(numbers)
    assert (tmp_path / "results.csv").stat().st_mode & 0o077 == 0


def test_a_resident_sees_a_batch_as_one_access_with_proofs_that_hold(country: Country, desk: BatchDesk) -> None:
    from kumihimo.country.people.hanako import hanako

    addressee = Desk.of(country, X).find(hanako(country.founded).four_items).addressee_number
    account = Desk.of(country, X).open_portal_account(addressee)
    batch = ask(desk, (addressee,))
    finished(desk, batch)
    (one,) = desk.results(STAFF, batch)
    browser = ResidentsBrowser.of(country)

    def proven() -> bool | None:
        seen = [shown for shown in browser.accesses(account) if shown.transaction == one.transaction]
        assert len(seen) <= 1
        return True if seen and seen[0].proof and seen[0].outcome_proof else None

    until(proven, SECONDS, "proofs of access and outcome")
    shown = next(shown for shown in browser.accesses(account) if shown.transaction == one.transaction)
    assert shown.proof_problem is None
    assert "年金" in shown.sentence_ja


def test_a_provider_that_dies_fails_what_it_did_not_answer_and_the_rest_is_asked_again(
    country: Country, desk: BatchDesk, numbers: tuple[str, ...]
) -> None:
    first = finished(desk, ask(desk, numbers[:5]))
    provider = topology.exchange_of(PENSION)
    process = psutil.Process(pids(country)[provider])
    process.suspend()
    try:
        batch = ask(desk, numbers)
        until(lambda: True if _asked(country) else None, SECONDS, "the chunk being asked")
        (before,) = desk.batches(batch)
        assert before.waiting == len(numbers), "nobody is answered by who does not run"
        (untouched,) = desk.batches(first.batch)
        assert untouched.outcomes == first.outcomes
        shown = finished(desk, batch)
    finally:
        process.resume()
    assert shown.failed == len(numbers)
    assert shown.problems == {"provider.unreachable": len(numbers)}
    assert desk.resume(STAFF, batch) == len(numbers)
    again = finished(desk, batch)
    assert again.failed == 0
    assert sum(again.outcomes.values()) == len(numbers)
    results = list(desk.results(STAFF, batch))
    records = _column(country, provider, select(access_record.c.transaction))
    assert all(records.count(one.transaction or "") == 1 for one in results), "answered once, whatever was sent twice"


def _asked(country: Country) -> bool:
    from kumihimo.roles.gateway.store.exchange import batch_chunk

    states = _column(country, topology.exchange_of(X), select(batch_chunk.c.state))
    return "asked" in states


def test_a_list_with_faults_is_not_asked_and_its_faults_are_named_by_line(
    desk: BatchDesk, numbers: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(f"id,addressee_number\n1,{numbers[0]}\n\n2,{numbers[0]}\n3,123456789012\n", encoding="cp932")
    listed = read_addressees(file)
    assert listed.lines == (2, 4, 5)
    kept = len(desk.batches())
    entered = desk.enter(
        staff=STAFF, case="一括", addressee_numbers=listed.numbers, provider=PENSION, affair=AFFAIR,
        items=("pension",), period=Period(), with_rejected=WithRejected.REFUSE,
    )  # fmt: skip
    assert entered.batch is None
    assert len(desk.batches()) == kept
    write_rejected(tmp_path / "rejected.csv", listed, entered.rejected)
    text = (tmp_path / "rejected.csv").read_text(encoding="utf-8-sig")
    assert [row["line"] for row in csv.DictReader(text.splitlines())] == ["4", "5"]
    assert "123456789012" not in text


def test_what_is_scheduled_for_today_is_asked_by_the_exchange_itself(desk: BatchDesk, numbers: tuple[str, ...]) -> None:
    (scheduled,) = desk.schedule(
        staff=STAFF, case="予約", addressee_numbers=numbers[:3], provider=PENSION, affair=AFFAIR, items=("pension",),
        period=None, recurrence=Recurrence.DAILY, first_on=legal_day(desk.edge.clock.now()), last_on=None,
    ).schedules  # fmt: skip

    def ran() -> str | None:
        (one,) = desk.schedules(scheduled.schedule).schedules
        return one.runs[0].batch if one.runs else None

    batch = until(ran, SECONDS, "the scheduled inquiry")
    assert sum(finished(desk, batch).outcomes.values()) == 3
    assert desk.cancel_schedule(STAFF, scheduled.schedule).schedules[0].next_on is None
