"""Messages that travel together: each gets its own answer or its own problem, none waits for long, none is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from small_country import EXCHANGE, LEDGER, OTHER, Answer, Question, SmallCountry, running, until

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, Message, Signed
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.together import (
    COMPANY,
    MOST,
    PATIENCE_SECONDS,
    Answered,
    Envelopes,
    Gathering,
    all_at_once,
    each,
    in_one_body,
    is_many,
    listed,
    one_by_one,
    parse_envelopes,
)

PATH = "/questions"


@pytest.fixture(scope="module")
def app(country: SmallCountry) -> FastAPI:
    """Answers questions, many at once; some are not answered, and some are answered as if another had been asked."""
    edge = country.edge(EXCHANGE)
    app = application("echo of many")
    app.state.sizes = []

    @app.post(PATH, response_model=Envelopes)
    def ask(envelopes: Envelopes, peer: Peer) -> list[Answered]:
        def answered(envelope: Envelope) -> Envelope:
            question = edge.open(envelope, Question, peer, lambda _party: True).value
            if question.text == "無理":
                raise Problem("affair.unknown", "no such affair", where="affair", advice="Ask another.")
            to = "another" if question.text == "別人" else question.message_id
            return edge.answer(Answer(in_reply_to=to, peer=peer, text=question.text))

        app.state.sizes.append(len(listed(envelopes)))
        return each(answered, listed(envelopes))

    return app


@pytest.fixture(scope="module")
def exchange(country: SmallCountry, app: FastAPI) -> Iterator[Edge]:
    edge = country.edge(EXCHANGE)
    with running(app, edge):
        yield edge


@pytest.fixture
def client(country: SmallCountry, exchange: Edge) -> Iterator[PeerClient]:
    client = PeerClient(country.edge(LEDGER))
    yield client
    client.close()


def questions(edge: Edge, *texts: str) -> list[Question]:
    return [edge.message(Question, EXCHANGE, text=text) for text in texts]


def told(answers: Sequence[Signed[Answer] | Problem]) -> list[str]:
    """The text of each answer, the code of each problem."""
    return [one.code if isinstance(one, Problem) else one.value.text for one in answers]


def posted(client: PeerClient, body: bytes) -> tuple[int, Any]:
    answered = client.post(EXCHANGE, PATH, body)
    return answered.status_code, json.loads(answered.content)


def test_each_gets_its_answer_or_its_problem_in_its_place(country: SmallCountry, client: PeerClient) -> None:
    asked = questions(country.edge(LEDGER), "一", "無理", "二", "別人", "三")
    answers = client.send_all(PATH, asked, Answer)
    assert told(answers) == ["一", "affair.unknown", "二", "message.replayed", "三"]
    problem = answers[1]
    assert isinstance(problem, Problem)
    assert (problem.where, problem.advice) == ("affair", "Ask another.")
    assert told(client.send_all(PATH, asked[:1], Answer)) == ["一"]
    assert told(client.send_all(PATH, asked[1:2], Answer)) == ["affair.unknown"]


def test_one_that_is_not_authentic_does_not_spoil_the_others(country: SmallCountry, client: PeerClient) -> None:
    ledger = country.edge(LEDGER)
    good, other, stranger = (ledger.answer(one) for one in questions(ledger, "良", "偽", "他"))
    forged = other.model_copy(update={"payload": good.payload})
    not_his = country.edge(OTHER).answer(questions(country.edge(OTHER), "他")[0])
    status, answers = posted(client, in_one_body([good, forged, not_his, stranger]))
    assert status == 200
    assert [one.get("type", "envelope").rpartition(":")[2] for one in answers] == [
        "envelope", "message.signature_invalid", "message.wrong_signer", "envelope",
    ]  # fmt: skip


def test_a_single_message_is_answered_as_ever(country: SmallCountry, client: PeerClient) -> None:
    ledger = country.edge(LEDGER)
    assert client.send(PATH, questions(ledger, "一人")[0], Answer).value.text == "一人"
    status, document = posted(client, in_one_body([ledger.answer(questions(ledger, "無理")[0])]))
    assert (status, document["type"]) == (404, "urn:kumihimo:problem:affair.unknown")


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_too_few_and_too_many_are_refused_as_a_whole(country: SmallCountry, client: PeerClient, count: int) -> None:
    ledger = country.edge(LEDGER)
    one = json.loads(ledger.answer(questions(ledger, "多")[0]).model_dump_json())
    status, document = posted(client, json.dumps([one] * count).encode())
    assert (status, document["type"]) == (400, "urn:kumihimo:problem:message.malformed")
    assert f"1 to {MOST}" in document["expected"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[", 400, "message.malformed"),
        (b"[1]", 400, "message.malformed"),
        (b'[{"payloadType":"a","payload":""}]', 400, "message.malformed"),
        (b'[{"payloadType":"a","payload":"","signatures":[]}]', 401, "message.unsigned"),
        (b"[[]]", 400, "message.malformed"),
    ],
)
def test_what_is_no_array_of_envelopes_is_refused_as_a_whole(
    client: PeerClient, body: bytes, status: int, code: str
) -> None:
    answered, document = posted(client, body)
    assert (answered, document["type"]) == (status, f"urn:kumihimo:problem:{code}")


def test_each_of_many_is_counted_by_what_became_of_it(country: SmallCountry, app: FastAPI, client: PeerClient) -> None:
    def count(status: int) -> float:
        labels = {"path": PATH, "method": "POST", "status": str(status)}
        return app.state.meters.registry.get_sample_value("kumihimo_requests_total", labels) or 0.0

    before = count(200), count(404)
    client.send_all(PATH, questions(country.edge(LEDGER), "一", "無理", "二"), Answer)
    # It is counted after the last byte is on its way.
    until(lambda: (count(200), count(404)) == (before[0] + 2, before[1] + 1))


def test_both_forms_are_declared(app: FastAPI) -> None:
    declared = app.openapi()["paths"][PATH]["post"]
    envelope = {"$ref": "#/components/schemas/Envelope"}
    for content in (declared["requestBody"]["content"], declared["responses"]["200"]["content"]):
        one, many = content["application/json"]["schema"]["anyOf"]
        assert one == envelope
        assert many["items"] == envelope


def test_nobody_there_is_a_problem_of_each(country: SmallCountry) -> None:
    client = PeerClient(country.edge(LEDGER))
    asked = [country.edge(LEDGER).message(Question, OTHER, text=text) for text in ("一", "二")]
    assert told(client.send_all(PATH, asked, Answer)) == ["peer.unreachable"] * 2
    client.close()


def test_an_answer_of_another_length_is_a_problem_of_each(
    country: SmallCountry, client: PeerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = PeerClient._exchange

    def one_less(self: PeerClient, *args: Any, **kwargs: Any) -> Any:
        answered = exchanged(self, *args, **kwargs)
        object.__setattr__(answered, "content", json.dumps(json.loads(answered.content)[:-1]).encode())
        return answered

    monkeypatch.setattr(PeerClient, "_exchange", one_less)
    answers = client.send_all(PATH, questions(country.edge(LEDGER), "一", "二"), Answer)
    assert told(answers) == ["message.malformed"] * 2


@given(st.lists(st.integers(-3, 3)))
def test_problems_keep_their_places(numbers: list[int]) -> None:
    def checked(number: int) -> int:
        if number < 0:
            raise Problem("value.invalid", str(number))
        return number

    opened = each(checked, numbers)
    doubled = all_at_once(lambda good: [2 * one for one in good], opened)
    assert [one.detail if isinstance(one, Problem) else one for one in doubled] == [
        str(number) if number < 0 else 2 * number for number in numbers
    ]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_a_body_of_many_holds_each_as_it_would_go_alone(country: SmallCountry, texts: list[str]) -> None:
    ledger = country.edge(LEDGER)
    envelopes = [ledger.answer(one) for one in questions(ledger, *texts)]
    body = in_one_body(envelopes)
    assert parse_envelopes(body) == envelopes
    assert is_many(body) == (len(texts) > 1)
    if is_many(body):
        assert one_by_one(body) == [one.model_dump_json() for one in envelopes]


class Peers:
    """A sender that answers when it is let; `sent` are the texts of each request."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.sent: list[list[str]] = []
        self.open = threading.Event()

    def send_all(self, path: str, messages: Sequence[Message], reply: Any) -> list[Any]:
        texts = [one.text for one in messages if isinstance(one, Question)]
        self.sent.append(texts)
        assert self.open.wait(20)
        if "事故" in texts:
            raise RuntimeError("an accident")
        return [Problem("affair.unknown", text) if text == "無理" else text for text in texts]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def asking(peers: Peers, edge: Edge) -> Callable[[str], Any]:
    gathering = Gathering(peers)
    return lambda text: gathering.send(PATH, edge.message(Question, EXCHANGE, text=text), Answer)


def test_one_goes_at_once_and_who_comes_meanwhile_goes_together(
    country: SmallCountry, pool: ThreadPoolExecutor
) -> None:
    peers = Peers(country.edge(LEDGER))
    ask = asking(peers, country.edge(LEDGER))
    first = pool.submit(ask, "零")
    until(lambda: peers.sent == [["零"]])
    company = [str(number) for number in range(COMPANY)]
    later = [pool.submit(ask, text) for text in company]
    until(lambda: len(peers.sent) == 2)  # enough for a request of their own, though one is under way
    assert sorted(peers.sent[1]) == company
    peers.open.set()
    assert first.result(20) == "零"
    assert [one.result(20) for one in later] == company


def test_few_wait_until_a_request_has_ended(country: SmallCountry, pool: ThreadPoolExecutor) -> None:
    peers = Peers(country.edge(LEDGER))
    ask = asking(peers, country.edge(LEDGER))
    first = pool.submit(ask, "零")
    until(lambda: peers.sent == [["零"]])
    later = [pool.submit(ask, text) for text in ("一", "二")]
    peers.open.set()
    assert [one.result(20) for one in (first, *later)] == ["零", "一", "二"]
    assert sorted(text for request in peers.sent for text in request) == ["一", "二", "零"]


def test_a_request_that_hangs_holds_up_nobody_for_long(country: SmallCountry, pool: ThreadPoolExecutor) -> None:
    peers = Peers(country.edge(LEDGER))
    ask = asking(peers, country.edge(LEDGER))
    waiting = [pool.submit(ask, "零")]
    until(lambda: len(peers.sent) == 1)
    waiting.append(pool.submit(ask, "一"))
    until(lambda: len(peers.sent) == 2, seconds=20 * PATIENCE_SECONDS)
    peers.open.set()
    assert [one.result(20) for one in waiting] == ["零", "一"]


def test_problems_and_accidents_reach_whom_they_concern(country: SmallCountry, pool: ThreadPoolExecutor) -> None:
    peers = Peers(country.edge(LEDGER))
    peers.open.set()
    ask = asking(peers, country.edge(LEDGER))
    with pytest.raises(Problem, match="無理"):
        ask("無理")
    with pytest.raises(RuntimeError, match="an accident"):
        ask("事故")
    assert ask("一") == "一"


def test_under_load_everybody_hears_what_is_theirs(
    country: SmallCountry, app: FastAPI, client: PeerClient, pool: ThreadPoolExecutor
) -> None:
    ledger, gathering = country.edge(LEDGER), Gathering(client)
    app.state.sizes.clear()

    def many(caller: int) -> list[str]:
        texts = [f"{caller}/{number}" for number in range(10)]
        return [gathering.send(PATH, one, Answer).value.text for one in questions(ledger, *texts)]

    heard = list(pool.map(many, range(40)))
    assert heard == [[f"{caller}/{number}" for number in range(10)] for caller in range(40)]
    assert sum(app.state.sizes) == 400
    assert max(app.state.sizes) <= MOST
    assert len(app.state.sizes) < 400
