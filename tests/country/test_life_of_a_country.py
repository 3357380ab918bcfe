"""A country is founded whole or not at all, starts and stops cleanly, keeps everything, and hides no death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from kumihimo.country import founding, topology
from kumihimo.country.desk import Desk, edge_of
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes, states
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import deaths_of, pids, running
from kumihimo.domain.kernel import Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.codes import LackCodes, WhichLackCodes
from kumihimo.plumbing.wire.messages.inquiry import Period
from kumihimo.plumbing.wire.messages.provision import Inquired

KUMIHIMO = Path(sys.executable).with_name("kumihimo")


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A small country, founded and not up."""
    today = legal_day(SystemClock().now())
    return founding.found(tmp_path_factory.mktemp("life") / "country", 12, 3, today, _silent)


@pytest.fixture
def up(founded: Country) -> Iterator[Country]:
    """The same country, up for one test."""
    with running(founded):
        issue_codes(founded, _silent)
        yield founded


def ask(country: Country) -> Inquired:
    desk = Desk.of(country, "x-city")
    addressee = desk.find(hanako(country.founded).four_items)
    return desk.inquire(
        staff=STAFF, case=CASE, addressee_number=addressee.addressee_number, provider="y-city", affair=AFFAIR,
        items=("local-tax",), period=Period(),
    )  # fmt: skip


def kill(country: Country, party: str) -> None:
    """End one of the country's own processes as a power cut would."""
    os.kill(pids(country)[topology.PartyId(party)], signal.SIGKILL)


def requests_logged(country: Country) -> int:
    return int(read_cell(country, topology.HUB_1, "SELECT count(*) FROM entry WHERE record LIKE ?", '%"request"%'))


def test_a_country_is_not_founded_over_another_one(founded: Country) -> None:
    before = sorted(path for path in founded.folder.rglob("*") if path.is_file())
    with pytest.raises(Problem) as caught:
        founding.found(founded.folder, 12, 3, date(2026, 6, 1), _silent)
    assert caught.value.code == "country.exists"
    assert sorted(path for path in founded.folder.rglob("*") if path.is_file()) == before


def test_a_founding_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def out_of_patience(name: str, _done: int, _total: int) -> None:
        if name.startswith("people"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        founding.found(tmp_path / "country", 12, 3, date(2026, 6, 1), out_of_patience)
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_people_and_other_numbers(founded: Country, tmp_path: Path) -> None:
    again = founding.found(tmp_path / "again", 12, 3, founded.founded, _silent)
    names = "SELECT group_concat(four_items) FROM (SELECT four_items FROM resident ORDER BY four_items) WHERE 1 = ?"
    numbers = "SELECT group_concat(number) FROM (SELECT number FROM used_number ORDER BY number) WHERE 1 = ?"
    assert read_cell(founded, topology.REGISTRY, names, 1) == read_cell(again, topology.REGISTRY, names, 1)
    assert read_cell(founded, topology.NUMBERING, numbers, 1) != read_cell(again, topology.NUMBERING, numbers, 1)


def test_keys_are_readable_by_their_owner_only(founded: Country) -> None:
    keys = [file for file in founded.folder.rglob("*") if file.suffix in (".key", ".seed")]
    assert len(keys) > 100
    assert all(file.stat().st_mode & 0o077 == 0 for file in keys)


def test_a_restart_keeps_everything(founded: Country) -> None:
    with running(founded):
        issue_codes(founded, _silent)
        first = ask(founded)
        size = until(lambda: verify_log(founded).size, 10, "a verified log")
    assert first.outcome == "provided"
    with running(founded):
        assert issue_codes(founded, _silent) == 0
        second = ask(founded)
        verified = verify_log(founded)
    assert second.items == first.items
    assert verified.seen_before == size
    assert verified.size > size


def test_an_unreachable_provider_is_one_clear_error_and_the_resident_hears_of_it(up: Country) -> None:
    kill(up, "y-city/exchange")
    with pytest.raises(Problem) as caught:
        ask(up)
    assert caught.value.code == "provider.unreachable"
    undelivered = "SELECT count(*) FROM entry WHERE record LIKE ?"
    until(
        lambda: read_cell(up, topology.HUB_1, undelivered, '%"undelivered"%') or None, 15, "the report of the requester"
    )


def test_an_unreachable_operator_2_is_one_clear_error_and_no_permit_leaves(up: Country) -> None:
    before = requests_logged(up)
    kill(up, "hub-2/operator")
    with pytest.raises(Problem) as caught:
        ask(up)
    assert caught.value.code == "operator.unreachable"
    assert requests_logged(up) > before


def test_an_unreachable_operator_1_is_one_clear_error(up: Country) -> None:
    kill(up, "hub-1/operator")
    with pytest.raises(Problem) as caught:
        ask(up)
    assert caught.value.code == "operator.unreachable"


def test_a_provider_that_hangs_does_not_keep_an_exchange_from_answering_others(up: Country) -> None:
    """More caseworkers wait for Y市 than X市's exchange has threads, and its ledger is still answered at once."""
    desk, hung = Desk.of(up, "x-city"), pids(up)[topology.exchange_of("y-city")]
    addressee = desk.find(hanako(up.founded).four_items).addressee_number

    def inquire(number: int) -> str:
        try:
            return desk.inquire(
                staff=STAFF, case=f"{CASE}-{number}", addressee_number=addressee, provider="y-city", affair=AFFAIR,
                items=("local-tax",), period=Period(),
            ).outcome  # fmt: skip
        except Problem as problem:
            return problem.code

    waiting = "SELECT count(*) >= ? FROM inquiry WHERE closed_at IS NULL"
    with ThreadPoolExecutor(60) as caseworkers:
        os.kill(hung, signal.SIGSTOP)
        try:
            answers = [caseworkers.submit(inquire, number) for number in range(60)]
            until(lambda: read_cell(up, topology.exchange_of("x-city"), waiting, 30) or None, 10, "thirty that wait")
            ledger = edge_of(up, topology.ledger_of("x-city"))
            for _ in range(5):
                message = ledger.message(WhichLackCodes, topology.exchange_of("x-city"), addressee_numbers=(addressee,))
                PeerClient(ledger, timeout=2.0).send("/lacking-codes", message, LackCodes)
        finally:
            os.kill(hung, signal.SIGCONT)
        assert {answer.result() for answer in answers} <= {"provided", "provider.unreachable"}


def _await_up(process: subprocess.Popen[str]) -> None:
    """Read what a starting country prints until it says that it is up."""
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("Up."):
            return
    pytest.fail("the country did not come up:\n" + "".join(printed))


def test_a_process_that_dies_is_started_again_and_one_that_does_so_again_and_again_stops_the_country(
    founded: Country,
) -> None:
    party = topology.ledger_of("pension-service")
    command = [str(KUMIHIMO), "country", "up", str(founded.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        _await_up(process)
        before = pids(founded)[party]
        kill(founded, party)
        until(lambda: pids(founded).get(party, before) != before or None, 30, "another process")
        until(lambda: all(one.ready for one in states(founded)) or None, 30, "a ready country")
        assert [(one.party, one.deaths) for one in states(founded) if one.deaths] == [(party, 1)]
        assert [(death.party, death.status) for death in deaths_of(founded)] == [(party, -signal.SIGKILL)]
        everyone = pids(founded)
        while process.poll() is None:
            with suppress(Problem, KeyError, ProcessLookupError):
                kill(founded, party)
            assert len(deaths_of(founded)) <= 5
        assert process.stdout is not None
        output = process.stdout.read()
        assert process.wait(30) == 1
    assert [f"(death {number} of it)" in output for number in range(1, 7)] == [True] * 5 + [False]
    assert "country.role_died" in output
    assert not [pid for pid in everyone.values() if Path(f"/proc/{pid}").exists()]


def test_ctrl_c_stops_cleanly_and_down_says_when_nothing_runs(founded: Country) -> None:
    command = [str(KUMIHIMO), "country", "up", str(founded.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        _await_up(process)
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        assert "Stopped." in process.stdout.read()
        assert process.wait(30) == 0
    down = subprocess.run([str(KUMIHIMO), "country", "down", str(founded.folder)], capture_output=True, text=True)
    assert down.returncode == 1
    assert "country.not_running" in down.stderr
