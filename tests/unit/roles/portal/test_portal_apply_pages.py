"""Applying as a resident sees it: one conversation, which papers are not needed and why, and a draft that stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from portal_site import PortalSite, portal_site

from kumihimo.country import topology
from kumihimo.domain.kernel import legal_day
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.roles.portal.service.procedures import MUNICIPALITY, life_events, papers

BOOK = RuleBook.load()


@pytest.fixture
def site(tmp_path: Path, edge_of: Callable[[str], Edge]) -> Iterator[PortalSite]:
    with portal_site(tmp_path, edge_of("portal/portal")) as site:
        site.log_in()
        yield site


def begin(site: PortalSite, event: str = "birth") -> str:
    answer = site.post(f"/apply/events/{event}")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def answered(site: PortalSite, path: str) -> None:
    """The birth of a child, answered to the end."""
    site.post(
        f"{path}/answers", municipality="x-city", child_name="総務一郎", child_birth="2026-05-20", other_children="1"
    )
    site.post(f"{path}/answers", works_for_state="no", vaccination_book="yes")
    assert site.post(f"{path}/answers", account="0001-001-1234567").status_code == 303


def test_a_life_event_asks_what_no_office_knows_and_then_says_who_gets_what(site: PortalSite) -> None:
    path = begin(site)
    page = site.client.get(path).text
    assert "お住まいの市町村" in page
    assert "子どもの氏名" in page
    assert "振込先" not in page, "it is asked of those alone who claim"
    answered(site, path)
    check = site.client.get(path).text
    assert "児童手当の認定請求" in check
    assert "<s>所得証明書（課税証明書）</s>" in check
    assert "役所が自分で照会できます（番号法 別表第二 74の項）" in check
    assert "令和8年6月4日" in check, "15 days after the birth"
    assert "予防接種予診票の交付申込み" in check
    assert "カードで署名して送る" in check


def test_a_draft_stays_for_its_owner_and_goes_when_they_say_so(site: PortalSite) -> None:
    path = begin(site)
    answered(site, path)
    assert "書きかけが1件あります" in site.client.get("/").text
    assert path in site.client.get("/apply").text
    changed = site.client.get(f"{path}?change=1").text
    assert 'value="総務一郎"' in changed
    assert site.post(f"{path}/answers", works_for_state="yes", vaccination_book="no").status_code == 303
    assert "必要な手続はありません" in site.client.get(path).text
    owner = site.client.cookies["__Host-session"]
    site.log_in()
    assert site.client.get(path).status_code == 404
    assert site.post(f"{path}/answers", child_name="x").status_code == 404
    site.client.cookies.clear()
    site.client.cookies.set("__Host-session", owner)
    assert site.post(f"{path}/discard").status_code == 303
    assert site.client.get(path).status_code == 404


def test_a_wrong_answer_is_named_and_nothing_is_changed(site: PortalSite) -> None:
    path = begin(site)
    answer = site.post(f"{path}/answers", municipality="nowhere", child_name="総務一郎")
    assert "institution.unknown" in answer.text
    assert site.post(f"{path}/answers", municipality="x-city", child_birth="2026-02-30").status_code == 422
    number = site.post(f"{path}/answers", municipality="x-city", child_name="1234 5678 9012")
    assert (number.status_code, "correction.number" in number.text) == (422, True)
    assert 'value=""' in site.client.get(path).text
    assert site.post("/apply/events/party").status_code == 404


def test_nothing_is_signed_before_all_is_answered_or_without_a_form_of_ours(site: PortalSite) -> None:
    path = begin(site)
    headers = {"Origin": "https://portal.test", "X-Kumihimo-Token": site.token(path)}
    early = site.client.post(f"{path}/prepare", json={"certificate": "AA=="}, headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "application.incomplete")
    none = site.client.post(f"{path}/sign", json={"signature": "AA=="}, headers=headers)
    assert (none.status_code, none.json()["code"]) == (409, "application.not_prepared")
    assert site.client.post(f"{path}/sign", json={"signature": "AA=="}).status_code == 403


def test_under_a_mandate_for_applications_and_no_other(site: PortalSite) -> None:
    giver = site.log_in()
    path = begin(site)
    for scope, status in (("apply", 200), ("records", 403)):
        mandates = site.site.mandates
        invitation = mandates.give(giver, "child", frozenset({scope}), legal_day(site.clock.now()))
        held = mandates.accept(site.log_in(), invitation)
        assert site.post(f"/controls/mandates/{held.id}/act").status_code == 303
        assert site.client.get(path).status_code == status
        assert site.client.get("/apply").status_code == status


def test_a_draft_is_not_readable_in_the_store(site: PortalSite, tmp_path: Path) -> None:
    answered(site, begin(site))
    dump = (tmp_path / "portal.db").read_bytes() + (tmp_path / "portal.db-wal").read_bytes()
    assert b"birth" in dump
    for secret in ("総務一郎", "0001-001-1234567", "2026-05-20"):
        assert secret.encode() not in dump


@pytest.mark.parametrize("name", life_events())
def test_every_affair_stands_in_the_rule_book_and_every_item_in_its_catalogue(name: str) -> None:
    event = life_events()[name]
    x_city = topology.institutions()["x-city"]
    for procedure in event.procedures:
        assert procedure.affair in BOOK.affairs, procedure.id
        assert re.search(r"[条項]", procedure.law)
        if procedure.to == MUNICIPALITY:
            assert papers(procedure, x_city, BOOK, date(2026, 11, 24))
        else:
            assert [one for one in topology.institutions().values() if procedure.to in one.classes], procedure.to
    known = {"family-register", "funeral-receipt"}
    items = {paper.item for procedure in event.procedures for paper in procedure.attachments}
    assert items <= known | set(BOOK.information_classes)
