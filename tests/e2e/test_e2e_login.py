"""In a real browser: page, extension, card program, PC/SC, card, and a site that believes only what was signed for it."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from card_town import Town, free_port

from kumihimo.country.benches.login import running_site

PATIENCE_MS = 10_000


@pytest.fixture
def page(unattended: Any) -> Iterator[Any]:
    unattended.clear_cookies()
    opened = unattended.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


def log_in(page: Any, site: str) -> None:
    page.goto(site)
    page.get_by_role("button", name="カードでログイン").click()
    page.wait_for_url(f"{site}/certificate")


def test_the_software_is_found_and_the_holder_of_the_card_logs_in(town: Town, page: Any) -> None:
    page.goto(town.site)
    page.get_by_text("使えます").wait_for()
    log_in(page, town.site)
    assert page.get_by_text("利用者証明用電子証明書").count()
    assert "stand-in-for-the-person" in page.content()
    last = json.loads((town.folder / "host.log").read_text().splitlines()[-1])
    assert (last["command"], last["outcome"], last["person"]) == ("Authenticate", "answered", "stand-in")


def test_a_text_is_signed_and_openssl_believes_it(town: Town, page: Any, tmp_path: Path) -> None:
    log_in(page, town.site)
    page.goto(f"{town.site}/sign")
    page.get_by_label("署名する文章").fill("児童手当を申請します。\n")
    page.get_by_role("button", name="署名する").click()
    page.wait_for_url(f"{town.site}/signed")
    for name in ("document.txt", "signature.p7s", "signature-ca.pem"):
        with page.expect_download() as saved:
            page.locator(f"a[href$='/{name}']").click()
        saved.value.save_as(tmp_path / name)
    command = page.locator("pre code").inner_text().split()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "児童手当を申請します。\n"


ASK = """async (message) => {
  const answers = [];
  const answer = new Promise((resolve) => addEventListener("message", ({ data }) => {
    if (!data.action.startsWith(`${message.action}-`)) return;
    answers.push(data.action);
    if (!data.action.endsWith("-ack")) resolve({ ...data, answers });
  }));
  postMessage({ libraryVersion: "2.0.0", ...message }, "*");
  return answer;
}"""


def ask(page: Any, message: dict[str, Any]) -> dict[str, Any]:
    """What a page written for Web eID would get; whoever drives the browser counts as somebody clicking in it."""
    answer: dict[str, Any] = page.evaluate(ASK, message)
    return answer


def test_pages_written_for_web_eid_get_its_answers(town: Town, page: Any) -> None:
    page.goto(town.site)
    status = ask(page, {"action": "web-eid:status"})
    assert status["answers"] == ["web-eid:status-ack", "web-eid:status-success"]
    assert status["extension"].startswith("2.")
    assert status["nativeApp"].startswith("2.")
    token = ask(page, {"action": "web-eid:authenticate", "challengeNonce": "n" * 44, "options": {"lang": "en"}})
    assert token["answers"] == ["web-eid:authenticate-ack", "web-eid:authenticate-success"]
    assert (token["format"], token["algorithm"]) == ("web-eid:1.0", "RS256")
    shown = ask(page, {"action": "web-eid:get-signing-certificate"})
    digest = base64.b64encode(bytes(32)).decode()
    signed = ask(
        page,
        {"action": "web-eid:sign", "certificate": shown["certificate"], "hash": digest, "hashFunction": "SHA-256"},
    )
    assert len(base64.b64decode(signed["signature"])) == 256
    assert signed["signatureAlgorithm"]["paddingScheme"] == "PKCS1.5"


ASK_ALONE = """addEventListener("DOMContentLoaded", () => {
  const told = [];
  addEventListener("message", ({ data }) => {
    if (!data.error) return;
    told.push(`${data.action} ${data.error.code}`);
    document.documentElement.dataset.told = told.join("\\n");
  });
  for (const action of ["authenticate", "get-signing-certificate", "sign"])
    postMessage({ action: `web-eid:${action}`, challengeNonce: "n".repeat(44), certificate: "", hash: "", hashFunction: "" });
});"""


def test_a_page_cannot_use_the_card_before_anybody_clicked(town: Town, page: Any) -> None:
    page.add_init_script(ASK_ALONE)
    page.goto(town.site)
    told = page.locator("html").get_attribute("data-told")
    assert told.split("\n") == [
        f"web-eid:{action}-failure ERR_WEBEID_CONTEXT_INSECURE"
        for action in ("authenticate", "get-signing-certificate", "sign")
    ]


def test_a_page_cannot_say_that_it_is_another(town: Town, page: Any, tmp_path: Path) -> None:
    """It may write an origin into its message: the extension puts in the browser's own."""
    page.goto(town.site)
    challenge = "const token = document.querySelector('meta[name=session-token]').content;"
    challenge += "return fetch('/login/challenge', {method: 'POST', headers: {'X-Kumihimo-Token': token}, body: ''})"
    nonce = page.evaluate(f"async () => {{ {challenge}.then((answer) => answer.json()) }}")["nonce"]
    asked = {"action": "web-eid:authenticate", "challengeNonce": nonce}
    other = replace(town.settings, host="127.0.0.1", port=free_port(), folder=tmp_path)
    with running_site(other):
        stealing = page.context.new_page()
        stealing.goto(other.origin)
        token = ask(stealing, asked | {"origin": town.site, "options": {"origin": town.site}})
        stealing.close()
    fields = ("unverifiedCertificate", "algorithm", "signature", "format", "appVersion")
    log_in_with = """async (body) => fetch("/login", {method: "POST", body: JSON.stringify(body), headers: {
      "X-Kumihimo-Token": document.querySelector("meta[name=session-token]").content}}).then((answer) => answer.json())"""
    refused = page.evaluate(log_in_with, {name: token[name] for name in fields})
    assert refused["code"] == "login.signature"


def test_a_card_that_is_not_there_is_said_on_the_page(town: Town, page: Any) -> None:
    town.pull()
    try:
        page.goto(town.site)
        page.get_by_role("button", name="カードでログイン").click()
        page.get_by_role("alert").filter(has_text="カードがリーダーにありません").wait_for()
    finally:
        town.put_in()


def test_a_card_pulled_out_while_it_signs_is_said_on_the_page(town: Town, page: Any) -> None:
    def pull(slot: Any, command: bytes) -> None:
        if command[:2] == b"\x80\x2a":
            slot.pull()

    town.before.append(pull)
    try:
        page.goto(town.site)
        page.get_by_role("button", name="カードでログイン").click()
        page.get_by_role("alert").filter(has_text="途中で外れました").wait_for()
    finally:
        town.before.clear()
        town.pull()
        town.put_in()


def test_a_revoked_certificate_does_not_log_in(town: Town, page: Any) -> None:
    log_in(page, town.site)
    town.jpki.revoked.update(dict.fromkeys(town.jpki.asked, town.jpki.now))
    try:
        page.get_by_role("button", name="終わる").click()
        page.wait_for_url(f"{town.site}/")
        page.get_by_role("button", name="カードでログイン").click()
        page.get_by_role("alert").filter(has_text="失効").wait_for()
    finally:
        town.jpki.revoked.clear()
