"""A power cut at the requester between permit and answer: afterwards the same transaction completes, and nobody asks twice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kumihimo.country import founding, topology
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import Supervisor, kept_up, pids, running
from kumihimo.domain.kernel import Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquired, RecordShown

X, Y = topology.exchange_of("x-city"), topology.exchange_of("y-city")
OPEN = 'SELECT max("transaction") FROM inquiry WHERE closed_at IS NULL AND institution = ?'
PERMITTED = "SELECT count(*) FROM kept_answer WHERE mark = ?"
REQUESTS = 'SELECT count(*) FROM entry WHERE transaction_number = ? AND record LIKE \'%"entry":"request"%\''


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A small country of its own, since a process of it is killed."""
    today = legal_day(SystemClock().now())
    return founding.found(tmp_path_factory.mktemp("retry") / "country", 12, 3, today, _silent)


@pytest.fixture
def supervisor(founded: Country) -> Iterator[Supervisor]:
    """Keeps that country up only where it is told to."""
    with running(founded) as attending:
        issue_codes(founded, _silent)
        yield attending


def ask(desk: OfficersDesk, addressee: str) -> Inquired:
    return desk.inquire(
        staff=STAFF, case=CASE, addressee_number=addressee, provider="y-city", affair=AFFAIR, items=("local-tax",),
        period=Period(),
    )  # fmt: skip


@contextmanager
def held_up(country: Country) -> Iterator[None]:
    """Inside, Y市's exchange stands still: it takes what comes and answers nothing."""
    os.kill(pids(country)[Y], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pids(country)[Y], signal.SIGCONT)


def cut_power_of_x(country: Country) -> str:
    """Cut the power of X市's exchange once the platform has permitted its inquiry; the transaction number."""
    transaction: str = until(lambda: read_cell(country, X, OPEN, "x-city"), 10, "an inquiry under way")
    until(lambda: read_cell(country, topology.HUB_2, PERMITTED, transaction) or None, 10, "a permit")
    os.kill(pids(country)[X], signal.SIGKILL)
    return transaction


def test_an_inquiry_cut_off_between_permit_and_answer_is_completed_under_its_own_number(
    founded: Country, supervisor: Supervisor
) -> None:
    desk, there = OfficersDesk.of(founded, "x-city"), OfficersDesk.of(founded, "y-city")
    addressee = desk.find(hanako(founded.founded).four_items).addressee_number
    before = ask(desk, addressee)
    assert before.outcome is Outcome.PROVIDED
    failed: list[Problem] = []

    def ask_in_vain() -> None:
        with pytest.raises(Problem) as caught:
            ask(desk, addressee)
        failed.append(caught.value)

    with held_up(founded):
        caseworker = threading.Thread(target=ask_in_vain)
        caseworker.start()
        transaction = cut_power_of_x(founded)
        caseworker.join(30)
    assert [problem.code for problem in failed] == ["peer.unreachable"]
    with kept_up(supervisor):
        (mine,) = until(lambda: _records(desk, transaction), 60, "the restarted exchange")
        assert mine.problem == "inquiry.interrupted"
        answer = desk.fetch(STAFF, transaction)
        assert (answer.outcome, answer.transaction, answer.items) == (Outcome.PROVIDED, transaction, before.items)
        _told_once(founded, desk, there, transaction)
        with pytest.raises(Problem) as caught:
            desk.fetch(STAFF, transaction)
        assert caught.value.code == "permit.used"


def test_a_caseworker_does_not_notice_that_the_exchange_died_and_was_started_again(
    founded: Country, supervisor: Supervisor
) -> None:
    desk, there = OfficersDesk.of(founded, "x-city"), OfficersDesk.of(founded, "y-city")
    addressee = desk.find(hanako(founded.founded).four_items).addressee_number
    answers: list[Inquired] = []
    with kept_up(supervisor):
        with held_up(founded):
            caseworker = threading.Thread(target=lambda: answers.append(ask(desk, addressee)))
            caseworker.start()
            transaction = cut_power_of_x(founded)
            (mine,) = until(lambda: _records(desk, transaction), 60, "the restarted exchange")
            assert mine.outcome is None
        caseworker.join(30)
        assert [(one.outcome, one.transaction) for one in answers] == [(Outcome.PROVIDED, transaction)]
        _told_once(founded, desk, there, transaction)


def _told_once(country: Country, desk: OfficersDesk, there: OfficersDesk, transaction: str) -> None:
    (mine,) = desk.records(None, transaction)
    (theirs,) = there.records(None, transaction)
    assert (mine.outcome, mine.problem) == (Outcome.PROVIDED, None)
    assert (theirs.outcome, theirs.payload_hash) == (Outcome.PROVIDED, mine.payload_hash)
    assert read_cell(country, topology.HUB_1, REQUESTS, transaction) == 1, "one question, one entry"


def _records(desk: OfficersDesk, transaction: str) -> tuple[RecordShown, ...] | None:
    """The own records, once the exchange can be reached again."""
    try:
        return desk.records(None, transaction) or None
    except Problem as problem:
        if problem.code != "peer.unreachable":
            raise
        return None
