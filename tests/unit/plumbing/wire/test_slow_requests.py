"""Who sends a request a byte at a time, or a head without end, is cut off; nobody else notices."""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from small_country import EXCHANGE, SmallCountry, echoing, line_to

from kumihimo.plumbing.wire import edge as edges
from kumihimo.plumbing.wire import tls
from kumihimo.plumbing.wire.edge import Edge

Run = Callable[[FastAPI, Edge], None]
PATIENCE = 0.4
GONE = (ConnectionError, ssl.SSLError)
HEAD = b"POST /questions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture
def hasty(country: SmallCountry, run: Run, monkeypatch: pytest.MonkeyPatch) -> Edge:
    """An exchange that waits fractions of a second where others wait up to a minute."""
    monkeypatch.setattr(edges, "BODY_SECONDS", PATIENCE)
    monkeypatch.setattr(tls, "HEAD_SECONDS", PATIENCE)
    monkeypatch.setattr(tls, "LINGER_SECONDS", PATIENCE)
    edge = country.edge(EXCHANGE)
    run(echoing(edge), edge)
    return edge


def everything(line: ssl.SSLSocket) -> bytes:
    """What the other end says until it hangs up."""
    heard = b""
    try:
        while part := line.recv(65_536):
            heard += part
    except GONE:
        pass
    return heard


def test_a_line_on_which_nothing_is_asked_is_cut(country: SmallCountry, hasty: Edge) -> None:
    with line_to(country, hasty) as line:
        assert everything(line) == b""


def drip(line: ssl.SSLSocket, pieces: Iterator[bytes]) -> None:
    """Send slowly, for ten seconds or until the other end hangs up."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        line.sendall(next(pieces))
        time.sleep(0.02)  # the fault itself: this is how slowly it comes


def test_a_head_that_comes_by_the_byte_is_cut(country: SmallCountry, hasty: Edge) -> None:
    with line_to(country, hasty) as line, pytest.raises(GONE):
        drip(line, itertools.cycle(bytes([byte]) for byte in HEAD))


@pytest.mark.parametrize(
    "start", [b"GET /" + b"a" * 200_000, HEAD + b"x-" + b"a" * 200_000, HEAD + b"a: b\r\n" * 40_000]
)
def test_a_head_without_end_is_cut(country: SmallCountry, hasty: Edge, start: bytes) -> None:
    with line_to(country, hasty) as line:
        try:
            for _ in range(100):
                line.sendall(start)
        except GONE:
            return
        assert b" 200 " not in everything(line)


def test_a_body_that_comes_by_the_byte_is_told_so(country: SmallCountry, hasty: Edge) -> None:
    with line_to(country, hasty) as line:
        line.sendall(HEAD + b"content-length: 1000\r\n\r\n{")
        heard = everything(line)
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert b"message.too_slow" in heard
    assert b"application/problem+json" in heard


def test_the_rest_of_a_body_that_was_refused_is_not_awaited_for_ever(country: SmallCountry, hasty: Edge) -> None:
    with line_to(country, hasty) as line:
        line.sendall(HEAD + b"content-length: 1000000000\r\n\r\n")
        with pytest.raises(GONE):
            drip(line, itertools.repeat(b" " * 1000))


def test_a_line_is_kept_between_two_requests(country: SmallCountry, hasty: Edge) -> None:
    with line_to(country, hasty) as line:
        for _ in range(2):
            line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            heard = b""
            while not heard.endswith(b"}"):
                heard += line.recv(65_536)
            assert heard.startswith(b"HTTP/1.1 200 ")
            time.sleep(2 * PATIENCE)  # longer than a request may take
