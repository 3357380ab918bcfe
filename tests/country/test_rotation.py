"""Y市 renews its link codes while X市 and Y市 go on asking each other, and its exchange is killed twice on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import founding, topology
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.officer import Officer
from kumihimo.country.people.hanako import hanako
from kumihimo.country.rotating import RotationDesk
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import pids, running
from kumihimo.domain.kernel import Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period

X, Y = topology.exchange_of("x-city"), topology.exchange_of("y-city")
QUESTIONS = (
    ("x-city", "y-city", AFFAIR, "local-tax"),
    ("y-city", "x-city", "local-tax.assessment", "resident-record"),
)
SECONDS = 60.0
COUNT = "SELECT count(*) FROM link_code WHERE epoch = ?"
OLD_CODES = "SELECT group_concat(hex(code)) FROM link_code WHERE epoch = ?"
LOGGED = "SELECT count(*) FROM entry WHERE record LIKE ?"
SWAPPED = "SELECT count(*) FROM rotation WHERE told_at IS NOT NULL AND institution = ?"


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """A small country of its own, since processes of it are killed."""
    folder = tmp_path_factory.mktemp("rotation") / "country"
    country = founding.found(folder, 40, 3, legal_day(SystemClock().now()), _silent)
    for hub in (topology.HUB_1, topology.HUB_2):
        with country.settings(hub).open("a") as file:
            file.write("proof_share = 1.0\n")
    with running(country):
        issue_codes(country, _silent)
        yield country


def rotate(country: Country, *words: str, status: int = 0, group: str = "rotate") -> str:
    """What `kumihimo rotate …` prints."""
    result = CliRunner().invoke(app, [group, *words, "--country", str(country.folder)])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


@dataclass
class Asking:
    """Two cities that ask one another without pause, each about somebody the other holds something about."""

    country: Country
    outcomes: list[str] = field(default_factory=list)
    resting: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        items = hanako(self.country.founded).four_items
        self._numbers = {
            city: Desk.of(self.country, city).find(items).addressee_number for city in ("x-city", "y-city")
        }
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self.done.set()
        self._thread.join(SECONDS)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside, nobody asks."""
        with self._turn:
            yield

    def more(self, count: int = 6) -> list[str]:
        """The next outcomes."""
        begin = len(self.outcomes)
        until(lambda: len(self.outcomes) >= begin + count or None, SECONDS, "further inquiries")
        return self.outcomes[begin:]

    def _run(self) -> None:
        while not self.done.is_set():
            for question in QUESTIONS:
                with self._turn:
                    self.outcomes.append(self._one(*question))

    def _one(self, asker: str, other: str, affair: str, item: str) -> str:
        try:
            asked = Desk.of(self.country, asker).inquire(
                staff=STAFF, case=CASE, addressee_number=self._numbers[asker], provider=other, affair=affair,
                items=(item,), period=Period(since=date(2020, 4, 1)),
            )  # fmt: skip
        except Problem as problem:
            return problem.code
        return asked.outcome.value


@contextmanager
def standing_still(country: Country, party: str) -> Iterator[None]:
    """Inside, a process takes what comes and answers nothing."""
    pid = pids(country)[topology.service(party).party]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def again(country: Country) -> Iterator[subprocess.Popen[bytes]]:
    """Y市's exchange runs again, as a process of its own; ended with the block, if it still runs."""
    program = (
        f"from kumihimo.country.supervisor import run_service; run_service('exchange', {str(country.settings(Y))!r})"
    )
    if _listens(country):
        os.kill(pids(country)[Y], signal.SIGKILL)
        until(lambda: not _listens(country) or None, SECONDS, "the end of the exchange")
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        until(lambda: _listens(country), SECONDS, "the exchange")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _listens(country: Country) -> bool | None:
    with suppress(Problem):
        Desk.of(country, "y-city").records(None, "0" * 32)
        return True
    return None


def held(country: Country, epoch: int) -> int:
    return int(str(read_cell(country, Y, COUNT, epoch)))


def test_codes_are_renewed_under_way_and_the_old_ones_match_nothing(up: Country) -> None:
    everybody, stolen = held(up, 1), set(str(read_cell(up, Y, OLD_CODES, 1)).split(","))
    assert everybody == len(stolen) > 10
    asking = Asking(up)
    try:
        assert set(asking.more()) == {Outcome.PROVIDED.value}
        with asking.paused(), standing_still(up, topology.HUB_2):
            assert "to epoch 2" in rotate(up, "codes", "y-city", "--reason", "符号の漏えい")
            told = '%"affair":"rotation.open"%'
            until(lambda: int(str(read_cell(up, topology.HUB_1, LOGGED, told))) or None, SECONDS, "the first step")
            os.kill(pids(up)[Y], signal.SIGKILL)
        with again(up) as process:
            until(lambda: int(str(read_cell(up, Y, SWAPPED, "y-city"))) or None, SECONDS, "the swap")
            with asking.paused():
                assert held(up, 2) == held(up, 1) == everybody
                process.kill()
                process.wait(30)
        with again(up):
            assert set(asking.more()) == {Outcome.PROVIDED.value}
            assert "epoch 2" in rotate(up, "show", "y-city", status=1)
            with pytest.raises(Problem) as early:
                rotate(up, "close", "y-city")
            assert early.value.code == "rotation.too_early"
            rotate(up, "close", "y-city", "--at-once")
            until(lambda: held(up, 1) == 0 or None, SECONDS, "the end of the old epoch")
            assert set(asking.more()) == {Outcome.PROVIDED.value}
            now = set(str(read_cell(up, Y, OLD_CODES, 2)).split(","))
            assert len(now) == everybody
            assert not now & stolen
            keys = until(lambda: _keys(up) if len(_keys(up)) == 1 else None, SECONDS, "the end of the old key")
            assert keys == {"link-y-city#2.key"}
            assert "closed" in rotate(up, "show", "y-city")
    finally:
        asking.stop()
    unanswered = {"peer.unreachable", "provider.unreachable", "message.malformed"}
    assert set(asking.outcomes) <= {Outcome.PROVIDED.value, *unanswered}
    assert not Officer.of(up).status()["alarms"]


def _keys(country: Country) -> set[str]:
    return {Path(path).name for path in country.keys(Y).glob("link-*.key")}


def test_an_operators_seeds_are_renewed_by_rotating_everybody_and_the_old_ones_are_destroyed(up: Country) -> None:
    settings = str(up.settings(topology.HUB_1))
    desk = Desk.of(up, "x-city")
    addressee = desk.find(hanako(up.founded).four_items).addressee_number
    account = desk.open_portal_account(addressee)
    with again(up):
        before = _inquired(up, addressee)
        until(lambda: _seen(up, account, before), SECONDS, "the access in the portal")
        assert "Generation 2 begun" in command("seeds", settings)
        with pytest.raises(Problem) as needed:
            command("destroy-seeds", settings)
        assert needed.value.code == "seeds.in_use"
        registry = str(up.settings(topology.REGISTRY))
        assert "Epoch 2 is ready" in command("registry-key", registry, "--reason", "種の更新")
        assert "in force" in rotate(up, "rotate", "--reason", "運営者の種の更新", group="oversight")
        for institution in topology.institutions():
            until(lambda one=institution: _swapped(up, one), SECONDS, f"the swap of {institution}")  # type: ignore[misc]
            rotate(up, "close", institution, "--at-once")
        until(lambda: int(str(read_cell(up, topology.PORTAL, SWAPPED, "portal"))) or None, SECONDS, "the portal's swap")
        after = _inquired(up, addressee)
        until(lambda: _seen(up, account, after), SECONDS, "the access in the portal")
        assert _seen(up, account, before)
        until(lambda: _needed(settings) == {"portal#1", "registry#1"} or None, SECONDS, "the ends of old epochs")
    assert not Officer.of(up).status()["alarms"]


def command(*words: str) -> str:
    """What a command for the operator's or the registry's own machine prints."""
    result = CliRunner().invoke(app, ["rotate", *words])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def _needed(settings: str) -> set[str]:
    """The open domains that still need the first seeds."""
    line = command("show-seeds", settings).splitlines()[0]
    return set(line.partition(": ")[2].replace(",", "").split())


def _swapped(country: Country, institution: str) -> bool | None:
    shown = RotationDesk.of(country, institution).show()
    return (
        shown.rotation is not None and shown.rotation.order is not None and shown.rotation.swapped_at is not None
    ) or None


def _inquired(country: Country, addressee: str) -> str:
    asked = Desk.of(country, "x-city").inquire(
        staff=STAFF, case=CASE, addressee_number=addressee, provider="y-city", affair=AFFAIR, items=("local-tax",),
        period=Period(since=date(2020, 4, 1)),
    )  # fmt: skip
    assert asked.outcome is Outcome.PROVIDED
    return asked.transaction


def _seen(country: Country, account: str, transaction: str) -> bool | None:
    return any(one.transaction == transaction for one in ResidentsBrowser.of(country).accesses(account)) or None
