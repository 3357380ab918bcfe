"""Y市 renews its link codes while X市 and Y市 go on asking each other, and its exchange is killed twice on the way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from test_lives import TAX
from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import founding, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import Desk, ResidentsBrowser
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.officer import Officer
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import BASIS, issue_codes
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import attended, pids
from kumihimo.domain.kernel import PartyId, Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem

X, Y = topology.exchange_of("x-city"), topology.exchange_of("y-city")
QUESTIONS = (
    ("x-city", "y-city", AFFAIR, "local-tax"),
    ("y-city", "x-city", "local-tax.assessment", "resident-record"),
)
SECONDS = 60.0
COUNT = "SELECT count(*) FROM link_code WHERE epoch = ?"
OLD_CODES = "SELECT group_concat(hex(code)) FROM link_code WHERE epoch = ?"
LOGGED = "SELECT count(*) FROM entry WHERE record LIKE ?"
CODED = "SELECT count(*) FROM link_code WHERE addressee_number = ?"
NUMBER = "SELECT individual_number FROM addressee WHERE addressee_number = ?"
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
    for service in topology.services():
        if service.role in (Role.EXCHANGE, Role.PORTAL):
            with country.settings(service.party).open("a") as file:
                file.write('rotation_overlap = "PT3S"\n')
    with attended(country):
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


def die(country: Country, party: PartyId = Y) -> int:
    """A service dies at once; its process id. The supervisor starts it again."""
    pid = pids(country)[party]
    os.kill(pid, signal.SIGKILL)
    return pid


def back(country: Country, dead: int, party: PartyId = Y) -> None:
    """Wait until a service that died runs again; who asks it meanwhile waits in the queue of its socket."""
    until(lambda: pids(country).get(party, dead) != dead or None, SECONDS, f"another process of {party}")


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
            dead = die(up)
        back(up, dead)
        until(lambda: int(str(read_cell(up, Y, SWAPPED, "y-city"))) or None, SECONDS, "the swap")
        with asking.paused():
            assert held(up, 2) == held(up, 1) == everybody
            back(up, die(up))
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
    before = _inquired(up, addressee)
    until(lambda: _seen(up, account, before), SECONDS, "the access in the portal")
    assert "Generation 2 begun" in command("seeds", settings)
    with pytest.raises(Problem) as needed:
        command("destroy-seeds", settings)
    assert needed.value.code == "seeds.in_use"
    registry = str(up.settings(topology.REGISTRY))
    assert "Epoch 2 is ready" in command("registry-key", registry, "--reason", "種の更新")
    assert "in force" in rotate(up, "rotate", "--reason", "運営者の種の更新", group="oversight")
    until(lambda: _needed(settings) == {"registry#1"} or None, SECONDS, "the ends of all old epochs")
    back(up, die(up, topology.REGISTRY), topology.REGISTRY)
    assert "Epoch 1 is closed" in command("close-registry-key", registry, "--reason", "種の更新")
    assert "Destroyed: 1" in command("destroy-seeds", settings)
    assert {path.name for path in up.keys(topology.HUB_1).glob("*.seed")} == {"reshuffle.2.seed", "rekey.2.seed"}
    back(up, die(up, topology.HUB_1), topology.HUB_1)
    until(lambda: _answered(up, addressee), SECONDS, "an inquiry without the old seeds")
    after = _inquired(up, addressee)
    until(lambda: _seen(up, account, after), SECONDS, "the access in the portal")
    assert _seen(up, account, before)
    # Whoever comes now is found under the code that everybody else's would be.
    newcomer = _newcomer(up)
    assert _inquired(up, newcomer)
    assert not Officer.of(up).status()["alarms"]


def _answered(country: Country, addressee: str) -> bool | None:
    with suppress(Problem):
        return bool(_inquired(country, addressee))
    return None


def _newcomer(country: Country) -> str:
    """Somebody who is born in X市 today, about whom Y市 has something to tell; the addressee number in X市."""
    words = "--family 新 --given 葉 --family-kana シン --given-kana ヨウ --birth 2026-01-01 --sex 女 --lines 松町1番"
    printed = rotate(country, "birth", "--in", "x-city", *words.split(), group="register")
    at_x = printed.splitlines()[-1].split()[0]
    number = str(read_cell(country, topology.ledger_of("x-city"), NUMBER, at_x))
    x, y = Desk.of(country, "x-city"), Desk.of(country, "y-city")
    at_y = y.take_in(number, BASIS).addressee_number
    for desk, own in ((x, at_x), (y, at_y)):
        desk.issue_missing_codes(BASIS)
        until(lambda d=desk, o=own: _coded(country, d, o), SECONDS, "the link code")  # type: ignore[misc]
    tax = DatedItem(item="local-tax", valid_from=date(2026, 4, 1), valid_until=date(2027, 3, 31), body=TAX)
    assert y.place_copies((CopyOf(addressee_number=at_y, item=tax),)).placed == 1
    return at_x


def _coded(country: Country, desk: Desk, own: str) -> bool | None:
    exchange = topology.exchange_of(desk.institution)
    return bool(read_cell(country, exchange, CODED, own)) or None


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


def _inquired(country: Country, addressee: str) -> str:
    asked = Desk.of(country, "x-city").inquire(
        staff=STAFF, case=CASE, addressee_number=addressee, provider="y-city", affair=AFFAIR, items=("local-tax",),
        period=Period(since=date(2020, 4, 1)),
    )  # fmt: skip
    assert asked.outcome is Outcome.PROVIDED
    return asked.transaction


def _seen(country: Country, account: str, transaction: str) -> bool | None:
    return any(one.transaction == transaction for one in ResidentsBrowser.of(country).accesses(account)) or None
