"""Own information in a real browser: by keyboard, for everybody (axe), at 320 pixels, in print; with years in pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from card_programs import missing
from free_ports import free_port
from kumihimo.country import topology
from kumihimo.country.keys import PartyPlan, Root, write_directory
from kumihimo.country.people.attributes import information_about
from kumihimo.country.people.population import households
from kumihimo.domain.kernel import JAPAN, PartyId, SystemClock, SystemRandomness
from kumihimo.domain.kernel.fiscal import FiscalYear
from kumihimo.domain.law import RuleBook
from kumihimo.domain.web_eid import TrustedIssuers
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.plumbing.web.certificate import CERTIFICATE, KEY, make_certificate
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.plumbing.wire.public_door import PublicDoor
from kumihimo.roles.portal.pages import information
from kumihimo.roles.portal.service.applying import Applications
from kumihimo.roles.portal.service.inbox import Inboxes
from kumihimo.roles.portal.service.information import Information
from kumihimo.roles.portal.service.look_ups import Answered, Looked, Question, State
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.safe import Safe
from kumihimo.roles.portal.service.waking import Waking
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.site import COOKIE, Site, build_site
from kumihimo.roles.portal.store import MIGRATIONS, PortalStore

PAGES = ("", "/items/local-tax", "/items/pension", "/items/health-check", "/items/vaccination", "/tax", "/corrections")


class FromThePeople(Information):
    """Answers with what the country's people file says of Hanako: the providers' part is shown without a browser elsewhere."""

    def ask(self, account: str, own: bool = True, wanted: Any = None) -> Looked:
        now = self._edge.clock.now()
        today = now.astimezone(JAPAN).date()
        held: dict[Question, list[DatedItem]] = {}
        home = next(households(3, 1, today=today))
        for one in information_about(home, 1, today=today):
            if one.resident == 0:
                year = None if one.fiscal_year is None else FiscalYear(one.fiscal_year)
                since, until = (year.start, year.end) if year else (one.valid_from, one.valid_to)
                assert since is not None
                item = DatedItem(item=one.item, valid_from=since, valid_until=until, body=dict(one.body))
                held.setdefault(Question(one.provider, one.item), []).append(item)
        numbered = enumerate(held.items(), 1)
        found = [Answered(question, State.PROVIDED, f"{n:032x}", tuple(items)) for n, (question, items) in numbered]
        withheld = Answered(Question("ko-pref", "disability-certificate"), State.WITHHELD, "e" * 32)
        down = Answered(Question("student-aid", "student-aid"), State.UNREACHABLE, "f" * 32)
        return Looked(now, (*found, withheld, down))


@dataclass
class Running:
    """The site and the cookie of a session in it."""

    origin: str
    cookie: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("information")
    parties = (topology.HUB_1, topology.HUB_2, topology.PORTAL, *map(topology.exchange_of, topology.institutions()))
    root = Root(folder / "root", datetime.now(UTC))
    plans = tuple(PartyPlan(one, folder / one, "https://127.0.0.1:9") for one in parties)
    entries = tuple(root.equip(plan) for plan in plans)
    write_directory(
        folder / "directory.json", (*topology.institutions().values(), *topology.central().values()), entries, plans
    )
    identity = Identity(PartyId("portal/portal"), folder / topology.PORTAL)
    edge = Edge(identity, Directory.load(folder / "directory.json", identity.anchors()), SystemClock())
    url = f"sqlite:///{folder}/portal.db"
    migrate(open_engine(url), MIGRATIONS)
    store, client = PortalStore(open_engine(url)), PeerClient(edge)
    port = free_port()
    origin = f"https://localhost:{port}"

    def nobody(*_: Any) -> Any:
        raise AssertionError("not needed here")

    settings = Settings(
        party="portal/portal", keys=folder, directory=folder, store=url, port=1, log_key="unused"
    )  # fmt: skip
    safe = Safe(bytes(32))
    waking = Waking(store, safe, edge.clock, SystemRandomness(), origin)
    site = Site(
        store=store, edge=edge, client=client, clock=SystemClock(), randomness=SystemRandomness(), settings=settings,
        book=RuleBook.load(), secret=nobody, records=RecordList(store, nobody, nobody), origin=origin,
        inboxes=Inboxes(store, safe, edge, client, waking), waking=waking,
        applications=Applications(store, safe, edge, client, edge.clock, SystemRandomness(), TrustedIssuers(()), nobody),
        authentication=TrustedIssuers(()), signature=TrustedIssuers(()), status=nobody, account_of=nobody,
    )  # fmt: skip
    found = FromThePeople(store, edge, client, RuleBook.load(), nobody, SystemRandomness())
    app = build_site(site, (lambda built, made: information.mount(built, made, found),))
    with store.transaction() as transaction:
        transaction.open_account("a" * 32, "b" * 64, "x-city", datetime.now(UTC))
        transaction.give_code("a" * 32, bytes(32), 1)
    make_certificate(folder, "localhost", "My Portal", SystemClock())
    door = PublicDoor(app, "127.0.0.1", port, (folder / CERTIFICATE, folder / KEY))
    door.start()
    yield Running(origin, site.sessions.begin("a" * 32))
    door.stop()
    found.close()


@pytest.fixture
def page(driver: Any, site: Running) -> Iterator[Any]:
    if lacking := missing("chromium"):
        pytest.skip("NOT RUN for want of " + ", ".join(lacking))
    browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1000, "height": 800})
    context.add_cookies([{"name": COOKIE, "value": site.cookie, "url": site.origin, "secure": True, "httpOnly": True}])
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    yield opened
    browser.close()


def ask_by_keyboard(page: Any, site: Running) -> None:
    page.goto(f"{site.origin}/information")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("form[action='/information/ask'] button:focus").count():
            page.keyboard.press("Enter")
            page.locator(".card").first.wait_for()
            return
    raise AssertionError("the button is not reached by the keyboard")


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_own_information_is_for_everybody_at_any_width_and_in_print(page: Any, site: Running, lang: str) -> None:
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
    ask_by_keyboard(page, site)
    for path in PAGES:
        page.set_viewport_size({"width": 1000, "height": 800})
        page.goto(f"{site.origin}/information{path}?lang={lang}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        page.emulate_media(media="print")
        assert page.locator("h1").is_visible()
        page.emulate_media(media="screen")
    assert not refused


def test_her_pension_is_drawn_over_the_years_and_every_value_stands_in_the_table(page: Any, site: Running) -> None:
    ask_by_keyboard(page, site)
    page.locator("a[href='/information/items/pension']").click()
    bars = page.locator("svg.chart rect.bar")
    rows = page.locator("table:has(caption) tbody tr")
    assert bars.count() == rows.count() >= 5
    assert all(one["height"] > 1 for one in (bars.nth(n).bounding_box() for n in range(bars.count())))
    page.goto(f"{site.origin}/information")
    assert "表示できません。理由はお知らせできません" in page.locator("main").inner_text()
    with page.expect_download() as saved:
        page.locator("a[href='/information/download.csv']").click()
    assert saved.value.suggested_filename == "my-information.csv"
