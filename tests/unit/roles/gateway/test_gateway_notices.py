"""A city writes to residents: real exchange, operators and portal; nobody in the middle learns to whom."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from gateway_country import HUB_1, PORTAL, Case, Desk, hanako
from own_portal import OwnPortal, own_portal

from kumihimo.domain.kernel import PartyId, Problem, SystemRandomness
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.messages.notices import NoticeContent
from kumihimo.roles.gateway.service.notices import Notices
from kumihimo.roles.portal.service.inbox import Inboxes
from kumihimo.roles.portal.service.safe import SAFE_KEY, Safe
from kumihimo.roles.portal.service.waking import Waking


@dataclass
class Post:
    """X City's business system, its exchange, and the portal with Hanako's account."""

    desk: Desk
    portal: OwnPortal
    inboxes: Inboxes
    waking: Waking
    hanako: str

    @property
    def notices(self) -> Notices:
        return self.desk.services().notices

    def call(self, method: str, path: str, body: Any = None, desk: str = "x-city/desk") -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        answer = self.desk.country.carry(PartyId(desk), self.desk.exchange, method, f"/v1{path}", content, None)
        return answer.status_code, answer.json()

    def send(self, reference: str = "2026-1", **changed: Any) -> tuple[int, Any]:
        return self.call("POST", "/notices", notice(self.hanako, reference, **changed))

    def deliver(self) -> None:
        """Both ends go on until nothing waits."""
        self.notices.go_on()
        self.portal.pull()
        self.notices.go_on()


def notice(number: str, reference: str = "2026-1", **changed: Any) -> dict[str, Any]:
    content = {
        "kind": "decision",
        "title": {"ja": "児童手当の決定", "en": "Child allowance granted"},
        "body": {"ja": "{name}様\n\n月{amount}円を支給します。", "en": "We pay {amount} yen a month."},
        "deadline": "2026-12-01",
        "reply": True,
        "attachments": [
            {"name": "決定.txt", "media_type": "text/plain", "content": base64.b64encode("決定".encode()).decode()}
        ],
    }
    recipients = [{"addressee_number": number, "values": {"name": "総務花子", "amount": "15,000"}}]
    return {"reference": reference, "staff": "tanaka", "content": content, "recipients": recipients} | changed


@pytest.fixture
def post(case: Case) -> Iterator[Post]:
    with own_portal(case) as portal:
        edge = portal.country.edge(PORTAL)
        safe = Safe(read_secret(edge.identity.folder / SAFE_KEY))
        waking = Waking(portal.store, safe, edge.clock, SystemRandomness(), "https://portal.test")
        inboxes = Inboxes(portal.store, safe, edge, PeerClient(edge), waking)
        yield Post(case.x, portal, inboxes, waking, case.at_x)


def test_a_notice_reaches_the_one_person_it_is_for_and_is_opened_there(post: Post) -> None:
    status, taken = post.send()
    assert (status, taken["waiting"], taken["delivered"]) == (202, 1, 0)
    post.deliver()
    (letter,) = post.inboxes.list(post.portal.account)
    assert letter.title("en") == "Child allowance granted"
    assert letter.body("ja") == "総務花子様\n\n月15,000円を支給します。"
    assert post.inboxes.unread(post.portal.account)[0] == 1
    assert post.inboxes.file(post.portal.account, letter.kept.id, 0) == ("決定.txt", "text/plain", "決定".encode())
    assert post.inboxes.unread(post.portal.account)[0] == 0
    _, state = post.call("GET", "/notices/2026-1")
    assert (state["waiting"], state["delivered"], state["no_code"]) == (0, 1, 0)
    assert state["opened"] is None, "of one recipient a count would tell of a person"
    assert post.call("GET", "/notices/2026-1/recipients")[1]["recipients"][0]["opened_at"] is None


def test_the_same_notice_again_is_the_same_one_and_lies_there_once(post: Post) -> None:
    post.send()
    post.deliver()
    assert post.send()[0] == 202
    post.notices.store.note(post.notices.store.newest()[0].id, done=False)
    post.deliver()
    assert len(post.inboxes.list(post.portal.account)) == 1
    status, problem = post.send(staff="suzuki")
    assert (status, problem["type"]) == (409, "urn:kumihimo:problem:notice.reference")


def test_the_hub_sees_a_mailbox_once_and_no_notice_ever(post: Post) -> None:
    post.send()
    post.deliver()
    post.send("2026-2")
    post.deliver()
    assert len(post.inboxes.list(post.portal.account)) == 2
    to_hub = [path for _, party, path, _, _ in post.desk.country.carried if party == HUB_1 and path == "/mailboxes"]
    assert len(to_hub) == 1
    for me, party, _, sent, _ in post.desk.country.carried:
        if PORTAL not in (me, party):
            assert "児童手当の決定" not in sent.decode()


def test_whoever_the_platform_does_not_know_is_named_so_that_paper_goes_there(post: Post) -> None:
    unknown = post.desk.take_in(post.desk.register(hanako(given="太郎"))).addressee_number
    body = notice(post.hanako)
    body["recipients"].append({"addressee_number": unknown, "values": {"name": "総務太郎", "amount": "1"}})
    post.call("POST", "/notices", body)
    post.deliver()
    _, state = post.call("GET", "/notices/2026-1")
    assert (state["delivered"], state["no_code"], state["problem"]) == (1, 1, None)
    _, shown = post.call("GET", "/notices/2026-1/recipients?state=no_code")
    assert [(to["position"], to["addressee_number"]) for to in shown["recipients"]] == [(1, unknown)]


def test_a_portal_that_is_away_gets_it_later_and_the_state_says_why(post: Post) -> None:
    post.desk.country.down.add(PORTAL)
    post.send()
    post.notices.go_on()
    _, state = post.call("GET", "/notices/2026-1")
    assert (state["waiting"], state["problem"], state["opened"]) == (1, "peer.unreachable", None)
    post.desk.country.down.clear()
    post.deliver()
    assert post.call("GET", "/notices/2026-1")[1]["delivered"] == 1


def test_an_answer_goes_to_the_sender_alone_and_once(post: Post) -> None:
    post.send()
    post.deliver()
    (letter,) = post.inboxes.list(post.portal.account)
    post.inboxes.answer(post.portal.account, letter.kept.id, "ありがとうございます。")
    (said,) = post.call("GET", "/notices/2026-1/answers")[1]["answers"]
    assert (said["addressee_number"], said["says"]) == (post.hanako, "ありがとうございます。")
    with pytest.raises(Problem, match="answered already"):
        post.inboxes.answer(post.portal.account, letter.kept.id, "もう一度")


def test_who_lets_senders_know_is_named_as_having_opened_it(post: Post) -> None:
    post.waking.prefer(post.portal.account, None, None, True)
    post.send()
    post.deliver()
    (letter,) = post.inboxes.list(post.portal.account)
    post.inboxes.open(post.portal.account, letter.kept.id)
    post.call("GET", "/notices/2026-1")
    assert post.call("GET", "/notices/2026-1/recipients")[1]["recipients"][0]["opened_at"] is not None


def test_another_institution_cannot_use_a_mailbox_or_a_notice_that_is_not_its_own(post: Post, case: Case) -> None:
    post.send()
    post.deliver()
    exchange = case.y.services().notices
    taken = post.notices.store.newest()[0]
    assert exchange.stands(taken) is None
    before = len(post.inboxes.list(post.portal.account))
    own = case.y.services()
    number = case.at_y
    own.notices.take(
        "y-1", "sato", NoticeContent.model_validate(notice("")["content"]), [(number, {"name": "a", "amount": "1"})]
    )
    own.notices.go_on()
    stolen = post.notices.store.mailboxes([post.hanako])
    own.notices.store.keep_mailboxes({number: stolen[post.hanako]})
    own.notices.go_on()
    post.portal.pull()
    assert len(post.inboxes.list(post.portal.account)) == before


def test_the_store_of_the_portal_names_nobody_and_joins_with_nothing(post: Post) -> None:
    post.send()
    post.deliver()
    with post.portal.country.engine(PORTAL).connect() as conn:
        dump = "\n".join(conn.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    mailbox = post.notices.store.mailboxes([post.hanako])[post.hanako]
    for secret in ("総務花子", "児童手当", "15,000", post.hanako, mailbox.handle.hex().upper(), mailbox.handle.hex()):
        assert secret not in dump


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": [{"addressee_number": "123"}]}, "recipients.0.addressee_number"),
        ({"content": {"title": {"ja": "a" * 121}, "body": {"ja": "b"}}}, "title"),
        ({"content": {"title": {"ja": "a"}, "body": {"ja": "{lacking}"}}}, "recipients.0.values"),
        ({"reference": "a b"}, "reference"),
    ],
)
def test_what_cannot_be_sent_is_told_at_once_and_nothing_is_kept(post: Post, change: Any, where: str) -> None:
    status, problem = post.send(**change)
    assert status in (400, 422), problem
    assert where in (problem["where"] or "")
    assert post.call("GET", "/notices")[1]["notices"] == []


def test_the_same_addressee_twice_is_refused(post: Post) -> None:
    body = notice(post.hanako)
    body["recipients"] *= 2
    assert post.call("POST", "/notices", body)[1]["where"] == "recipients.1.addressee_number"


def test_the_api_is_for_the_own_desk_alone_and_describes_itself(post: Post) -> None:
    assert post.call("GET", "/notices", desk="y-city/desk")[0] == 403
    assert post.call("GET", "/notices", desk="x-city/ledger")[0] == 403
    status, document = post.call("GET", "/openapi.json")
    assert status == 200
    assert "/v1/notices/{reference}/recipients" in document["paths"]
    assert not any("corrections" in path for path in document["paths"])
