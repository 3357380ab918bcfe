"""A resident's session is theirs alone: it is forgotten at log-out, and nothing can be done in it from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from portal_site import ORIGIN, PortalSite, portal_site
from sqlalchemy import func, select

from kumihimo.domain.kernel import FixedClock, Problem, SeededRandomness, SystemRandomness
from kumihimo.domain.web_eid import Token, challenge_digest
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.ocsp_client import OcspClient
from kumihimo.roles.portal import rendering
from kumihimo.roles.portal.rendering import texts
from kumihimo.roles.portal.service.accounts import give_code, ticket_hash
from kumihimo.roles.portal.service.log_ins import LogIns
from kumihimo.roles.portal.site import COOKIE, TOKEN_HEADER
from kumihimo.roles.portal.store import account
from small_jpki import SmallJpki, card_signature, der, rsa_key

HANAKO = rsa_key("Hanako")


@pytest.fixture
def jpki() -> SmallJpki:
    return SmallJpki(now=datetime.now(UTC))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def site(tmp_path: Path, edge_of: Callable[[str], Edge], jpki: SmallJpki, clock: FixedClock) -> Iterator[PortalSite]:
    tickets: dict[str, str] = {}

    def account_of(serial: str) -> str:
        account = LogIns(
            browser.store, bytes(32), lambda serial, ticket: tickets.update({serial: ticket}), SystemRandomness(), clock
        ).account_of(serial)
        if serial in tickets:
            with browser.store.transaction() as transaction:
                give_code(transaction, account, serial.encode().ljust(32)[:32], 1)
        return account

    with (
        jpki.responder(),
        portal_site(
            tmp_path,
            edge_of("portal/portal"),
            authentication=jpki.trusted(),
            status=OcspClient(SeededRandomness(5), clock),
            account_of=account_of,
        ) as browser,
    ):
        yield browser


def log_in(site: PortalSite, jpki: SmallJpki, origin: str = ORIGIN, revoked: bool = False) -> httpx.Response:
    headers = {TOKEN_HEADER: site.token(), "Origin": ORIGIN}
    nonce = site.client.post("/login/challenge", headers=headers).json()["nonce"]
    certificate = jpki.issue("authentication", HANAKO)
    if revoked:
        jpki.revoke(certificate)
    token = Token(der(certificate), "RS256", card_signature(HANAKO, challenge_digest("RS256", origin, nonce)), "test/1")
    return site.client.post("/login", headers=headers, json=token.document())


def test_a_card_logs_in_and_its_holder_sees_the_start_page(site: PortalSite, jpki: SmallJpki) -> None:
    assert site.client.get("/").headers["Location"] == "/login"
    assert log_in(site, jpki).json() == {"next": "/"}
    page = site.client.get("/")
    assert page.status_code == 200
    assert "あなたのポータル" in page.text
    assert "Your portal" in site.client.get("/?lang=en").text


def test_the_secret_of_a_browser_changes_at_the_log_in(site: PortalSite, jpki: SmallJpki) -> None:
    site.token()
    slipped_in = site.client.cookies[COOKIE]
    log_in(site, jpki)
    assert site.client.cookies[COOKIE] != slipped_in
    site.client.cookies.set(COOKIE, slipped_in)
    assert site.client.get("/").headers["Location"] == "/login"


def test_a_token_made_for_another_site_does_not_log_in(site: PortalSite, jpki: SmallJpki) -> None:
    answer = log_in(site, jpki, origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (401, "login.signature")
    assert site.client.get("/").status_code == 303


def test_a_revoked_certificate_does_not_log_in(site: PortalSite, jpki: SmallJpki) -> None:
    assert log_in(site, jpki, revoked=True).json()["code"] == "login.revoked"


def test_a_challenge_is_used_once(site: PortalSite, jpki: SmallJpki) -> None:
    headers = {TOKEN_HEADER: site.token(), "Origin": ORIGIN}
    nonce = site.client.post("/login/challenge", headers=headers).json()["nonce"]
    signature = card_signature(HANAKO, challenge_digest("RS256", ORIGIN, nonce))
    token = Token(der(jpki.issue("authentication", HANAKO)), "RS256", signature, "test/1").document()
    assert site.client.post("/login", headers=headers, json=token).status_code == 200
    headers = {TOKEN_HEADER: site.token("/"), "Origin": ORIGIN}
    assert site.client.post("/login", headers=headers, json=token).json()["code"] == "login.nonce"


def test_after_the_log_out_a_stolen_cookie_opens_nothing(site: PortalSite) -> None:
    site.log_in()
    stolen = site.client.cookies[COOKIE]
    answer = site.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/goodbye")
    assert '"cookies"' in answer.headers["Clear-Site-Data"]
    site.client.cookies.set(COOKIE, stolen)
    assert site.client.get("/").headers["Location"] == "/login"


def test_the_next_person_finds_nothing_of_the_one_before(site: PortalSite) -> None:
    first = site.log_in()
    assert site.post("/next").headers["Location"] == "/login"
    second = site.log_in()
    assert first != second
    assert first not in site.client.get("/").text


@pytest.mark.parametrize(("minutes", "status"), [(14, 200), (16, 303)])
def test_whoever_is_away_too_long_is_logged_out(site: PortalSite, clock: FixedClock, minutes: int, status: int) -> None:
    site.log_in()
    clock.at += timedelta(minutes=minutes)
    assert site.client.get("/").status_code == status


def test_nobody_stays_logged_in_for_ever(site: PortalSite, clock: FixedClock) -> None:
    site.log_in()
    answers = []
    for _ in range(13):
        clock.at += timedelta(minutes=10)
        answers.append(site.client.get("/").status_code)
    assert answers == [200] * 11 + [303] * 2


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_a_form_from_elsewhere_does_nothing(site: PortalSite, origin: str | None) -> None:
    site.log_in()
    headers = {} if origin is None else {"Origin": origin}
    answer = site.client.post("/logout", data={"token": site.token("/")}, headers=headers)
    assert answer.status_code == 403
    assert site.client.get("/").status_code == 200


def test_a_form_without_its_token_does_nothing(site: PortalSite) -> None:
    site.log_in()
    assert site.client.post("/logout", data={"token": "guessed"}, headers={"Origin": ORIGIN}).status_code == 403
    assert site.client.post("/logout", headers={"Origin": ORIGIN}).status_code == 403
    assert site.client.get("/").status_code == 200


def test_every_answer_carries_the_strict_headers(site: PortalSite) -> None:
    for path in ("/login", "/nowhere", "/static/portal.js", "/"):
        headers = site.client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert site.client.get("/login").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/static/../settings.py", "/static/%2e%2e/site.py", "/shared/..%2f__init__.py", "//etc/passwd"]
)
def test_tricks_with_paths_find_nothing(site: PortalSite, path: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_a_body_that_is_too_large_is_refused_before_it_is_read(site: PortalSite) -> None:
    answer = site.client.post("/logout", content=b"x" * 300_000, headers={"Origin": ORIGIN})
    assert answer.status_code == 413


def test_an_unknown_page_says_that_nothing_happened(site: PortalSite) -> None:
    answer = site.client.get("/nowhere")
    assert answer.status_code == 404
    assert "何も送られていません" in answer.text


def test_whoever_tries_too_often_is_told_to_wait(site: PortalSite) -> None:
    headers = {TOKEN_HEADER: site.token(), "Origin": ORIGIN}
    answers = [site.client.post("/login/challenge", headers=headers) for _ in range(31)]
    assert [one.status_code for one in answers[-2:]] == [200, 429]
    assert answers[-1].headers["Retry-After"] == "60"


def test_every_text_is_there_in_both_languages() -> None:
    assert all(words["ja"] and words["en"] for words in texts().values())


def test_whatever_goes_wrong_is_told_in_the_resident_s_own_language(site: PortalSite) -> None:
    """Every problem that the portal itself raises has words; what others raise has the general ones."""
    folder = Path(rendering.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    raised = set(re.findall(r'Problem\(\s*"([a-z_]+\.[a-z_]+)"', sources))
    of_machines = {"message.replayed", "notice.not_announced", "notice.reference"}  # told to programs, not to people
    assert len(raised) > 30
    assert {code for code in raised - of_machines if f"problem.{code}" not in texts()} == set()
    site.log_in()
    answer = site.post("/controls/mandates/accept", invitation="AAAA-AAAA-AAAA")
    assert "この招待の番号は使えません" in answer.text
    assert "invitation" not in re.sub(r"<code>.*?</code>", "", answer.text)
    assert rendering.told("ja", "sealing.cannot_open") == rendering.word("ja", "problem.other")


@dataclass
class FirstLogIns:
    """Log-ins over a store, and the authority that is asked for codes."""

    site: PortalSite
    asked: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False

    def ask(self, serial: str, ticket: str) -> None:
        if self.down:
            raise Problem("peer.unreachable", "jpki/authority")
        self.asked.append((serial, ticket))

    def account_of(self, serial: str) -> str:
        return LogIns(self.site.store, bytes(32), self.ask, SystemRandomness(), self.site.clock).account_of(serial)

    def code_comes(self, code: bytes) -> None:
        with self.site.store.transaction() as transaction:
            account = transaction.account_awaiting(ticket_hash(self.asked[-1][1]))
            assert account is not None
            give_code(transaction, account, code, 1)


@pytest.fixture
def first(site: PortalSite) -> FirstLogIns:
    return FirstLogIns(site)


def test_a_first_log_in_opens_an_account_that_waits_for_its_code(site: PortalSite, first: FirstLogIns) -> None:
    opened = first.account_of("0a")
    site.log_in(opened)
    assert site.client.get("/").headers["Location"] == "/waiting"
    assert "準備しています" in site.client.get("/waiting").text
    first.code_comes(bytes(32))
    assert site.client.get("/waiting").headers["Location"] == "/"
    assert first.account_of("0a") == opened
    assert len(first.asked) == 1


def test_a_new_card_opens_the_account_its_holder_has(site: PortalSite, first: FirstLogIns) -> None:
    old = first.account_of("0a")
    first.code_comes(b"H" * 32)
    site.clock.at += timedelta(days=300)
    new = first.account_of("0b")
    assert new != old
    site.log_in(new)
    first.code_comes(b"H" * 32)
    assert site.client.get("/").status_code == 200
    assert first.account_of("0b") == first.account_of("0a") == old


def test_an_account_opened_at_a_counter_is_the_one_a_card_opens(site: PortalSite, first: FirstLogIns) -> None:
    counter = site.new_account(b"H" * 32)
    first.account_of("0a")
    first.code_comes(b"H" * 32)
    assert first.account_of("0a") == counter


def test_when_the_authority_is_away_no_account_is_left_behind(site: PortalSite, first: FirstLogIns) -> None:
    first.down = True
    with pytest.raises(Problem, match="unreachable"):
        first.account_of("0a")
    first.down = False
    first.account_of("0a")
    with site.store.reading() as reading:
        assert reading.conn.execute(select(func.count()).select_from(account)).scalar() == 1


def test_a_code_that_got_lost_is_asked_for_again_at_the_next_log_in(first: FirstLogIns) -> None:
    before = first.account_of("0a")
    assert first.account_of("0a") == before
    first.code_comes(bytes(32))
    assert first.account_of("0a") == before


def test_neither_a_cookie_nor_a_serial_number_can_be_read_out_of_the_store(
    site: PortalSite, first: FirstLogIns, tmp_path: Path
) -> None:
    serial = "5e71a1" * 4
    opened = first.account_of(serial)
    site.log_in(opened)
    first.code_comes(bytes(32))
    cookie = site.client.cookies[COOKIE]
    dump = (tmp_path / "portal.db").read_bytes() + (tmp_path / "portal.db-wal").read_bytes()
    assert opened.encode() in dump
    for secret in (serial, cookie):
        assert secret.encode() not in dump
        assert bytes.fromhex(serial) not in dump


def test_a_fault_of_ours_is_told_without_its_inside(site: PortalSite) -> None:
    app = site.site_app

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("select secret from table")

    site.log_in()
    browser = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False, cookies=dict(site.client.cookies))
    answer = browser.get("/broken")
    assert answer.status_code == 500
    assert "ポータルの側の故障です" in answer.text
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
