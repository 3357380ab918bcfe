"""Notices as a resident reads them, and how they are told: by real SMTP, by a real push service's protocol, not at night."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
from portal_site import ORIGIN, PortalSite, portal_site

from free_ports import free_port
from kumihimo.domain.kernel import SystemClock, legal_day
from kumihimo.plumbing.mail import Mailer, MailSettings
from kumihimo.plumbing.push import VAPID_KEY, Pusher, PushSettings, make_vapid_key
from kumihimo.plumbing.web.certificate import CERTIFICATE, KEY, make_certificate
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.notices import AnnounceNotice, DeliverNotices, NoticeContent, NoticeFor
from kumihimo.roles.portal.service.waking import quiet_end
from kumihimo.roles.portal.store_channels import Preference

BROWSER = ec.generate_private_key(ec.SECP256R1()).public_key()


@dataclass
class MailServer:
    """Takes e-mails over real SMTP with STARTTLS."""

    settings: MailSettings
    letters: list[Any] = field(default_factory=list)
    refuses: bool = False

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters.append(envelope)
        return "250 OK"

    def text(self, number: int = -1) -> str:
        """One message as it is read."""
        message = message_from_bytes(self.letters[number].content, policy=policy.default)
        return f"{message['Subject']}\n{message.get_content()}"


@dataclass
class PushService:
    """What a browser's maker runs: takes empty messages that are signed with the portal's key."""

    port: int
    status: int = 201
    woken: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("servers")
    make_certificate(folder, "localhost", "Test", SystemClock())
    return folder


@pytest.fixture
def mail_server(certificate: Path) -> Iterator[MailServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / CERTIFICATE, certificate / KEY)
    port = free_port()
    settings = MailSettings(host="localhost", port=port, sender="portal@portal.test", trusted=certificate / CERTIFICATE)
    server = MailServer(settings)
    controller = Controller(server, hostname="localhost", port=port, tls_context=context, require_starttls=True)
    controller.start()
    yield server
    controller.stop()


@pytest.fixture
def push_service(certificate: Path) -> Iterator[PushService]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            service.woken.append(
                {**{k.lower(): v for k, v in self.headers.items()}, "body": self.rfile.read(length).hex()}
            )
            self.send_response(service.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / CERTIFICATE, certificate / KEY)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    service = PushService(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield service
    server.shutdown()
    thread.join()


@pytest.fixture
def pusher(certificate: Path, tmp_path: Path) -> Pusher:
    make_vapid_key(tmp_path / VAPID_KEY)
    settings = PushSettings(
        contact="mailto:ops@portal.test", services=("localhost",), trusted=certificate / CERTIFICATE
    )
    return Pusher(settings, tmp_path / VAPID_KEY)


@pytest.fixture
def site(
    tmp_path: Path, edge_of: Callable[[str], Edge], mail_server: MailServer, pusher: Pusher
) -> Iterator[PortalSite]:
    with portal_site(tmp_path, edge_of("portal/portal"), post=Mailer(mail_server.settings), push=pusher) as site:
        yield site


CONTENT: dict[str, Any] = {
    "title": {"ja": "予防接種のご案内", "en": "Vaccination"},
    "body": {"ja": "{name}様\n一行目\n\n<b>二つ目</b>の段落", "en": "For {name}"},
    "deadline": "2026-06-20",
    "attachments": [{"name": "案内.txt", "media_type": "text/plain", "content": base64.b64encode(b"hello").decode()}],
}


def deliver(site: PortalSite, account: str, number: int = 1, **changed: Any) -> None:
    """A notice of X City in somebody's inbox."""
    handle, inboxes, edge = b64(bytes([number]) * 32), site.site.inboxes, site.site.edge
    with site.store.transaction() as transaction:
        code = transaction.code_of(account)
        assert code is not None
        transaction.open_mailboxes("x-city", {inboxes.handle_hash(handle): code.code}, 1)
    content = NoticeContent.model_validate(CONTENT | changed)
    name = f"{number:032x}"
    inboxes.announce("x-city", edge.message(AnnounceNotice, edge.party, notice=name, content=content))
    to = NoticeFor(mailbox=handle, position=0, values={"name": "総務花子"})
    message = edge.message(DeliverNotices, edge.party, notice=name, recipients=(to,))
    assert inboxes.deliver("x-city", message) == ()


def first(site: PortalSite) -> str:
    """The path of the newest notice."""
    found = re.search(r'href="(/notices/[0-9a-f]{32})"', site.client.get("/notices").text)
    assert found is not None
    return found[1]


def test_a_notice_is_read_with_its_deadline_and_file_and_is_no_longer_new(site: PortalSite) -> None:
    deliver(site, site.log_in())
    home = site.client.get("/").text
    assert "まだ読んでいないお知らせが1件あります" in home
    assert "令和8年6月20日" in home
    inbox = site.client.get("/notices").text
    assert "予防接種のご案内" in inbox
    assert "未読" in inbox
    page = site.client.get(first(site)).text
    assert "総務花子様<br>一行目" in page
    assert "&lt;b&gt;二つ目&lt;/b&gt;" in page, "what an office writes is text"
    file = site.client.get(first(site) + "/files/0")
    assert (file.content, file.headers["content-type"]) == (b"hello", "text/plain; charset=utf-8")
    assert "attachment" in file.headers["content-disposition"]
    assert "未読" not in site.client.get("/notices").text
    assert "新しいお知らせはありません" in site.client.get("/").text
    assert "For 総務花子" in site.client.get(first(site) + "?lang=en").text


def test_somebody_else_s_notice_is_not_there(site: PortalSite) -> None:
    deliver(site, site.log_in())
    path = first(site)
    site.log_in()
    assert "お知らせはありません" in site.client.get("/notices").text
    assert site.client.get(path).status_code == 404
    assert site.client.get(path + "/files/0").status_code == 404
    assert site.post(path + "/answer", says="a").status_code == 404


def test_a_long_inbox_has_pages(site: PortalSite) -> None:
    account = site.log_in()
    for number in range(1, 53):
        site.clock.at += timedelta(seconds=1)
        deliver(site, account, number)
    newest = site.client.get("/notices").text
    assert newest.count('<li class="card') == 50
    older = re.search(r'href="(/notices\?before=[^"]+)"', newest)
    assert older is not None
    assert site.client.get(older[1]).text.count('<li class="card') == 2
    assert site.client.get("/notices?before=soon").status_code == 422


def test_an_address_is_proven_and_then_told_only_that_there_is_something(
    site: PortalSite, mail_server: MailServer
) -> None:
    account = site.log_in()
    assert site.post("/notices/ways/mail", address="hanako@example.jp").status_code == 303
    page = site.client.get("/notices/ways").text
    assert "ha…@example.jp" in page
    assert "確認待ち" in page
    deliver(site, account)
    assert site.site.waking.go_on() == 0, "an address that nobody proved is told nothing"
    code = re.search(r"\b(\d{6})\b", mail_server.text())
    assert code is not None
    channel = re.search(r"/notices/ways/([0-9a-f]{32})/prove", page)
    assert channel is not None
    wrong = site.post(f"/notices/ways/{channel[1]}/prove", code="000000" if code[1] != "000000" else "1")
    assert wrong.status_code == 422
    assert site.post(f"/notices/ways/{channel[1]}/prove", code=code[1]).status_code == 303
    deliver(site, account, 2)
    assert site.site.waking.go_on() == 1
    assert mail_server.letters[-1].rcpt_tos == ["hanako@example.jp"]
    said = mail_server.text()
    assert "You have a notice" in said
    assert f"{ORIGIN}/" in said
    assert not any(word in said for word in ("予防接種", "花子", "X市", "Vaccination"))
    deliver(site, account, 3)
    assert site.site.waking.go_on() == 0, "once until they look"
    site.client.get("/notices")
    deliver(site, account, 4)
    assert site.site.waking.go_on() == 1
    assert len(mail_server.letters) == 3


def prove(site: PortalSite, mail_server: MailServer) -> None:
    site.post("/notices/ways/mail", address="hanako@example.jp")
    channel = re.search(r"/notices/ways/([0-9a-f]{32})/prove", site.client.get("/notices/ways").text)
    code = re.search(r"\b(\d{6})\b", mail_server.text())
    assert channel is not None
    assert code is not None
    assert site.post(f"/notices/ways/{channel[1]}/prove", code=code[1]).status_code == 303


def test_codes_cannot_be_tried_out_and_are_over_soon(site: PortalSite, mail_server: MailServer) -> None:
    site.log_in()
    site.post("/notices/ways/mail", address="hanako@example.jp")
    channel = re.search(r"/notices/ways/([0-9a-f]{32})/prove", site.client.get("/notices/ways").text)
    code = re.search(r"\b(\d{6})\b", mail_server.text())
    assert channel is not None
    assert code is not None
    for _ in range(5):
        site.post(f"/notices/ways/{channel[1]}/prove", code="x")
    assert site.post(f"/notices/ways/{channel[1]}/prove", code=code[1]).status_code == 422
    assert channel[1] not in site.client.get("/notices/ways").text


def test_what_the_mail_server_refuses_is_not_kept(site: PortalSite, mail_server: MailServer) -> None:
    site.log_in()
    mail_server.refuses = True
    assert site.post("/notices/ways/mail", address="nobody@example.jp").status_code == 422
    assert site.post("/notices/ways/mail", address="not an address").status_code == 422
    assert "まだありません" in site.client.get("/notices/ways").text


def test_at_night_nobody_is_woken_but_in_an_emergency(site: PortalSite, mail_server: MailServer) -> None:
    site.clock.at = datetime(2026, 6, 3, 13, 30, tzinfo=UTC)  # 22:30 in Japan
    account = site.log_in()
    prove(site, mail_server)
    assert site.post("/notices/ways/wants", quiet_from="21", quiet_until="7").status_code == 303
    deliver(site, account)
    assert site.site.waking.go_on() == 0
    site.clock.at = datetime(2026, 6, 3, 21, 59, tzinfo=UTC)
    assert site.site.waking.go_on() == 0
    site.clock.at = datetime(2026, 6, 3, 22, 1, tzinfo=UTC)
    assert site.site.waking.go_on() == 1
    site.clock.at = datetime(2026, 6, 4, 14, 0, tzinfo=UTC)
    deliver(site, account, 2, kind="emergency")
    assert site.site.waking.go_on() == 1


@pytest.mark.parametrize(
    ("hours", "hour", "end"),
    [((21, 7), 22, 7), ((21, 7), 6, 7), ((21, 7), 7, None), ((21, 7), 20, None), ((9, 12), 9, 12), ((9, 9), 9, None)],
)
def test_quiet_hours_may_go_over_midnight(hours: tuple[int, int], hour: int, end: int | None) -> None:
    now = datetime(2026, 6, 3, (hour - 9) % 24, 15, tzinfo=UTC)
    found = quiet_end(Preference("a", *hours), now)
    assert (found is None) == (end is None)
    if found is not None:
        assert (found.hour, found > now, found - now < timedelta(hours=24)) == (end, True, True)


def subscription(service: PushService) -> dict[str, Any]:
    point = BROWSER.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": base64.urlsafe_b64encode(point).decode(), "auth": base64.urlsafe_b64encode(bytes(16)).decode()}
    return {"endpoint": f"https://localhost:{service.port}/send/1", "keys": keys}


def subscribe(site: PortalSite, document: dict[str, Any]) -> int:
    headers = {"Origin": ORIGIN, "X-Kumihimo-Token": site.token("/notices/ways")}
    return site.client.post("/notices/ways/push", json=document, headers=headers).status_code


def test_a_browser_is_woken_by_an_empty_message_signed_with_the_portals_key(
    site: PortalSite, push_service: PushService, pusher: Pusher
) -> None:
    account = site.log_in()
    assert pusher.public_key in site.client.get("/notices/ways").text
    assert subscribe(site, subscription(push_service)) == 200
    deliver(site, account)
    assert site.site.waking.go_on() == 1
    (woken,) = push_service.woken
    assert woken["body"] == ""
    found = re.fullmatch(r"vapid t=([^,]+), ?k=(.+)", woken["authorization"])
    assert found is not None
    assert found[2] == pusher.public_key
    raw = base64.urlsafe_b64decode(found[2] + "=")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    claims = json.loads(JWT(jwt=found[1], key=JWK.from_pyca(key)).claims)
    assert (claims["aud"], claims["sub"]) == (f"https://localhost:{push_service.port}", "mailto:ops@portal.test")


def test_a_subscription_that_is_over_is_forgotten(site: PortalSite, push_service: PushService) -> None:
    account = site.log_in()
    subscribe(site, subscription(push_service))
    push_service.status = 410
    deliver(site, account)
    site.site.waking.go_on()
    assert site.site.waking.ways(account) == []


def test_a_push_service_that_is_down_is_tried_again_later(site: PortalSite, push_service: PushService) -> None:
    account = site.log_in()
    subscribe(site, subscription(push_service))
    push_service.status = 503
    deliver(site, account)
    assert site.site.waking.go_on() == 0
    assert site.site.waking.go_on() == 0
    assert len(push_service.woken) == 1, "not before its time"
    push_service.status = 201
    site.clock.at += timedelta(minutes=2)
    assert site.site.waking.go_on() == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://169.254.169.254/latest", "http://localhost/x", "https://localhost.evil.example/x", "https://evil/localhost",
        "https://user@localhost/x", "https://[::1/x", 5,
    ],
)  # fmt: skip
def test_nobody_makes_the_portal_call_other_addresses(
    site: PortalSite, push_service: PushService, endpoint: Any
) -> None:
    site.log_in()
    assert subscribe(site, subscription(push_service) | {"endpoint": endpoint}) == 422
    assert subscribe(site, {"endpoint": "x"}) == 422


def test_a_way_of_somebody_else_is_neither_seen_nor_removed(
    site: PortalSite, mail_server: MailServer, push_service: PushService
) -> None:
    account = site.log_in()
    prove(site, mail_server)
    (way,) = site.site.waking.ways(account)
    site.log_in()
    site.post(f"/notices/ways/{way.channel}/remove")
    assert "ha…@" not in site.client.get("/notices/ways").text
    assert len(site.site.waking.ways(account)) == 1


def test_the_store_holds_neither_words_nor_addresses(site: PortalSite, mail_server: MailServer, tmp_path: Path) -> None:
    account = site.log_in()
    prove(site, mail_server)
    deliver(site, account)
    dump = (tmp_path / "portal.db").read_bytes() + (tmp_path / "portal.db-wal").read_bytes()
    assert b"x-city" in dump
    for secret in ("hanako@example.jp", "総務花子", "予防接種", "案内.txt"):
        assert secret.encode() not in dump


def test_under_a_mandate_notices_are_read_and_ways_are_not_touched(site: PortalSite) -> None:
    giver = site.log_in()
    deliver(site, giver)
    invitation = site.site.mandates.give(giver, "child", frozenset({"notices"}), legal_day(site.clock.now()))
    holder = site.log_in()
    held = site.site.mandates.accept(holder, invitation)
    assert site.post(f"/controls/mandates/{held.id}/act").status_code == 303
    assert "予防接種のご案内" in site.client.get("/notices").text
    assert site.client.get("/notices/ways").status_code == 403
    assert site.post("/notices/ways/mail", address="a@b.jp").status_code == 403


def test_a_closed_account_takes_its_notices_and_ways_along(site: PortalSite, mail_server: MailServer) -> None:
    account = site.log_in()
    prove(site, mail_server)
    deliver(site, account)
    assert site.post("/controls/close", confirmed="CLOSE").status_code == 303
    with site.store.reading() as reading:
        for table in ("notice", "channel", "preference", "wake_up"):
            assert reading.conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0  # noqa: S608


def test_a_portal_without_mail_and_push_says_so(tmp_path: Path, edge_of: Callable[[str], Edge]) -> None:
    with portal_site(tmp_path, edge_of("portal/portal")) as site:
        site.log_in()
        assert site.client.get("/notices/ways").text.count("このポータルでは使えません") == 2
        assert site.post("/notices/ways/mail", address="a@b.jp").status_code == 409
