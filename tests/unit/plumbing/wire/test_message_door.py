"""What comes through the door for messages is declared, limited, answered and counted as whatever goes the long way."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from small_country import EXCHANGE, LEDGER, Answer, Question, SmallCountry, echoing, line_to, running

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, open_envelope, parse_envelope
from kumihimo.plumbing.wire.routes import Body, Peer

PATH = "/questions"


@pytest.fixture(scope="module")
def app(country: SmallCountry) -> FastAPI:
    edge = country.edge(EXCHANGE)
    app = echoing(edge)

    @app.post("/waiting")
    async def waiting(envelope: Envelope, peer: Peer) -> Envelope:
        await asyncio.sleep(0)
        return envelope

    @app.post("/bytes")
    def taken_as_bytes(body: Body, peer: Peer) -> Envelope:
        return parse_envelope(body)

    @app.post("/accident")
    def accident(envelope: Envelope, peer: Peer) -> Envelope:
        raise RuntimeError(envelope.payload)

    @app.post("/refusal")
    async def refusal(envelope: Envelope, peer: Peer) -> Envelope:
        raise Problem("affair.unknown", "no such affair")

    @app.post("/long-way")
    def long_way(envelope: Envelope, peer: Peer, request: Request) -> Response:
        return Response(envelope.model_dump_json(), media_type="application/json")

    return app


@pytest.fixture(scope="module")
def exchange(country: SmallCountry, app: FastAPI) -> Iterator[Edge]:
    edge = country.edge(EXCHANGE)
    with running(app, edge):
        yield edge


def written(envelope: Envelope, *lines: bytes, path: str = PATH, version: bytes = b"1.1") -> bytes:
    """A request as it crosses the line."""
    body = envelope.model_dump_json().encode()
    head = [b"POST %b HTTP/%b" % (path.encode(), version), b"host: x", b"content-type: application/json; charset=utf-8"]
    return b"\r\n".join([*head, b"content-length: %d" % len(body), *lines, b"", body])


def chunked(envelope: Envelope) -> bytes:
    body = envelope.model_dump_json().encode()
    parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = (
        b"POST /questions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + parts + b"0\r\n\r\n"


def until_the_end(line: ssl.SSLSocket) -> bytes:
    heard = b""
    while part := line.recv(65_536):
        heard += part
    return heard


def one_answer(line: ssl.SSLSocket) -> tuple[bytes, bytes]:
    """Head and content of the next answer, which has a length and is alone."""
    heard = b""
    while True:
        head, found, content = heard.partition(b"\r\n\r\n")
        if found and len(content) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return head, content
        part = line.recv(65_536)
        assert part, heard
        heard += part


def question(country: SmallCountry, text: str) -> Envelope:
    ledger = country.edge(LEDGER)
    return ledger.answer(ledger.message(Question, EXCHANGE, text=text))


def said(country: SmallCountry, content: bytes) -> str:
    return open_envelope(parse_envelope(content), Answer, country.edge(LEDGER).directory, EXCHANGE).value.text


def test_what_goes_through_the_door_is_declared_as_all_the_rest(app: FastAPI) -> None:
    paths: dict[str, Any] = app.openapi()["paths"]
    for path in (PATH, "/waiting", "/accident", "/refusal"):
        declared = paths[path]["post"]
        shape = {"$ref": "#/components/schemas/Envelope"}
        assert declared["requestBody"]["content"]["application/json"]["schema"] == shape
        assert declared["responses"]["200"]["content"]["application/json"]["schema"] == shape
    assert "post" in paths["/bytes"]


@pytest.mark.parametrize("path", ["/waiting", "/bytes", "/long-way"])
def test_an_envelope_comes_back_the_same_by_every_way(country: SmallCountry, exchange: Edge, path: str) -> None:
    envelope = question(country, "同じ")
    client = PeerClient(country.edge(LEDGER))
    answered = client.post(EXCHANGE, path, envelope.model_dump_json().encode())
    client.close()
    assert answered.status_code == 200
    assert parse_envelope(answered.content) == envelope


def test_an_answer_is_one_whole_answer_of_http(country: SmallCountry, exchange: Edge) -> None:
    with line_to(country, exchange) as line:
        line.sendall(written(question(country, "一つ")))
        head, content = one_answer(line)
    status, *fields = head.split(b"\r\n")
    assert status == b"HTTP/1.1 200 OK"
    assert sorted(field.partition(b":")[0].lower() for field in fields) == [b"content-length", b"content-type", b"date"]
    assert b"content-type: application/json" in fields
    assert said(country, content) == "一つ"


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 5_000), max_size=6), in_chunks=st.booleans())
def test_a_message_is_understood_however_it_comes_in_pieces(
    country: SmallCountry, exchange: Edge, cuts: list[int], in_chunks: bool
) -> None:
    envelope = question(country, "切れ切れ")
    whole = chunked(envelope) if in_chunks else written(envelope)
    places = [0, *sorted({cut % len(whole) for cut in cuts} - {0}), len(whole)]
    with line_to(country, exchange) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin, end in itertools.pairwise(places):
            line.sendall(whole[begin:end])
        assert said(country, one_answer(line)[1]) == "切れ切れ"


def test_questions_that_come_at_once_are_answered_in_their_order(country: SmallCountry, exchange: Edge) -> None:
    texts = [f"第{number}問" for number in range(5)]
    with line_to(country, exchange) as line:
        asked = [written(question(country, text)) for text in texts[:-1]]
        line.sendall(b"".join(asked) + written(question(country, texts[-1]), b"connection: close"))
        heard = until_the_end(line)
    answers = heard.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [said(country, answer.partition(b"\r\n\r\n")[2]) for answer in answers] == texts
    assert [b"connection: close" in answer for answer in answers] == [False] * 4 + [True]


@pytest.mark.parametrize(("lines", "version"), [((b"connection: close",), b"1.1"), ((), b"1.0")])
def test_who_wants_no_more_answers_gets_one_and_a_farewell(
    country: SmallCountry, exchange: Edge, lines: tuple[bytes, ...], version: bytes
) -> None:
    with line_to(country, exchange) as line:
        line.sendall(written(question(country, "最後"), *lines, version=version))
        head, _, content = until_the_end(line).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert said(country, content) == "最後"


def test_who_waits_for_leave_to_send_a_body_gets_it(country: SmallCountry, exchange: Edge) -> None:
    head, _, body = written(question(country, "どうぞ"), b"expect: 100-continue").partition(b"\r\n\r\n")
    with line_to(country, exchange) as line:
        line.sendall(head + b"\r\n\r\n")
        leave = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert line.recv(len(leave)) == leave
        line.sendall(body)
        assert said(country, one_answer(line)[1]) == "どうぞ"


@pytest.mark.parametrize("lines", [(b"transfer-encoding: chunked",), (b"content-length: 3",)])
def test_a_message_of_two_lengths_is_refused(country: SmallCountry, exchange: Edge, lines: tuple[bytes, ...]) -> None:
    with line_to(country, exchange) as line:
        line.sendall(written(question(country, "どこまで"), *lines))
        assert until_the_end(line).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/accident", 500, "internal"), ("/refusal", 404, "affair.unknown")]
)
def test_what_goes_wrong_behind_the_door_is_a_document(
    country: SmallCountry, exchange: Edge, path: str, status: int, code: str
) -> None:
    envelope = question(country, "失敗")
    with line_to(country, exchange) as line:
        for _ in range(2):  # and the line serves on
            line.sendall(written(envelope, path=path))
            head, content = one_answer(line)
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert code.encode() in content
            assert envelope.payload.encode() not in content


def test_what_comes_through_the_door_is_counted(country: SmallCountry, app: FastAPI, exchange: Edge) -> None:
    def count(path: str, status: int) -> float:
        labels = {"path": path, "method": "POST", "status": str(status)}
        return app.state.meters.registry.get_sample_value("kumihimo_requests_total", labels) or 0.0

    before = count(PATH, 200), count("/accident", 500)
    with line_to(country, exchange) as line:
        for path in (PATH, PATH, "/accident"):
            line.sendall(written(question(country, "数"), path=path))
            one_answer(line)
    # It is counted after the last byte is on its way.
    with line_to(country, exchange) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        one_answer(line)
    assert (count(PATH, 200), count("/accident", 500)) == (before[0] + 2, before[1] + 1)
