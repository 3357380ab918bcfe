"""The card check page believes a card for itself only, keeps nothing, and speaks two languages in full."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi.testclient import TestClient

from kumihimo.domain.kernel import FixedClock, SystemClock
from kumihimo.domain.web_eid import Token, challenge_digest
from kumihimo.plumbing.web.certificate import make_certificate
from kumihimo.roles.card.check_site import CheckSiteSettings, build
from kumihimo.roles.card.check_site.api import COOKIE, TOKEN_HEADER
from kumihimo.roles.card.check_site.running import server
from kumihimo.roles.card.check_site.texts import LANGUAGES
from small_jpki import NOW, SmallJpki, card_signature, der, rsa_key

ORIGIN = "https://localhost:8443"
HANAKO = rsa_key("Hanako")


@pytest.fixture
def jpki() -> SmallJpki:
    return SmallJpki(now=datetime.now(UTC))


@pytest.fixture
def browser(jpki: SmallJpki, tmp_path: Path) -> Iterator[TestClient]:
    for kind, ca in jpki.cas.items():
        (tmp_path / f"{kind}.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    with jpki.responder():
        settings = CheckSiteSettings(tmp_path, tmp_path / "authentication.pem", tmp_path / "signature.pem")
        with TestClient(build(settings), base_url=ORIGIN, follow_redirects=False) as client:
            yield client


def page_token(browser: TestClient, path: str = "/") -> dict[str, str]:
    found = re.search(r'name="session-token" content="([^"]+)"', browser.get(path).text)
    assert found is not None
    return {TOKEN_HEADER: found[1], "Origin": ORIGIN}


def log_in(browser: TestClient, jpki: SmallJpki, origin: str = ORIGIN, kind: str = "authentication") -> httpx.Response:
    headers = page_token(browser)
    nonce = browser.post("/login/challenge", headers=headers).json()["nonce"]
    certificate = jpki.issue(kind, HANAKO)
    signature = card_signature(HANAKO, challenge_digest("RS256", origin, nonce))
    token = Token(der(certificate), "RS256", signature, "test/1.0")
    return browser.post("/login", headers=headers, json=token.document())


def test_the_holder_of_a_card_sees_what_the_site_has_learnt(browser: TestClient, jpki: SmallJpki) -> None:
    before = browser.get("/").cookies
    assert log_in(browser, jpki).json() == {"next": "/certificate"}
    assert browser.cookies[COOKIE] != before.get(COOKIE)
    page = browser.get("/certificate").text
    for fact in ("JPKI", "RSA-2048", "令和", "test/1.0", "20261123120000000A001"):
        assert fact in page


def test_nobody_else_sees_anything(browser: TestClient) -> None:
    for path in ("/certificate", "/sign", "/signed", "/signed/document.txt"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_token_for_another_site_is_refused(browser: TestClient, jpki: SmallJpki) -> None:
    answer = log_in(browser, jpki, origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (401, "login.signature")
    assert browser.get("/certificate").status_code == 303


def test_a_signature_certificate_does_not_log_in(browser: TestClient, jpki: SmallJpki) -> None:
    assert log_in(browser, jpki, kind="signature").json()["code"] == "login.purpose"


def test_a_token_is_used_once(browser: TestClient, jpki: SmallJpki) -> None:
    headers = page_token(browser)
    nonce = browser.post("/login/challenge", headers=headers).json()["nonce"]
    signature = card_signature(HANAKO, challenge_digest("RS256", ORIGIN, nonce))
    token = Token(der(jpki.issue("authentication", HANAKO)), "RS256", signature, "test/1.0").document()
    assert browser.post("/login", headers=headers, json=token).status_code == 200
    again = browser.post("/login", headers=page_token(browser), json=token)
    assert again.json()["code"] == "login.nonce"


@pytest.mark.parametrize("change", [{"Origin": "https://evil.example"}, {TOKEN_HEADER: "guessed"}, {TOKEN_HEADER: "é"}])
def test_another_site_cannot_make_a_browser_do_anything(browser: TestClient, change: dict[str, str]) -> None:
    headers = {name: value.encode() for name, value in (page_token(browser) | change).items()}
    answer = browser.post("/login/challenge", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (403, "login.origin")


def test_a_text_is_signed_and_both_files_can_be_saved(browser: TestClient, jpki: SmallJpki) -> None:
    log_in(browser, jpki)
    headers = page_token(browser, "/sign")
    certificate = base64.b64encode(der(jpki.issue("signature", HANAKO))).decode()
    asked = {"text": "児童手当を\r\n申請します。", "certificate": certificate}
    ready = browser.post("/sign/prepare", headers=headers, json=asked).json()
    signature = base64.b64encode(card_signature(HANAKO, base64.b64decode(ready["hash"]))).decode()
    assert browser.post("/sign/finish", headers=headers, json={"signature": signature}).json() == {"next": "/signed"}
    assert browser.get("/signed/document.txt").content == "児童手当を\n申請します。".encode()
    assert browser.get("/signed/signature.p7s").content[:2] == b"0\x82"
    assert "申請します。" in browser.get("/signed").text


def test_what_the_card_did_not_sign_is_refused(browser: TestClient, jpki: SmallJpki) -> None:
    log_in(browser, jpki)
    headers = page_token(browser, "/sign")
    certificate = base64.b64encode(der(jpki.issue("signature", HANAKO))).decode()
    finish = browser.post("/sign/finish", headers=headers, json={"signature": "AAAA"})
    assert finish.json()["code"] == "document.unknown"
    browser.post("/sign/prepare", headers=headers, json={"text": "text", "certificate": certificate})
    finish = browser.post("/sign/finish", headers=headers, json={"signature": "AAAA"})
    assert finish.json()["code"] == "document.signature"
    empty = browser.post("/sign/prepare", headers=headers, json={"text": " ", "certificate": certificate})
    assert empty.json()["code"] == "document.format"


def test_the_end_is_the_end(browser: TestClient, jpki: SmallJpki) -> None:
    log_in(browser, jpki)
    kept = browser.cookies[COOKIE]
    browser.post("/logout", headers=page_token(browser, "/certificate"))
    browser.cookies.set(COOKIE, kept)
    assert browser.get("/certificate").status_code == 303


def test_every_answer_keeps_strangers_out(browser: TestClient) -> None:
    for path in ("/", "/static/page.js", "/nothing"):
        answer = browser.get(path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == ("max-age=600" if path.startswith("/static/") else "no-store")
    assert "<script>" not in browser.get("/").text
    assert " style=" not in browser.get("/").text


def test_a_body_too_large_is_refused_unread(browser: TestClient) -> None:
    assert browser.post("/login", content=b"x" * 200_000).status_code == 413


def test_both_languages_say_everything(browser: TestClient) -> None:
    japanese, english = LANGUAGES["ja"], LANGUAGES["en"]
    assert japanese.keys() == english.keys()
    for key, text in japanese.items():
        assert sorted(re.findall(r"\{(\w+)\}", text)) == sorted(re.findall(r"\{(\w+)\}", english[key])), key
    assert '<html lang="ja">' in browser.get("/").text
    assert '<html lang="en">' in browser.get("/?lang=en").text
    assert '<html lang="en">' in browser.get("/").text
    assert '<html lang="ja">' in browser.get("/?lang=xx<").text


def test_the_site_makes_itself_a_certificate_once(tmp_path: Path) -> None:
    make_certificate(tmp_path / "site", "localhost", "Kumihimo card check", FixedClock(NOW))
    first = (tmp_path / "site/site.pem").read_bytes()
    make_certificate(tmp_path / "site", "localhost", "Kumihimo card check", FixedClock(NOW))
    assert (tmp_path / "site/site.pem").read_bytes() == first
    assert (tmp_path / "site/site.key").stat().st_mode & 0o777 == 0o600


def test_the_site_leaves_the_logging_of_its_process_alone(jpki: SmallJpki, tmp_path: Path) -> None:
    for kind, ca in jpki.cas.items():
        (tmp_path / f"{kind}.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error")]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    server(CheckSiteSettings(tmp_path, tmp_path / "authentication.pem", tmp_path / "signature.pem"), SystemClock())
    assert [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers] == before
