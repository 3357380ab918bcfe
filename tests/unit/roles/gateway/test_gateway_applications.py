"""A resident applies: real portal, real exchanges, a real signature; each body gets its own part and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from gateway_country import PORTAL, Case, hanako
from own_portal import OwnPortal, own_portal

from kumihimo.domain.jpki import Holder
from kumihimo.domain.kernel import PartyId, Problem, SystemRandomness
from kumihimo.domain.sealing import seal
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.applications import (
    ApplicationState,
    ApplicationTaken,
    SealedApplication,
    SubmitApplication,
    application_binding,
)
from kumihimo.plumbing.wire.ocsp_client import OcspClient
from kumihimo.roles.portal.service.applying import Applications
from kumihimo.roles.portal.service.closing import close_account
from kumihimo.roles.portal.service.safe import SAFE_KEY, Safe
from kumihimo.roles.portal.store_applications import application, part
from small_jpki import SmallJpki, card_signature, der, rsa_key

HANAKO = rsa_key("Hanako signs")
RETIRED = {
    "left_on": "2026-10-31", "reason": "own", "dependent": "no", "exemption": "yes", "seeks_work": "no",
}  # fmt: skip


@dataclass
class Counter:
    """The portal with Hanako's account, and the offices behind it."""

    portal: OwnPortal
    applications: Applications
    jpki: SmallJpki
    case: Case

    @property
    def account(self) -> str:
        return self.portal.account

    def call(self, method: str, path: str, body: Any = None, desk: str = "x-city/desk") -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        exchange = PartyId(desk.partition("/")[0] + "/exchange")
        answer = self.portal.country.carry(PartyId(desk), exchange, method, f"/v1{path}", content, None)
        return answer.status_code, answer.json()

    def draft(self, event: str = "retirement", answers: dict[str, str] = RETIRED) -> str:
        name = self.applications.begin(self.account, event)
        self.applications.answer(self.account, name, "x-city", answers)
        return name

    def sign(self, name: str, revoked: bool = False, spoilt: bool = False) -> None:
        certificate = self.jpki.issue("signature", HANAKO, holder=Holder.of(hanako()))
        prepared = self.applications.prepare("session", self.account, name, b64(der(certificate)), False)
        if revoked:
            self.jpki.revoke(certificate)
        digest = hashlib.sha256(b"something else").digest() if spoilt else prepared.digest
        self.applications.finish("session", self.account, name, b64(card_signature(HANAKO, digest)))

    def rows(self, table: Any) -> int:
        with self.portal.store.reading() as reading:
            return len(reading.conn.execute(table.select()).all())


@pytest.fixture
def counter(case: Case) -> Iterator[Counter]:
    jpki = SmallJpki(now=datetime.now(UTC))
    with own_portal(case) as portal, jpki.responder():
        edge = portal.country.edge(PORTAL)
        portal.country.clock.at = jpki.now
        applications = Applications(
            portal.store, Safe(read_secret(edge.identity.folder / SAFE_KEY)), edge, PeerClient(edge), edge.clock,
            SystemRandomness(), jpki.trusted("signature"), OcspClient(SystemRandomness(), edge.clock),
        )  # fmt: skip
        yield Counter(portal, applications, jpki, case)


def test_one_signature_and_each_body_gets_its_own_part(counter: Counter) -> None:
    name = counter.draft()
    counter.sign(name)
    tracked = counter.applications.tracked(counter.account, name)
    assert [(one.part.institution, one.part.procedure, one.state) for one in tracked] == [
        ("x-city", "national-health-insurance.join", ApplicationState.RECEIVED),
        ("pension-service", "national-pension.exemption", ApplicationState.RECEIVED),
    ]
    (listed,) = counter.call("GET", "/applications")[1]["applications"]
    assert listed["number"] == tracked[0].number
    _, opened = counter.call("GET", f"/applications/{listed['number']}")
    assert opened["answers"] == {"left_on": "2026-10-31", "reason": "own"}
    assert opened["hash"] == tracked[0].part.hash
    assert opened["applicant"] == {
        "name": "総務　花子", "address": "甲県X市中央1丁目2番3号", "birth": "1975-01-01", "sex": "female",
    }  # fmt: skip
    manifest = json.loads(base64.b64decode(opened["manifest"]))
    assert opened["hash"] in [one["hash"] for one in manifest["parts"]]
    other = counter.call("GET", "/applications", desk="pension-service/desk")[1]["applications"]
    assert [one["procedure"] for one in other] == ["national-pension.exemption"]


def test_the_receipt_is_signed_by_the_body_and_names_the_hash_that_was_signed(counter: Counter) -> None:
    name = counter.draft()
    counter.sign(name)
    (first, _) = counter.applications.tracked(counter.account, name)
    envelope = Envelope.model_validate_json(counter.applications.receipt(counter.account, name, first.part.receipt))
    edge = counter.portal.country.edge(PORTAL)
    receipt = edge.read(envelope, ApplicationTaken, PartyId("x-city/exchange")).value
    assert (receipt.hash, receipt.number, receipt.taken_at) == (first.part.hash, first.number, first.part.taken_at)


def test_what_the_office_decides_is_seen_by_the_applicant(counter: Counter) -> None:
    name = counter.draft()
    counter.sign(name)
    number = counter.applications.tracked(counter.account, name)[0].number
    state = {"state": "granted", "staff": "tanaka", "says": "保険証をお送りします。"}
    assert counter.call("POST", f"/applications/{number}/state", state)[0] == 200
    assert counter.call("POST", f"/applications/{number}/state", state)[0] == 200, "the same again"
    first = counter.applications.tracked(counter.account, name)[0]
    assert (first.state, first.says) == (ApplicationState.GRANTED, "保険証をお送りします。")
    back = counter.call("POST", f"/applications/{number}/state", {"state": "in_work", "staff": "tanaka"})
    assert (back[0], back[1]["type"]) == (409, "urn:kumihimo:problem:application.state")
    assert counter.call("GET", "/applications/AAAAA-AAAAA")[0] == 404
    assert counter.call("GET", f"/applications/{number}", desk="y-city/desk")[0] == 404
    assert counter.call("GET", "/applications?state=granted")[1]["applications"][0]["number"] == number


def test_a_body_that_is_away_gets_its_part_later_and_once(counter: Counter) -> None:
    away = PartyId("pension-service/exchange")
    counter.portal.country.down.add(away)
    name = counter.draft()
    counter.sign(name)
    first, second = counter.applications.tracked(counter.account, name)
    assert (first.state, second.state, second.part.problem) == (ApplicationState.RECEIVED, None, "peer.unreachable")
    with pytest.raises(Problem, match="still being sent"):
        close_account(counter.portal.store, counter.account, counter.portal.country.clock.now())
    counter.portal.country.down.clear()
    assert counter.applications.go_on() == 1
    assert counter.applications.go_on() == 0
    assert len(counter.call("GET", "/applications", desk="pension-service/desk")[1]["applications"]) == 1


def test_an_answer_that_got_lost_does_not_make_a_second_application(counter: Counter) -> None:
    country = counter.portal.country
    country.altered["x-city/exchange/applications"] = lambda _body: b"{}"
    name = counter.draft()
    counter.sign(name)
    assert counter.applications.tracked(counter.account, name)[0].part.taken_at is None
    country.altered.clear()
    assert counter.applications.go_on() == 1
    assert len(counter.call("GET", "/applications")[1]["applications"]) == 1


def test_nothing_is_signed_twice_and_nothing_is_sent_without_a_good_signature(counter: Counter) -> None:
    name = counter.draft()
    for change in ({"spoilt": True}, {"revoked": True}):
        with pytest.raises(Problem):
            counter.sign(name, **change)
        assert counter.rows(part) == 0
    counter.sign(name)
    with pytest.raises(Problem, match="signed"):
        counter.sign(name)
    with pytest.raises(Problem, match="Nothing waits"):
        counter.applications.finish("session", counter.account, name, "AA==")
    with pytest.raises(Problem, match="signed"):
        counter.applications.answer(counter.account, name, None, {"reason": "age"})


def test_a_draft_survives_asks_only_what_follows_and_is_nobody_elses(counter: Counter) -> None:
    name = counter.applications.begin(counter.account, "retirement")
    counter.applications.answer(counter.account, name, "x-city", {"left_on": "令和8年10月31日", "seeks_work": "yes"})
    draft = counter.applications.one(counter.account, name)
    assert draft.answers == {"left_on": "2026-10-31", "seeks_work": "yes"}
    assert [one.id for one in draft.event.open(draft.answers)] == ["reason", "dependent", "exemption", "account"]
    assert not draft.complete
    counter.applications.answer(counter.account, name, None, {"account": "0001-001-1234567"})
    changed = counter.applications.answer(counter.account, name, None, {"seeks_work": "no"})
    assert "account" not in changed.answers, "what is not asked any more is not kept"
    with pytest.raises(Problem, match="not answered"):
        counter.applications.prepare(
            "session", counter.account, name, b64(der(counter.jpki.issue("signature", HANAKO))), False
        )
    with pytest.raises(Problem, match="No such application"):
        counter.applications.one("f" * 32, name)


@pytest.mark.parametrize(
    ("answers", "where"),
    [
        ({"left_on": "soon"}, "left_on"),
        ({"reason": "boredom"}, "reason"),
        ({"dependent": "maybe"}, "dependent"),
        ({"account": "123"}, "account"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_the_draft_stays(counter: Counter, answers: Any, where: str) -> None:
    name = counter.draft()
    with pytest.raises(Problem) as caught:
        counter.applications.answer(counter.account, name, None, answers)
    assert caught.value.where == where
    assert counter.applications.one(counter.account, name).answers == RETIRED


def test_a_part_that_was_not_signed_is_not_taken(counter: Counter) -> None:
    name = counter.draft()
    counter.sign(name)
    _, opened = counter.call("GET", f"/applications/{counter.applications.tracked(counter.account, name)[0].number}")
    edge = counter.portal.country.edge(PORTAL)
    exchange = PartyId("x-city/exchange")
    forged = SealedApplication.model_validate(
        {
            "part": {
                "application": name, "procedure": "national-health-insurance.join", "institution": "x-city",
                "answers": {"reason": "employer"}, "salt": "0" * 32,
            },
            "manifest": opened["manifest"],
            "signature": opened["signature"],
        }
    )  # fmt: skip
    receipt = "e" * 32
    plain = forged.model_dump_json().encode()
    sealed = seal(plain, edge.directory.seal_key(exchange), application_binding(receipt, "submitted"))
    message = edge.message(
        SubmitApplication, exchange, receipt=receipt, procedure="national-health-insurance.join", sealed=b64(sealed)
    )
    with pytest.raises(Problem, match="not the part that was signed"):
        PeerClient(edge).send("/applications", message, ApplicationTaken)
    nothing = forged.model_copy(update={"manifest": b64(b"no manifest")}).model_dump_json().encode()
    sealed_nothing = seal(nothing, edge.directory.seal_key(exchange), application_binding(receipt, "submitted"))
    malformed = edge.message(
        SubmitApplication,
        exchange,
        receipt=receipt,
        procedure="national-health-insurance.join",
        sealed=b64(sealed_nothing),
    )
    with pytest.raises(Problem) as caught:
        PeerClient(edge).send("/applications", malformed, ApplicationTaken)
    assert caught.value.code == "message.malformed"
    for other in ("x-city/desk", "y-city/exchange"):
        stranger = counter.portal.country.edge(PartyId(other))
        own = stranger.message(
            SubmitApplication, exchange, receipt=receipt, procedure="national-health-insurance.join", sealed=b64(sealed)
        )
        with pytest.raises(Problem, match="may not send"):
            PeerClient(stranger).send("/applications", own, ApplicationTaken)


def test_the_stores_hold_no_answer_in_clear_and_a_closed_account_leaves_none(counter: Counter) -> None:
    name = counter.draft("death", {
        "deceased": "総務太郎", "died_on": "2026-11-01", "relation": "parent", "pension": "yes", "funeral": "no",
        "account": "0001-001-7654321",
    })  # fmt: skip
    counter.sign(name)
    for party in (PORTAL, PartyId("pension-service/exchange")):
        with counter.portal.country.engine(party).connect() as conn:
            dump = "\n".join(conn.connection.driver_connection.iterdump())  # type: ignore[union-attr]
        for secret in ("総務太郎", "7654321", "総務太郎".encode().hex().upper()):
            assert secret not in dump
    close_account(counter.portal.store, counter.account, counter.portal.country.clock.now())
    assert (counter.rows(application), counter.rows(part)) == (0, 0)
