"""In a real browser, on a real country: a resident logs in to My Portal with the card, and the next person sees nothing of it."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from card_town import NEEDED

from card_programs import missing
from kumihimo.country import card_slot, topology
from kumihimo.country.benches import notices as notices_bench
from kumihimo.country.benches import portal as portal_bench
from kumihimo.country.benches.card_browser import card_browser
from kumihimo.country.benches.figures import Effort
from kumihimo.country.card_office import hanakos_card
from kumihimo.country.card_pins import DEMO_PINS
from kumihimo.country.files import site_origin
from kumihimo.country.founding import found
from kumihimo.country.inspection import Needle, holders, read_rows
from kumihimo.country.institution_api import ApiDesk
from kumihimo.country.layout import Country
from kumihimo.country.officer import Officer
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case, first_notice
from kumihimo.country.scenarios.first_case import STAFF
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import legal_day
from kumihimo.plumbing.wire.messages.complaints import ComplaintState
from kumihimo.roles.card.host.settings import HostSettings

PATIENCE_MS = 20_000


@dataclass(frozen=True)
class Hanako:
    """総務花子 at home: her card in the reader, her browser."""

    country: Country
    case: first_case.FirstCase
    origin: str
    browser: Any


def _silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def hanako(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hanako]:
    if lacking := missing(*NEEDED):
        pytest.skip("NOT RUN for want of " + ", ".join(lacking))
    folder = tmp_path_factory.mktemp("at-home")
    here = found(folder / "country", 24, 5, legal_day(datetime.now(UTC)), _silent)
    pins = folder / "pins.toml"
    pins.touch(mode=0o600)
    pins.write_text(f'authentication = "{DEMO_PINS.authentication}"\nsignature = "{DEMO_PINS.signature}"\n')
    try:
        with running(here):
            issue_codes(here, _silent)
            case = first_case.play(here)
            card_slot.insert(here, hanakos_card(here, case.addressee.addressee_number))
            settings = HostSettings(stand_in=pins, log=folder / "host.log")
            with card_browser(driver, folder / "browser", settings, card_slot.environment(here)) as browser:
                yield Hanako(here, case, site_origin(here), browser)
    finally:
        card_slot.put_away(here)


@pytest.fixture
def page(hanako: Hanako) -> Iterator[Any]:
    hanako.browser.clear_cookies()
    opened = hanako.browser.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


def log_in(page: Any, origin: str) -> None:
    page.goto(origin)
    page.get_by_role("button", name="カードでログイン").click()
    page.get_by_role("heading", name="あなたのポータル").wait_for()


def cookie_of(hanako: Hanako) -> Any:
    """The browser's session cookie."""
    (found,) = (one for one in hanako.browser.cookies() if one["name"] == "__Host-session")
    return found


def for_everybody(page: Any, name: str) -> None:
    """axe finds nothing, and nothing is cut off at 320 pixels."""
    found_by_axe = Axe().run(page)
    assert found_by_axe.violations_count == 0, f"{name}: {found_by_axe.generate_report()}"
    for width in (320, 1024):
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide at {width}"


def test_a_card_opens_its_holder_s_portal(hanako: Hanako, page: Any) -> None:
    page.goto(hanako.origin)
    for_everybody(page, "log-in")
    log_in(page, hanako.origin)
    for_everybody(page, "start")
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Your portal").wait_for()
    page.get_by_role("link", name="日本語").click()
    for path in ("controls", "controls/mandates", "controls/close"):
        page.goto(f"{hanako.origin}/{path}")
        for_everybody(page, path)


def test_the_next_person_sees_nothing_of_the_one_before(hanako: Hanako, page: Any) -> None:
    log_in(page, hanako.origin)
    hers = cookie_of(hanako)
    page.get_by_role("button", name="次の人へ").click()
    page.wait_for_url("**/login")
    assert cookie_of(hanako) != hers
    page.go_back()
    page.wait_for_url("**/login")
    assert not page.get_by_role("heading", name="あなたのポータル").count()
    hanako.browser.add_cookies([hers])
    page.goto(hanako.origin)
    page.wait_for_url("**/login")


def test_the_portal_s_store_holds_neither_number_nor_certificate(hanako: Hanako, page: Any) -> None:
    log_in(page, hanako.origin)
    serials = [serial for (serial,) in read_rows(hanako.country, topology.JPKI, "SELECT serial FROM certificate")]
    assert len(serials) == 2
    wanted = [*first_case.needles(hanako.country, hanako.case), Needle("given name", "花子")]
    wanted += [Needle(f"serial {n}", form) for n, one in enumerate(serials) for form in (one, bytes.fromhex(one))]
    found = holders(hanako.country, wanted)
    assert {name for name, parties in found.items() if topology.PORTAL in parties} == {"code_portal", "transaction"}
    assert topology.JPKI in found["serial 0"], "a blind search"


def test_whoever_reads_for_long_is_asked_whether_they_stay(hanako: Hanako, page: Any) -> None:
    log_in(page, hanako.origin)
    page.clock.install()
    page.reload()
    stay = page.get_by_role("button", name="続けて使う")
    assert not stay.is_visible()
    page.clock.fast_forward("13:00")
    stay.wait_for()
    stay.click()
    stay.wait_for(state="hidden")
    page.clock.fast_forward("15:30")
    page.wait_for_url("**/goodbye")


def test_a_record_is_proven_in_the_browser_and_a_tampered_file_is_not(
    hanako: Hanako, page: Any, tmp_path: Path
) -> None:
    log_in(page, hanako.origin)
    page.get_by_role("link", name="アクセス記録", exact=True).click()
    for_everybody(page, "records")
    page.get_by_text("X市がY市から").first.wait_for()
    page.get_by_role("link", name="くわしく").first.click()
    for_everybody(page, "one record")
    page.get_by_role("button", name="このブラウザーで確かめる").click()
    page.get_by_text("確かめました").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="証明を保存する").click()
    saved.value.save_as(tmp_path / "proof.json")
    page.goto(f"{hanako.origin}/records/check")
    for_everybody(page, "check")
    page.get_by_label("証明のファイル").set_input_files(tmp_path / "proof.json")
    page.get_by_text("確かめました").wait_for()
    proof = json.loads((tmp_path / "proof.json").read_text())
    log, witness = proof["tlog_proof"].splitlines()[-2:]
    tampered = {
        "record": {**proof, "record": {**proof["record"], "provider": "z-town"}},
        "path": {**proof, "salt": proof["salt"], "tlog_proof": proof["tlog_proof"].replace("index ", "index 1", 1)},
        "log": {**proof, "tlog_proof": proof["tlog_proof"].replace(log, log[:-8] + "AAAAAAA=")},
        "witness": {**proof, "tlog_proof": proof["tlog_proof"].replace(witness, witness[:-8] + "AAAAAAA=")},
        "format": {**proof, "format": "kumihimo-access-proof/v2"},
    }
    for why, document in tampered.items():
        (tmp_path / "tampered.json").write_text(json.dumps(document))
        page.get_by_label("証明のファイル").set_input_files(tmp_path / "tampered.json")
        told = page.locator("#proven.alarm")
        told.wait_for()
        assert "証明になっていません" in told.inner_text(), why
        page.get_by_label("証明のファイル").set_input_files(tmp_path / "proof.json")
        page.get_by_text("確かめました").wait_for()


def test_a_notice_is_read_answered_and_kept_by_its_recipient(hanako: Hanako, page: Any, tmp_path: Path) -> None:
    state = first_notice.play(hanako.country, hanako.case)
    assert (state["delivered"], state["opened"]) == (1, None)
    log_in(page, hanako.origin)
    page.get_by_text("まだ読んでいないお知らせが1件あります").wait_for()
    page.get_by_role("link", name="お知らせ", exact=True).click()
    for_everybody(page, "notices")
    page.get_by_role("link", name="児童手当を支給します").click()
    page.get_by_text("総務花子様").wait_for()
    for_everybody(page, "one notice")
    with page.expect_download() as saved:
        page.get_by_role("link", name="支払日.txt").click()
    saved.value.save_as(tmp_path / "sheet.txt")
    assert "支払日：10日" in (tmp_path / "sheet.txt").read_text()
    page.get_by_label("役所に伝えること").fill("振込先を変えたいです。")
    page.get_by_role("button", name="送る").click()
    page.get_by_text("返信を送りました").wait_for()
    (answer,) = ApiDesk.of(hanako.country, "x-city").answers(state["reference"])
    assert (answer["addressee_number"], answer["says"]) == (
        hanako.case.addressee.addressee_number,
        "振込先を変えたいです。",
    )
    page.get_by_role("link", name="お知らせに戻る").click()
    page.get_by_role("link", name="お知らせの受け取り方").click()
    for_everybody(page, "ways")


def test_an_application_is_answered_signed_with_the_card_and_decided(hanako: Hanako, page: Any, tmp_path: Path) -> None:
    log_in(page, hanako.origin)
    page.get_by_role("link", name="申請・手続", exact=True).click()
    for_everybody(page, "apply")
    page.locator("section", has_text="子どもが生まれた").get_by_role("button").click()
    for_everybody(page, "questions")
    page.get_by_label("お住まいの市町村").select_option("X市")
    page.get_by_label("子どもの氏名").fill("総務一郎")
    page.get_by_label("子どもの生年月日").fill("2026-11-01")
    page.get_by_label("ほかに養っている18歳までの子どもの人数").fill("1")
    for question, answer in (("国や地方公共団体に勤めていますか", "いいえ"), ("予防接種の案内", "はい")):
        page.get_by_role("group", name=question).get_by_label(answer).check()
    page.get_by_role("button", name="次へ").click()
    page.get_by_label("児童手当の振込先").fill("0001-001-1234567")
    page.get_by_role("button", name="次へ").click()
    page.get_by_text("役所が自分で照会できます（番号法 別表第二 74の項）").wait_for()
    for_everybody(page, "check")
    page.get_by_role("button", name="カードで署名して送る").click()
    page.get_by_text("署名して送った日時").wait_for()
    for_everybody(page, "sent")
    desk = ApiDesk.of(hanako.country, "x-city")
    numbers = {one["procedure"]: one["number"] for one in desk.applications("received")}
    assert set(numbers) == {"child-allowance.claim", "vaccination.register"}
    opened = desk.application(numbers["child-allowance.claim"])
    person = hanako.case.person
    assert opened["applicant"]["name"] == person.name.display
    assert opened["applicant"]["birth"] == person.birth.isoformat()
    assert opened["answers"]["account"] == "0001-001-1234567"
    _checked_by_openssl(hanako.country, opened, tmp_path)
    desk.decide(numbers["child-allowance.claim"], "granted", STAFF, "12月分から支給します。")
    page.reload()
    page.get_by_text("12月分から支給します。").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="受付の控え").first.click()
    saved.value.save_as(tmp_path / "receipt.json")
    assert json.loads((tmp_path / "receipt.json").read_text())["payloadType"].startswith("application/vnd.kumihimo")


def _checked_by_openssl(country: Country, opened: Any, folder: Path) -> None:
    """Any program that knows CMS finds the signature good, and a changed document not."""
    (folder / "application.json").write_bytes(base64.b64decode(opened["manifest"]))
    (folder / "signature.p7s").write_bytes(base64.b64decode(opened["signature"]))
    trusted = country.keys(topology.PORTAL) / "trusted"
    (issuer,) = trusted.glob("*signature*.pem")
    command = [
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature.p7s", "-content", "application.json",
        "-CAfile", str(issuer), "-partial_chain", "-purpose", "any", "-out", "out",
    ]  # fmt: skip
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
    (folder / "application.json").write_bytes(base64.b64decode(opened["manifest"]) + b" ")
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode != 0


def test_an_access_that_is_not_recognised_goes_to_the_oversight_body_and_its_answer_comes_back(
    hanako: Hanako, page: Any
) -> None:
    log_in(page, hanako.origin)
    page.get_by_role("link", name="アクセス記録", exact=True).click()
    page.get_by_role("link", name="くわしく").first.click()
    page.get_by_label("おかしいと思うこと").fill("この役所に申請したことがありません。")
    page.get_by_role("button", name="第三者機関に申し出る").click()
    page.get_by_text("申出を送りました").wait_for()
    for_everybody(page, "complaints")
    officer = Officer.of(hanako.country)
    (complaint,) = officer.complaints()
    assert complaint.says == "この役所に申請したことがありません。"
    assert complaint.transaction in {one.transaction for one in hanako.case.accesses}
    officer.answer_complaint(complaint.reference, ComplaintState.NOT_JUSTIFIED, "児童手当の申請によるものでした。")
    page.reload()
    page.get_by_text("児童手当の申請によるものでした。").wait_for()
    page.get_by_text("アクセスに問題はありませんでした").wait_for()


def test_a_card_is_locked_by_its_holder_and_unlocked_with_its_signature(hanako: Hanako, page: Any) -> None:
    log_in(page, hanako.origin)
    page.goto(f"{hanako.origin}/controls/card")
    for_everybody(page, "lock")
    page.get_by_role("button", name="カードで一時停止する").click()
    page.get_by_text("カードを一時停止しました").wait_for()
    for_everybody(page, "unlock")
    page.goto(f"{hanako.origin}/login")
    page.get_by_role("button", name="カードでログイン").click()
    page.locator("#alarm", has_text="ログインできませんでした").wait_for()
    page.goto(f"{hanako.origin}/unlock")
    page.get_by_role("button", name="カードで解除する").click()
    page.get_by_text("解除しました").wait_for()
    until(lambda: _logs_in(page, hanako.origin), 20, "the unlocked card", pause=0.5)


def _logs_in(page: Any, origin: str) -> bool | None:
    page.goto(f"{origin}/login")
    page.get_by_role("button", name="カードでログイン").click()
    page.locator("#alarm:not(:empty), h1:has-text('あなたのポータル')").first.wait_for()
    return page.get_by_role("heading", name="あなたのポータル").is_visible() or None


def test_notices_are_measured(hanako: Hanako) -> None:
    figures = [one.figure for one in notices_bench.measure(hanako.country, Effort.QUICK)]
    assert figures == ["mailboxes", "fan_out", "inbox", "inbox_p99"]


def test_the_pages_are_measured_with_her_card_without_a_browser(hanako: Hanako) -> None:
    assert card_slot.eject(hanako.country)
    figures = [one.figure for one in portal_bench.measure(hanako.country, Effort.QUICK)]
    assert figures == ["start", "records", "controls", "mandates", "look_up", "information"]
