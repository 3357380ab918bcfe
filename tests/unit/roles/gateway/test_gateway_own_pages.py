"""The pages of own information as a browser meets them, with real operators and exchanges behind them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from gateway_country import ITEM, PORTAL, Case
from own_portal import OwnPortal, flagged, own_portal

from kumihimo.domain.kernel import PartyId, SystemRandomness, legal_day
from kumihimo.domain.law import RuleBook
from kumihimo.domain.web_eid import TrustedIssuers
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.information import Corrections, ShowCorrections
from kumihimo.roles.portal.pages import information
from kumihimo.roles.portal.service.applying import Applications
from kumihimo.roles.portal.service.inbox import Inboxes
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.safe import SAFE_KEY, Safe
from kumihimo.roles.portal.service.waking import Waking
from kumihimo.roles.portal.site import COOKIE, Site, build_site

ORIGIN = "https://portal.test"


@dataclass
class Browser:
    """Hanako's browser, logged in."""

    portal: OwnPortal
    site: Site
    client: TestClient

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text[:2000]
        return unescape(answer.text)

    def post(self, path: str, **form: Any) -> httpx.Response:
        found = re.search(r'name="session-token" content="([^"]+)"', self.client.get("/information/corrections").text)
        assert found is not None
        return self.client.post(path, data={"token": unescape(found[1]), **form}, headers={"Origin": ORIGIN})

    def ask(self) -> None:
        assert self.post("/information/ask").headers["location"] == "/information"


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    def nobody(*_: Any) -> Any:
        raise AssertionError("not needed here")

    with own_portal(case) as portal:
        edge = portal.country.edge(PORTAL)
        client = PeerClient(edge)
        keys = LinkKeys(edge, client)
        safe = Safe(read_secret(edge.identity.folder / SAFE_KEY))
        waking = Waking(portal.store, safe, edge.clock, SystemRandomness(), ORIGIN)
        inboxes = Inboxes(portal.store, safe, edge, client, waking)
        site = Site(
            store=portal.store,
            edge=edge,
            client=client,
            clock=portal.country.clock,
            randomness=SystemRandomness(),
            settings=portal.settings,
            book=RuleBook.load(),
            secret=lambda epoch: keys.secret(f"portal#{epoch}"),
            records=RecordList(portal.store, nobody, nobody),
            inboxes=inboxes,
            waking=waking,
            applications=Applications(
                portal.store, safe, edge, client, edge.clock, SystemRandomness(), TrustedIssuers(()), nobody
            ),
            origin=ORIGIN,
            authentication=TrustedIssuers(()),
            signature=TrustedIssuers(()),
            status=nobody,
            account_of=nobody,
        )
        app = build_site(site, (information.mount,))
        with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
            client.cookies.set(COOKIE, site.sessions.begin(portal.account))
            yield Browser(portal, site, client)


def test_nobody_is_asked_before_the_button_is_pressed_and_the_page_says_whom_it_would_ask(browser: Browser) -> None:
    page = browser.page("/information")
    assert "まだ問い合わせていません" in page
    assert "日本年金機構" in page
    assert not [path for _, _, path, _, _ in browser.portal.country.carried if path == "/inquiries"]


def test_her_tax_is_there_in_words_and_in_a_table_and_in_english_too(browser: Browser) -> None:
    browser.ask()
    page = browser.page("/information")
    assert "令和7年度の住民税は188,500円です" in page
    details = browser.page(f"/information/items/{ITEM}")
    assert "Y市" in details
    assert re.search(r"給与収入額</th>\s*<td>4,200,000円", details)
    english = browser.page(f"/information/items/{ITEM}?lang=en")
    assert "Y City" in english
    assert "¥4,200,000" in english


def test_the_sheet_and_the_files_hold_what_came_and_are_for_no_cache(browser: Browser) -> None:
    browser.ask()
    assert re.search(
        r"給与の収入金額</th>\s*<td>2024</td>\s*<td class=\"number\">4,200,000円", browser.page("/information/tax")
    )
    answer = browser.client.get("/information/download.json")
    assert answer.headers["cache-control"] == "no-store"
    assert next(one for one in json.loads(answer.text)["answers"] if one["state"] == "provided")["item"] == ITEM
    assert "4200000" in browser.client.get("/information/download.csv").text


def test_what_is_withheld_is_named_without_a_reason_and_an_office_out_of_reach_is_named_too(
    case: Case, browser: Browser
) -> None:
    flagged(case, FlagKind.NON_DISCLOSURE)
    browser.portal.country.down.add(PartyId("z-town/exchange"))
    browser.ask()
    page = browser.page("/information")
    assert re.search(r"Y市</td>\s*<td>税</td>\s*<td>表示できません。理由はお知らせできません", page)
    assert "いまはつながりません" in page
    assert "188,500" not in page
    browser.page(f"/information/items/{ITEM}", 404)


def test_another_session_sees_nothing_of_it_and_nothing_is_asked_by_a_forged_form(browser: Browser) -> None:
    browser.ask()
    browser.client.cookies.set(COOKIE, browser.site.sessions.begin(browser.portal.account))
    assert "まだ問い合わせていません" in browser.page("/information")
    browser.page("/information/download.json", 409)
    forged = browser.client.post("/information/ask", data={"token": "x"}, headers={"Origin": "https://evil.test"})
    assert forged.status_code == 403


def test_nothing_of_it_is_in_the_portals_store(browser: Browser) -> None:
    browser.ask()
    browser.portal.pull()
    with browser.portal.country.engine(PORTAL).connect() as conn:
        dump = "\n".join(conn.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    assert "188500" not in dump
    assert "4200000" not in dump
    assert "assessed_on" not in dump


def test_a_correction_is_asked_for_by_the_form_and_the_office_reads_what_was_written(
    case: Case, browser: Browser
) -> None:
    browser.ask()
    found = re.search(r"transaction=([0-9a-f]{32})", browser.page(f"/information/items/{ITEM}"))
    assert found is not None
    assert "Y市" in browser.page(f"/information/correct?transaction={found[1]}")
    answer = browser.post("/information/correct", transaction=found[1], says="扶養は2人です。")
    assert answer.headers["location"] == "/information/corrections?sent=1"
    page = browser.page("/information/corrections?sent=1")
    assert "申出を受け付けました" in page
    assert "確認中です" in page
    assert "扶養は2人です" not in page, "what was written is at the office only"
    shown = case.y.client.send("/corrections/shown", case.y.message(ShowCorrections, case.y.exchange), Corrections)
    assert [(one.transaction, one.says) for one in shown.value.corrections] == [(found[1], "扶養は2人です。")]


def test_who_acts_under_a_mandate_without_this_topic_sees_no_page_of_it(browser: Browser) -> None:
    site, today = browser.site, legal_day(browser.site.clock.now())
    with site.store.transaction() as transaction:
        transaction.open_account("d" * 32, "e" * 64, "x-city", site.clock.now())
        transaction.give_code("d" * 32, bytes(32), 1)
    invitation = site.mandates.give(browser.portal.account, "child", frozenset({"notices"}), today)
    held = site.mandates.accept("d" * 32, invitation)
    cookie = site.sessions.begin("d" * 32)
    visitor = site.sessions.visitor(cookie)
    assert visitor is not None
    site.sessions.act(visitor, held.id)
    browser.client.cookies.set(COOKIE, cookie)
    browser.page("/information", 403)
    browser.page("/information/corrections", 403)


def test_after_the_log_out_nothing_of_a_look_up_is_left_in_memory(browser: Browser) -> None:
    browser.ask()
    visitor = browser.site.sessions.visitor(browser.client.cookies[COOKIE])
    assert visitor is not None
    assert browser.site.home_cards["information"](visitor).lines[-1] == "税"
    browser.site.end(visitor)
    assert "税" not in browser.site.home_cards["information"](visitor).lines
