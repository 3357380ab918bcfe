"""A power cut at the requester between permit and answer: after the restart the same transaction completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kumihimo.country import founding, topology
from kumihimo.country.by_hand import OfficersDesk
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import pids, running
from kumihimo.domain.kernel import Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquired, RecordShown

X, Y = topology.exchange_of("x-city"), topology.exchange_of("y-city")
OPEN = 'SELECT max("transaction") FROM inquiry WHERE closed_at IS NULL AND institution = ?'
PERMITTED = "SELECT count(*) FROM kept_answer WHERE mark = ?"
REQUESTS = 'SELECT count(*) FROM entry WHERE transaction_number = ? AND record LIKE \'%"entry":"request"%\''


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Country]:
    """A small country of its own, since a process of it is killed."""
    country = founding.found(tmp_path / "country", 12, 3, legal_day(SystemClock().now()), _silent)
    with running(country):
        issue_codes(country, _silent)
        yield country


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


@contextmanager
def restarted(country: Country) -> Iterator[None]:
    """Inside, X市's exchange runs again, as a process of its own."""
    program = (
        f"from kumihimo.country.supervisor import run_service; run_service('exchange', {str(country.settings(X))!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def cut_off(country: Country, desk: OfficersDesk, addressee: str) -> str:
    """Ask, and cut the power of X市's exchange once the platform has permitted; the transaction number."""
    failed: list[Problem] = []

    def ask_in_vain() -> None:
        with pytest.raises(Problem) as caught:
            ask(desk, addressee)
        failed.append(caught.value)

    with held_up(country):
        caseworker = threading.Thread(target=ask_in_vain)
        caseworker.start()
        transaction: str = until(lambda: read_cell(country, X, OPEN, "x-city"), 10, "an inquiry under way")
        until(lambda: read_cell(country, topology.HUB_2, PERMITTED, transaction) or None, 10, "a permit")
        os.kill(pids(country)[X], signal.SIGKILL)
        caseworker.join(30)
    assert [problem.code for problem in failed] == ["peer.unreachable"]
    return transaction


def test_an_inquiry_cut_off_between_permit_and_answer_is_completed_under_its_own_number(up: Country) -> None:
    desk, there = OfficersDesk.of(up, "x-city"), OfficersDesk.of(up, "y-city")
    addressee = desk.find(hanako(up.founded).four_items).addressee_number
    before = ask(desk, addressee)
    assert before.outcome is Outcome.PROVIDED
    transaction = cut_off(up, desk, addressee)
    with restarted(up):
        (mine,) = until(lambda: _records(desk, transaction), 60, "the restarted exchange")
        assert mine.problem == "inquiry.interrupted"
        answer = desk.fetch(STAFF, transaction)
        assert (answer.outcome, answer.transaction, answer.items) == (Outcome.PROVIDED, transaction, before.items)
        (mine,) = desk.records(None, transaction)
        (theirs,) = there.records(None, transaction)
        assert (mine.outcome, mine.problem) == (Outcome.PROVIDED, None)
        assert (theirs.outcome, theirs.payload_hash) == (Outcome.PROVIDED, mine.payload_hash)
        assert read_cell(up, topology.HUB_1, REQUESTS, transaction) == 1, "one question, one entry"
        with pytest.raises(Problem) as caught:
            desk.fetch(STAFF, transaction)
        assert caught.value.code == "permit.used"


def _records(desk: OfficersDesk, transaction: str) -> tuple[RecordShown, ...] | None:
    """The own records, once the exchange can be reached again."""
    try:
        return desk.records(None, transaction) or None
    except Problem as problem:
        if problem.code != "peer.unreachable":
            raise
        return None
