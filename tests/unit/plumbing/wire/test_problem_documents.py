"""Problems cross the wire whole, and nothing a peer sends instead of one can break the caller."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from small_country import EXCHANGE, LEDGER, Answer, Question, SmallCountry, echoing, port_of
from starlette.requests import Request

from kumihimo.domain.kernel import Problem
from kumihimo.domain.kernel.errors import CATALOGUE
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import MAX_BODY, Edge, application
from kumihimo.plumbing.wire.problem import MEDIA_TYPE, from_document, to_document
from kumihimo.plumbing.wire.routes import peer_of
from kumihimo.plumbing.wire.tls import client_context, host_name

Run = Callable[[FastAPI, Edge], None]
words = st.none() | st.text()


@given(code=st.sampled_from(sorted(CATALOGUE)), detail=st.text(), where=words, expected=words, advice=words)
def test_a_problem_comes_back_as_it_went(
    code: str, detail: str, where: str | None, expected: str | None, advice: str | None
) -> None:
    problem = Problem(code, detail, where, expected, advice)
    document = to_document(problem)
    back = from_document(json.dumps(document).encode(), problem.status, "x-city/exchange")
    assert (back.code, back.detail, back.where, back.expected, back.advice) == (code, detail, where, expected, advice)
    assert document["status"] == problem.status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"[" * 200_000,
        b"[]",
        b"null",
        b'{"type":"about:blank","title":"Not Found","status":404}',
        b'{"type":"urn:kumihimo:problem:no.such","detail":"x"}',
        b'{"type":"urn:kumihimo:problem:resident.unknown"}',
        b'{"type":"urn:kumihimo:problem:resident.unknown","detail":{"a":1}}',
        b'{"type":"urn:kumihimo:problem:resident.unknown","detail":"x","where":[1]}',
        b'{"type":["urn:kumihimo:problem:resident.unknown"],"detail":"x"}',
    ],
)
def test_an_answer_that_is_no_problem_document_is_an_internal_problem_of_the_peer(body: bytes) -> None:
    problem = from_document(body, 502, "x-city/exchange")
    assert problem.code == "internal"
    assert problem.detail == "x-city/exchange answered with status 502 and no problem document"


@pytest.fixture
def exchange(country: SmallCountry, run: Run) -> Edge:
    edge = country.edge(EXCHANGE)
    app = echoing(edge)

    @app.get("/refusal")
    def refusal() -> None:
        raise Problem("resident.ambiguous", "2 residents fit", "four_items", "one resident", "Ask for the number.")

    @app.get("/accident")
    def accident() -> None:
        raise RuntimeError("the number 621498320257 was in my hands")

    run(app, edge)
    return edge


@pytest.fixture
def caller(country: SmallCountry, exchange: Edge) -> Iterator[httpx.Client]:
    """A party that speaks plain HTTP over mutual TLS."""
    with httpx.Client(
        verify=client_context(country.identity(LEDGER)),
        trust_env=False,
        base_url=f"https://127.0.0.1:{port_of(exchange)}",
    ) as client:
        yield client


def post(caller: httpx.Client, content: bytes | Iterator[bytes], media: str = "application/json") -> httpx.Response:
    return caller.post(
        "/questions", content=content, headers={"content-type": media},
        extensions={"sni_hostname": host_name(EXCHANGE)},
    )  # fmt: skip


def code_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == MEDIA_TYPE
    return str(response.json()["type"]).removeprefix("urn:kumihimo:problem:")


def test_a_caller_gets_the_problem_that_the_peer_had(country: SmallCountry, exchange: Edge) -> None:
    client = PeerClient(country.edge(LEDGER))
    with pytest.raises(Problem) as caught:
        client.get(EXCHANGE, "/refusal")
    problem = caught.value
    assert (problem.code, problem.detail) == ("resident.ambiguous", "2 residents fit")
    assert (problem.where, problem.expected) == ("four_items", "one resident")
    assert problem.advice == "Ask for the number."
    client.close()


def test_an_accident_inside_a_peer_tells_its_kind_and_no_more(country: SmallCountry, exchange: Edge) -> None:
    client = PeerClient(country.edge(LEDGER))
    with pytest.raises(Problem) as caught:
        client.get(EXCHANGE, "/accident")
    assert (caught.value.code, caught.value.detail) == ("internal", "RuntimeError")
    client.close()


def test_a_path_that_does_not_exist_is_an_internal_problem_with_its_status(
    country: SmallCountry, exchange: Edge
) -> None:
    client = PeerClient(country.edge(LEDGER))
    with pytest.raises(Problem) as caught:
        client.get(EXCHANGE, "/nowhere")
    assert caught.value.detail == "x-city/exchange answered with status 404 and no problem document"
    client.close()


def test_a_body_that_says_it_is_too_large_is_refused(caller: httpx.Client) -> None:
    response = post(caller, b" " * (MAX_BODY + 1))
    assert (response.status_code, code_of(response)) == (413, "message.too_large")
    assert response.json()["detail"] == f"more than {MAX_BODY} bytes"


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(country: SmallCountry, exchange: Edge) -> None:
    """Only the head is sent: the answer comes without any of the body."""
    context = client_context(country.identity(LEDGER))
    with (
        socket.create_connection(("127.0.0.1", port_of(exchange))) as line,
        context.wrap_socket(line, server_hostname=host_name(EXCHANGE)) as secured,
    ):
        head = (
            f"POST /questions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {10**12}\r\n\r\n"
        )
        secured.sendall(head.encode())
        assert secured.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_too_large_is_refused(caller: httpx.Client) -> None:
    response = post(caller, (b" " * 65_536 for _ in range(MAX_BODY // 65_536 + 1)))
    assert (response.status_code, code_of(response)) == (413, "message.too_large")


def test_an_endless_body_is_refused_in_the_middle(caller: httpx.Client) -> None:
    sent = itertools.count()
    pieces = (b" " * 65_536 for n in sent if n < 10_000)
    try:
        assert post(caller, itertools.islice(pieces, 10_000)).status_code == 413
    except httpx.WriteError:  # the server hung up on us: as good an answer
        assert next(sent) < 10_000


def test_a_body_of_just_the_largest_size_is_read(country: SmallCountry, exchange: Edge, caller: httpx.Client) -> None:
    ledger = country.edge(LEDGER)
    small = ledger.answer(ledger.message(Question, EXCHANGE, text="")).model_dump_json().encode()
    response = post(caller, small + b" " * (MAX_BODY - len(small)))
    assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"not json", b'{"payloadType":', b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"[]"],
)
def test_a_body_that_is_no_envelope_is_malformed(caller: httpx.Client, body: bytes) -> None:
    response = post(caller, body)
    assert (response.status_code, code_of(response)) == (400, "message.malformed")


def test_a_body_of_another_kind_is_malformed(caller: httpx.Client) -> None:
    response = post(caller, b"payloadType=x", "application/x-www-form-urlencoded")
    assert (response.status_code, code_of(response)) == (400, "message.malformed")


@pytest.mark.parametrize("signatures", [b"", b',"signatures":[]'])
def test_an_envelope_without_signatures_is_unsigned(caller: httpx.Client, signatures: bytes) -> None:
    kind = Question.payload_type().encode()
    response = post(caller, b'{"payloadType":"%s","payload":""%s}' % (kind, signatures))
    assert (response.status_code, code_of(response)) == (401, "message.unsigned")


def test_the_values_of_a_malformed_body_are_not_repeated(caller: httpx.Client) -> None:
    response = post(caller, b'{"payloadType":621498320257,"payload":621498320257,"signatures":621498320257}')
    assert response.status_code in (400, 401)
    assert "621498320257" not in response.text


def test_whoever_comes_without_tls_is_no_party() -> None:
    with pytest.raises(Problem) as caught:
        asyncio.run(peer_of(Request({"type": "http", "extensions": {}})))
    assert caught.value.code == "peer.unknown"


def test_a_message_that_was_answered_wrongly_is_a_problem_for_the_caller(country: SmallCountry, run: Run) -> None:
    edge = country.edge(EXCHANGE)
    app = application("mumbling")

    @app.post("/questions")
    def mumble() -> str:
        return "はい"

    run(app, edge)
    client, ledger = PeerClient(country.edge(LEDGER)), country.edge(LEDGER)
    with pytest.raises(Problem) as caught:
        client.send("/questions", ledger.message(Question, EXCHANGE, text="?"), Answer)
    assert caught.value.code == "message.malformed"
    client.close()
