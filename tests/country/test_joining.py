"""An institution joins a country that runs, and leaves it; certificates are renewed while everybody works.

番号法 第二十一条. Nobody is restarted for it, and no inquiry that is under way meanwhile fails.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kumihimo.country import founding, joining, renewing, topology
from kumihimo.country.card_office import CardOffice
from kumihimo.country.desk import Desk, edge_of
from kumihimo.country.directories import await_taken, newest, without_institution
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import MONITOR, RESIDENT, Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.running import issue_codes, states
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import Supervisor, pids
from kumihimo.domain.kernel import Address, FourItems, PartyId, Problem, SystemClock, legal_day
from kumihimo.plumbing.storage import write_public
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import EndingCertificate
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem, Inquired
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind

NEW = "w-city"
SECONDS = 20.0


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """A small country of its own, up, with its supervisor on watch."""
    country = founding.found(
        tmp_path_factory.mktemp("joining") / "country", 12, 3, legal_day(SystemClock().now()), silent
    )
    stopping = threading.Event()
    supervisor = Supervisor(country, stopping=stopping)
    supervisor.start()
    watching = threading.Thread(target=supervisor.watch)
    watching.start()
    try:
        issue_codes(country, silent)
        yield country
    finally:
        stopping.set()
        watching.join(SECONDS)
        supervisor.stop()


@pytest.fixture(scope="module")
def number(here: Country) -> str:
    """The addressee number of 総務花子 at X市."""
    return Desk.of(here, "x-city").find(hanako(here.founded).four_items).addressee_number


@pytest.fixture(scope="module")
def joined(here: Country, number: str) -> Country:
    """The country after W市 has joined it, while X市 went on asking Y市."""
    new = joining.newcomer(here, NEW, "W市", "W City", ("city",), "992038")
    before = pids(here)
    with asking_all_the_time(here, number) as answers:
        larger = joining.join(here, new, STAFF, silent)
        joining.connect(larger, NEW, silent)
        answers()
    after = pids(here)
    assert {party: after[party] for party in before} == before
    assert sorted(set(after) - set(before)) == [topology.exchange_of(NEW), topology.ledger_of(NEW)]
    return larger


def ask(country: Country, requester: str, provider: str, addressee_number: str, item: str = "local-tax") -> Inquired:
    return Desk.of(country, requester).inquire(
        staff=STAFF, case=CASE, addressee_number=addressee_number, provider=provider, affair=AFFAIR, items=(item,),
        period=Period(),
    )  # fmt: skip


@contextmanager
def asking_all_the_time(country: Country, number: str) -> Iterator[Callable[[], None]]:
    """X市 asks Y市 again and again meanwhile; what is yielded waits for ten more answers. Every one must be an answer."""
    outcomes: list[Outcome | str] = []
    ending = threading.Event()

    def run() -> None:
        while not ending.is_set():
            try:
                outcomes.append(ask(country, "x-city", "y-city", number).outcome)
            except Problem as problem:
                outcomes.append(str(problem))

    def ten_more() -> None:
        wanted = len(outcomes) + 10
        until(lambda: True if len(outcomes) >= wanted else None, SECONDS, "ten inquiries")

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield ten_more
    finally:
        ending.set()
        for thread in threads:
            thread.join(SECONDS)
    assert set(outcomes) == {Outcome.PROVIDED}


def files_of(country: Country) -> dict[Path, bytes]:
    """What lies in the folder, but for what a running country writes by itself."""
    return {
        file: b"" if file.name.startswith(("store.db", "program.log")) else file.read_bytes()
        for file in sorted(country.folder.rglob("*"))
        if file.is_file()
    }


WRONG = [
    ({"identifier": "W"}, "institution.format"),
    ({"kinds": ("citty",)}, "value.invalid"),
    ({"kinds": ()}, "value.invalid"),
    ({"code": "992034"}, "value.invalid"),
    ({"code": "131016"}, "value.invalid"),
    ({"code": None}, "value.invalid"),
    ({"kinds": ("pension-service",)}, "value.invalid"),
    ({"name_ja": " "}, "value.invalid"),
    ({"code": "992011"}, "value.invalid"),
    ({"identifier": "x-city"}, "institution.exists"),
    ({"identifier": "hub-1"}, "institution.exists"),
]


@pytest.mark.parametrize(("wrong", "code"), WRONG, ids=[str(one) for one, _ in WRONG])
def test_who_may_not_join_is_told_why_before_anything_is_written(
    here: Country, wrong: dict[str, Any], code: str
) -> None:
    right = {"identifier": "v-city", "name_ja": "V市", "name_en": "V", "kinds": ("city",), "code": "992046"}
    before = files_of(here)
    with pytest.raises(Problem) as caught:
        joining.join(here, joining.newcomer(here, **{**right, **wrong}), STAFF, silent)
    assert caught.value.code == code
    assert files_of(here) == before


def test_a_city_that_joined_asks_about_its_resident_and_is_asked(joined: Country, number: str) -> None:
    person = hanako(joined.founded).four_items
    query = "SELECT individual_number FROM addressee WHERE addressee_number = ?"
    individual = read_cell(joined, topology.ledger_of("x-city"), query, number)
    desk = Desk.of(joined, NEW)
    desk.take_in(f"{int(individual):012}", "転入届")
    address = Address("甲県", "W市", "中央1丁目2番3号", "", joined.local_government_code(NEW))
    moved = FourItems(person.name, address, person.birth, person.sex)
    arrived = desk.find(person)
    desk.report(RegisterEventKind.MOVE, legal_day(SystemClock().now()), arrived.addressee_number, moved, "転入届")

    def outcome(requester: str, provider: str, about: str) -> Outcome | None:
        try:
            return ask(joined, requester, provider, about).outcome
        except Problem as problem:
            if problem.code != "addressee.no_code":  # the link code is under way
                raise
            desk.issue_missing_codes("番号法第二十一条第二項")
            return None

    asked = until(lambda: outcome(NEW, "y-city", arrived.addressee_number), SECONDS, "the link code")
    assert asked is Outcome.PROVIDED
    before = ask(joined, "x-city", NEW, number).outcome
    copies = ask(joined, "x-city", "y-city", number).items
    dated = DatedItem(
        item="local-tax", valid_from=copies[0].valid_from, valid_until=copies[0].valid_until, body=copies[0].body
    )
    desk.place_copies((CopyOf(addressee_number=arrived.addressee_number, item=dated),))
    assert (before, ask(joined, "x-city", NEW, number).outcome) == (Outcome.NONE, Outcome.PROVIDED)


def test_a_city_that_joined_has_a_card_window(joined: Country) -> None:
    office = CardOffice.of(joined, NEW)
    assert office.office_key.certificate
    assert office.ordinance_counters().code == "992038"


def test_everybody_uses_the_new_directory_and_refuses_an_older_one(joined: Country) -> None:
    document = newest(joined)
    signers = [Identity(operator, joined.keys(operator)) for operator in OPERATORS]
    older = without_institution(document, NEW).model_copy(update={"version": document.version - 1})
    kept = joined.directory.read_bytes()
    refused = _refusals(joined)
    write_public(joined.directory, seal_envelope(older, *signers).model_dump_json().encode())
    try:
        until(lambda: True if _refusals(joined) >= refused + len(joined.services()) else None, SECONDS, "the refusals")
    finally:
        write_public(joined.directory, kept)
    await_taken(joined, document.version)
    until(lambda: all(one.ready for one in states(joined)) or None, SECONDS, "readiness")


def _refusals(country: Country) -> int:
    logs = (country.home(service.party) / "program.log" for service in country.services())
    return sum(log.read_text().count("directory.refused") for log in logs)


class Broken(Exception):
    """The command is broken off here."""


@pytest.mark.parametrize("after", ["keys and certificates", "stores", "directory"])
def test_a_join_that_was_broken_off_goes_on(joined: Country, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = {"keys and certificates": "992046", "stores": "992054", "directory": "992062"}[after]
    name = {"keys and certificates": "v-city", "stores": "u-city", "directory": "t-city"}[after]
    new = joining.newcomer(joined, name, name, name, ("city",), code)

    def break_off(step: str, _done: int, _total: int) -> None:
        if step == after:
            raise Broken

    if after == "directory":
        monkeypatch.setattr(Country, "save", lambda _country: break_off("directory", 1, 1))
    with pytest.raises(Broken):
        joining.join(joined, new, STAFF, break_off)
    monkeypatch.undo()
    assert name not in {one.partition("/")[0] for one in pids(joined)}
    larger = joining.join(joined, new, STAFF, silent)
    assert joining.connect(larger, name, silent) == 0
    assert not (joined.folder / "joining").exists()
    joining.leave(larger, name, silent)
    gone = until(lambda: True if topology.ledger_of(name) not in pids(joined) else None, SECONDS, "its end")
    assert gone
    with pytest.raises(Problem) as caught:
        joining.join(Country.open(joined.folder), new, STAFF, silent)
    assert caught.value.code == "institution.exists"


def caller_with_keys_of(country: Country, party: PartyId, folder: Path) -> Edge:
    """The edge of a party as it was when its keys were copied to a folder."""
    now = edge_of(country, party)
    return Edge(Identity(party, folder), now.directory, now.clock)


def test_certificates_are_renewed_under_load_and_the_old_ones_end(joined: Country, number: str, tmp_path: Path) -> None:
    exchange = topology.exchange_of("x-city")
    shutil.copytree(joined.keys(RESIDENT), tmp_path / "resident")
    before = {party: renewing.certificate_of(joined, party) for party in joined.parties()}
    running = pids(joined)
    with (
        asking_all_the_time(joined, number) as answers,
        closing(PeerClient(caller_with_keys_of(joined, RESIDENT, tmp_path / "resident"))) as old,
        closing(PeerClient(edge_of(joined, MONITOR))) as monitor,
    ):
        assert monitor.get(exchange, "/health")
        renewed = renewing.renew(joined, joined.parties(), timedelta(seconds=15), silent)
        await_taken(joined, newest(joined).version)
        answers()
        assert old.look(exchange, "/ready").status_code == 200  # within the overlap
        answers()
        ended = until(
            lambda: found if (found := old.look(exchange, "/ready")).status_code != 200 else None, SECONDS, "the end"
        )
        assert (ended.status_code, b"peer.certificate_ended" in ended.content) == (403, True)
        answers()
        assert monitor.look(exchange, "/ready").status_code == 200  # it has taken its new one by itself
    assert pids(joined) == running
    assert all(one.sha256 != before[one.party].sha256 for one in renewed)
    assert renewing.due(joined, timedelta(days=3 * 365 - 1)) == []
    assert len(renewing.due(joined, timedelta(days=3 * 365 + 1))) == len(joined.parties())


def test_a_server_with_a_revoked_certificate_is_told_nothing(joined: Country) -> None:
    edge = edge_of(joined, MONITOR)
    server = topology.exchange_of("z-town")
    shown = renewing.certificate_of(joined, server)
    document = edge.directory.document
    now = edge.clock.now()
    parties = tuple(
        one.model_copy(update={"ending": (EndingCertificate(sha256=shown.sha256, until=now),)}) if one.party == server else one
        for one in document.parties
    )  # fmt: skip
    signers = [Identity(operator, joined.keys(operator)) for operator in OPERATORS]
    revoked = document.model_copy(update={"version": document.version + 1, "parties": parties})
    with closing(PeerClient(edge, timeout=3.0)) as client:
        assert edge.directory.take(seal_envelope(revoked, *signers))
        with pytest.raises(Problem) as caught:
            client.look(server, "/health")
    assert caught.value.code == "peer.unreachable"
    assert "CERTIFICATE_ENDED" in caught.value.detail


def test_who_the_country_was_founded_with_does_not_leave(joined: Country) -> None:
    with pytest.raises(Problem) as caught:
        joining.leave(joined, "x-city", silent)
    assert caught.value.code == "institution.unknown"
