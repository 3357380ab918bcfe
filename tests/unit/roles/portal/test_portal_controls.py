"""Somebody acts for another only as far and as long as that person says, and both see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from portal_site import PortalSite, portal_site
from sqlalchemy import select

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.roles.portal.service.closing import close_account
from kumihimo.roles.portal.service.mandates import Mandates
from kumihimo.roles.portal.store import account
from kumihimo.roles.portal.store_mandates import mandate, mandate_use
from kumihimo.roles.portal.store_site import login_card, session


@pytest.fixture
def site(tmp_path: Path, edge_of: Callable[[str], Edge]) -> Iterator[PortalSite]:
    with portal_site(tmp_path, edge_of("portal/portal")) as site:
        yield site


@pytest.fixture
def mother(site: PortalSite) -> str:
    return site.new_account()


@pytest.fixture
def daughter(site: PortalSite) -> str:
    return site.new_account()


def invite(site: PortalSite, giver: str, *scopes: str, last_day: str = "2026-06-30") -> str:
    site.log_in(giver)
    page = site.post("/controls/mandates", relation="child", scopes=list(scopes or ("records",)), last_day=last_day)
    found = re.search(r"<code>([A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4})</code>", page.text)
    assert found is not None, page.text
    return found[1]


def mandate_of(site: PortalSite) -> str:
    with site.store.reading() as reading:
        return str(reading.conn.scalar(select(mandate.c.mandate)))


def act(site: PortalSite, giver: str, holder: str, *scopes: str) -> str:
    """The holder is in the giver's account; the mandate."""
    invitation = invite(site, giver, *scopes)
    site.log_in(holder)
    assert site.post("/controls/mandates/accept", invitation=invitation).status_code == 303
    one = mandate_of(site)
    assert site.post(f"/controls/mandates/{one}/act").status_code == 303
    return one


def test_whoever_was_asked_acts_within_what_was_allowed(site: PortalSite, mother: str, daughter: str) -> None:
    act(site, mother, daughter, "records")
    page = site.client.get("/").text
    assert "ほかの人の代わりに" in page
    assert 'href="/records"' in page
    assert 'href="/information"' not in page
    assert site.client.get("/records").status_code == 200
    for closed in ("/information", "/controls", "/controls/close"):
        assert site.client.get(closed).status_code == 403
    assert site.post("/controls/close", confirmed="CLOSE").status_code == 403
    assert site.post("/controls/back").headers["Location"] == "/"
    assert "ほかの人の代わりに" not in site.client.get("/").text


def test_both_see_the_mandate_and_when_it_was_used(site: PortalSite, mother: str, daughter: str) -> None:
    act(site, mother, daughter, "records", "information")
    site.client.get("/information")
    for person, words in ((mother, "あなたがたのんだ代理"), (daughter, "あなたがたのまれた代理")):
        site.log_in(person)
        page = site.client.get("/controls/mandates").text
        assert words in page
        assert "有効" in page
        assert "まだありません" not in page
        assert re.search(r"<dt>使われた日時</dt><dd>[^<]+ わたしの情報</dd>", page), page
    stranger = site.log_in()
    assert stranger
    assert "代理はありません" in site.client.get("/controls/mandates").text


@pytest.mark.parametrize("by", ["giver", "holder"])
def test_either_ends_it_and_a_session_that_is_acting_is_back_at_once(
    site: PortalSite, mother: str, daughter: str, by: str
) -> None:
    one = act(site, mother, daughter)
    Mandates(site.store, site.site.randomness, site.clock).revoke(mother if by == "giver" else daughter, one)
    answer = site.client.get("/records")
    assert (answer.status_code, "mandate.over" in answer.text) == (403, True)
    assert "ほかの人の代わりに" not in site.client.get("/").text


def test_after_its_last_day_a_mandate_opens_nothing(site: PortalSite, mother: str, daughter: str) -> None:
    one = act(site, mother, daughter)
    site.clock.at += timedelta(days=28)
    site.log_in(daughter)
    assert site.post(f"/controls/mandates/{one}/act").status_code == 403
    assert "期限切れ" in site.client.get("/controls/mandates").text


def test_an_invitation_is_for_one_person_for_a_day_and_not_for_its_giver(
    site: PortalSite, mother: str, daughter: str
) -> None:
    invitation = invite(site, mother)
    assert site.post("/controls/mandates/accept", invitation=invitation).status_code == 422
    site.log_in(daughter)
    spelt = invitation.lower().replace("-", " ")
    assert site.post("/controls/mandates/accept", invitation=spelt).status_code == 303
    site.log_in()
    assert site.post("/controls/mandates/accept", invitation=invitation).status_code == 422
    late = invite(site, mother)
    site.clock.at += timedelta(hours=25)
    site.log_in(daughter)
    assert site.post("/controls/mandates/accept", invitation=late).status_code == 422


def test_invitations_cannot_be_tried_out(site: PortalSite, daughter: str) -> None:
    site.log_in(daughter)
    answers = [site.post("/controls/mandates/accept", invitation=f"AAAA-AAAA-{n:04d}").status_code for n in range(11)]
    assert answers == [422] * 10 + [429]


def test_nobody_uses_or_ends_a_mandate_of_others(site: PortalSite, mother: str, daughter: str) -> None:
    one = act(site, mother, daughter)
    site.log_in()
    for what in ("act", "revoke"):
        assert site.post(f"/controls/mandates/{one}/{what}").status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"relation": "boss"},
        {"scopes": []},
        {"scopes": ["controls"]},
        {"last_day": "2026-06-02"},
        {"last_day": "2036-06-02"},
        {"last_day": "soon"},
    ],
)
def test_a_mandate_that_makes_no_sense_is_not_given(site: PortalSite, mother: str, wrong: dict[str, object]) -> None:
    site.log_in(mother)
    fields = {"relation": "child", "scopes": ["records"], "last_day": "2026-06-30"} | wrong
    assert site.post("/controls/mandates", **fields).status_code == 422
    with site.store.reading() as reading:
        assert reading.conn.scalar(select(mandate.c.mandate)) is None


def test_a_closed_account_leaves_nothing_but_the_records(site: PortalSite, mother: str, daughter: str) -> None:
    act(site, mother, daughter)
    site.log_in(mother)
    assert site.post("/controls/close", confirmed="yes").status_code == 422
    answer = site.post("/controls/close", confirmed="閉じる")
    assert answer.headers["Location"] == "/goodbye"
    with site.store.reading() as reading:
        assert reading.conn.execute(select(login_card)).all() == []
        assert reading.conn.execute(select(mandate.c.giver, mandate.c.holder)).all() == [(None, daughter)]
        assert mother not in reading.conn.execute(select(session.c.account)).scalars().all()
        assert reading.conn.execute(select(account.c.account)).scalars().all() == [daughter]


def test_when_its_giver_closes_a_mandate_ends_and_stays_to_be_seen(
    site: PortalSite, mother: str, daughter: str
) -> None:
    one = act(site, mother, daughter)
    assert site.client.get("/records").status_code == 200
    close_account(site.store, mother, site.clock.now())
    assert "mandate.over" in site.client.get("/records").text
    (seen,) = site.site.mandates.seen_by(daughter)
    assert (seen.holds, seen.mandate.revoked_by, [use.topic for use in seen.uses]) == (False, "giver", ["records"])
    with pytest.raises(Problem, match="no mandate"):
        site.site.mandates.usable(daughter, one)
    close_account(site.store, daughter, site.clock.now())
    with site.store.reading() as reading:
        for table in (mandate, mandate_use):
            assert reading.conn.execute(select(table)).all() == []


def test_two_mandates_of_one_giver_do_not_add_up(site: PortalSite, mother: str, daughter: str) -> None:
    first = act(site, mother, daughter, "information")
    site.post("/controls/back")
    invitation = invite(site, mother, "records")
    site.log_in(daughter)
    site.post("/controls/mandates/accept", invitation=invitation)
    site.post(f"/controls/mandates/{first}/act")
    assert site.client.get("/information").status_code == 200
    assert site.client.get("/records").status_code == 403
