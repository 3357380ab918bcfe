"""A country says how it is without telling about anybody, and what was backed up comes back: whole, or not at all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumihimo.country import founding, topology
from kumihimo.country.archive import MANIFEST
from kumihimo.country.backup import back_up, back_up_keys, digests_now, restore, restore_parties
from kumihimo.country.desk import Desk, ResidentsBrowser, edge_of
from kumihimo.country.drills.restore import drill_restore
from kumihimo.country.layout import MONITOR, Country
from kumihimo.country.running import issue_codes, states
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.first_case import AFFAIR, CASE, STAFF, FirstCase
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import Problem, SystemClock, legal_day
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.inquiry import Period

DASHBOARD = Path(__file__).parents[2] / "ops" / "grafana-dashboard.json"


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def scraped(country: Country, case: FirstCase) -> dict[str, str]:
    """Party → its metrics, after the first case, as the scraper gets them."""
    assert case.verified
    client = PeerClient(edge_of(country, MONITOR))
    found = {one.party: client.get(one.party, "/metrics").decode() for one in topology.services()}
    client.close()
    return found


def test_every_service_of_a_country_that_is_up_becomes_ready(country: Country) -> None:
    until(lambda: all(one.ready for one in states(country)) or None, 30, "readiness")
    assert len(states(country)) == len(topology.services())


def test_some_service_shows_every_metric_of_the_dashboard(scraped: dict[str, str]) -> None:
    shown = {name for text in scraped.values() for name in re.findall(r"^(\w+)[{ ]", text, re.MULTILINE)}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    wanted = {n for p in panels for t in p["targets"] for n in re.findall(r"\b(?:kumihimo|process)_\w+", t["expr"])}
    problems = {"kumihimo_problems_total"}  # appears with the first problem
    assert sorted(wanted - shown - problems) == []


def test_metrics_tell_of_counts_and_of_nobody(country: Country, case: FirstCase, scraped: dict[str, str]) -> None:
    assert 'kumihimo_requests_total{method="POST",path="/inquiries",status="200"}' in scraped["hub-1/operator"]
    assert re.search(r'codes_issued_total\{institution="x-city"\} [1-9]', scraped["registry/network"])
    told = [
        (party, needle.name)
        for party, text in scraped.items()
        for needle in first_case.needles(country, case)
        if needle.within(text.encode()) and needle.name != "tax"  # a round amount may be anybody's count
    ]
    assert told == []


def test_the_drill_of_a_restore_proves_the_backup_of_a_country_in_use(
    country: Country, case: FirstCase, tmp_path: Path
) -> None:
    done = drill_restore(country, tmp_path, _silent)
    assert (done.stores, done.services) == (28, 28)
    assert done.tables > 150
    assert done.rows > 1000
    assert done.verified_after > done.verified_before > 0
    assert done.transaction != case.granted.transaction
    assert done.proofs >= 2
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A small country whose parts may be lost."""
    today = legal_day(SystemClock().now())
    return founding.found(tmp_path_factory.mktemp("operations") / "country", 12, 3, today, _silent)


def _ask(country: Country, addressee_number: str) -> None:
    Desk.of(country, "x-city").inquire(
        staff=STAFF, case=CASE, addressee_number=addressee_number, provider="y-city", affair=AFFAIR,
        items=("local-tax",), period=Period(),
    )  # fmt: skip


def _shows(country: Country, account: str, count: int) -> None:
    """Wait until the portal shows so many accesses."""
    until(lambda: len(ResidentsBrowser.of(country).accesses(account)) >= count or None, 20, f"{count} accesses shown")


def _lose(country: Country, party: str) -> None:
    for file in country.home(topology.PartyId(party)).glob("store.db*"):
        file.unlink()


def test_a_portal_or_an_operator_2_restored_from_an_old_backup_loses_no_later_access(
    own: Country, tmp_path: Path
) -> None:
    with running(own):
        issue_codes(own, _silent)
        case = first_case.play(own)
        number = case.addressee.addressee_number
        _shows(own, case.account, 2)
        back_up(own.folder, tmp_path / "archive", _silent, ("portal/portal", "hub-2/operator"))
        _ask(own, number)
        _shows(own, case.account, 3)
    _lose(own, "portal/portal")
    restore_parties(tmp_path / "archive", own.folder, _silent, ("portal/portal",))
    with running(own):
        _shows(own, case.account, 3)
    _lose(own, "hub-2/operator")
    restore_parties(tmp_path / "archive", own.folder, _silent, ("hub-2/operator",))
    with running(own):
        _ask(own, number)
        _shows(own, case.account, 4)


@pytest.fixture(scope="module")
def archives(own: Country, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A backup of the small country, and one of its keys."""
    folder = tmp_path_factory.mktemp("archives")
    back_up(own.folder, folder / "stores", _silent)
    back_up_keys(own.folder, folder / "keys")
    yield folder / "stores", folder / "keys"
    shutil.rmtree(folder)


def test_a_backup_holds_no_key_and_nobody_else_can_read_it(own: Country, archives: tuple[Path, Path]) -> None:
    stores, keys = archives
    secrets = {file.read_bytes() for file in own.folder.rglob("*") if file.suffix in (".key", ".seed")}
    assert len(secrets) > 100
    assert not [file for file in stores.rglob("*") if file.is_file() and file.read_bytes() in secrets]
    assert secrets <= {file.read_bytes() for file in keys.rglob("*") if file.is_file()}
    files = [path for folder in archives for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in (*files, *archives) if path.stat().st_mode & 0o077]


def test_a_restored_country_has_the_same_rows_files_and_modes(
    own: Country, archives: tuple[Path, Path], tmp_path: Path
) -> None:
    stores, keys = archives
    restore(stores, tmp_path / "country", _silent, keys)
    assert digests_now(tmp_path / "country") == digests_now(own.folder)

    def files(folder: Path) -> dict[str, tuple[int, bytes]]:
        return {
            str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(("store.db", "program.log", "deaths"))
        }

    assert files(tmp_path / "country") == files(own.folder)


@pytest.mark.parametrize("damage", ["changed", "missing", "unfinished", "leading out"])
def test_a_damaged_backup_is_refused_before_anything_is_restored(
    archives: tuple[Path, Path], tmp_path: Path, damage: str
) -> None:
    copy = tmp_path / "archive"
    shutil.copytree(archives[0], copy)
    store = copy / "stores" / "x-city.exchange"
    match damage:
        case "changed":
            store.write_bytes(store.read_bytes()[:-1] + b"?")
        case "missing":
            store.unlink()
        case "unfinished":
            (copy / MANIFEST).unlink()
        case _:
            text = (copy / MANIFEST).read_text()
            (copy / MANIFEST).write_text(text.replace('"country.toml"', '"../country.toml"'))
    with pytest.raises(Problem) as caught:
        restore(copy, tmp_path / "country", _silent)
    assert caught.value.code in ("backup.damaged", "file.unreadable")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_nothing_that_exists_is_overwritten(own: Country, archives: tuple[Path, Path]) -> None:
    stores, _ = archives
    before = digests_now(own.folder)
    with pytest.raises(Problem) as over:
        restore(stores, own.folder, _silent)
    with pytest.raises(Problem) as party:
        restore_parties(stores, own.folder, _silent, ("x-city/exchange",))
    with pytest.raises(Problem) as again:
        back_up(own.folder, stores, _silent)
    with pytest.raises(Problem) as nobody:
        restore_parties(stores, own.folder, _silent, ("w-city/exchange",))
    assert [one.value.code for one in (over, party, again, nobody)] == [
        "country.exists", "store.not_empty", "backup.exists", "peer.unknown",
    ]  # fmt: skip
    assert digests_now(own.folder) == before
