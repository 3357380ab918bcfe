"""An answer of HTTP/1.1 is read the same however it comes in pieces, and what is none is never taken for one."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.plumbing.wire.http1 import MAX_ANSWER, MAX_HEAD, Answered, Exchange, Garbled, TooLarge

OK = b"HTTP/1.1 200 OK\r\n"
SECONDS = 20.0


@contextmanager
def line_with(pieces: Iterable[bytes]) -> Iterator[socket.socket]:
    """A line whose other end hears the question, sends each of `pieces` by itself, and hangs up."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def answer() -> None:
        with theirs:
            theirs.recv(65_536)
            try:
                for piece in pieces:
                    theirs.sendall(piece)
            except OSError:  # whoever asked has heard enough
                pass

    answering = threading.Thread(target=answer)
    answering.start()
    with ours:
        yield ours
    answering.join()


def answered(*pieces: bytes) -> Answered:
    with line_with(pieces) as line:
        return Exchange(line, SECONDS).ask("127.0.0.1:1", "POST", "/", b"?")


def in_pieces(whole: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({cut % len(whole) for cut in cuts} - {0}), len(whole)]
    return [whole[begin:end] for begin, end in itertools.pairwise(places)]


def in_chunks(content: bytes, sizes: list[int]) -> bytes:
    written, at = b"", 0
    for size in sizes:
        if part := content[at : at + size]:
            written += b"%x\r\n%b\r\n" % (len(part), part)
        at += size
    if rest := content[at:]:
        written += b"%x\r\n%b\r\n" % (len(rest), rest)
    return written + b"0\r\n\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, bytes, bool]:
    """An answer as it is written; its status, its content, and whether it is the last on its line."""
    status = draw(st.integers(200, 599).filter(lambda status: status not in (204, 304)))
    content, closing = draw(st.binary(max_size=300)), draw(st.booleans())
    head = b"HTTP/1.1 %d %b\r\n" % (status, draw(st.sampled_from((b"", b"OK", b"Not Found"))))
    head += b"Connection: close\r\n" * closing + b"x-other: 1\r\nX-Other: 2\r\n" * draw(st.booleans())
    if draw(st.booleans()):
        whole = head + b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
    else:
        sizes = draw(st.lists(st.integers(1, 100), max_size=5))
        whole = head + b"transfer-encoding: chunked\r\n\r\n" + in_chunks(content, sizes)
    return whole, status, content, closing


CUTS = st.lists(st.integers(0, 1_000), max_size=30)


@given(answers(), CUTS)
def test_an_answer_is_the_same_however_it_comes_in_pieces(
    answer: tuple[bytes, int, bytes, bool], cuts: list[int]
) -> None:
    whole, status, content, closing = answer
    assert answered(*in_pieces(whole, cuts)) == Answered(status, content, closing)


@given(answers(), CUTS, st.integers(0, 10_000))
def test_an_answer_that_breaks_off_is_none(
    answer: tuple[bytes, int, bytes, bool], cuts: list[int], length: int
) -> None:
    part = answer[0][: length % len(answer[0])]
    with line_with(in_pieces(part, cuts) if part else []) as line:
        exchange = Exchange(line, SECONDS)
        with pytest.raises(ConnectionResetError):
            exchange.ask("127.0.0.1:1", "POST", "/", b"?")
    assert exchange.begun == bool(part)


@given(answers(), st.integers(0, 10_000), st.binary(min_size=1, max_size=20), CUTS)
def test_an_answer_with_something_strange_in_it_is_read_or_refused(
    answer: tuple[bytes, int, bytes, bool], place: int, strange: bytes, cuts: list[int]
) -> None:
    at = place % (len(answer[0]) + 1)
    written = answer[0][:at] + strange + answer[0][at:]
    try:
        found = answered(*in_pieces(written, cuts))
    except (Garbled, ConnectionResetError):
        return
    assert found.status_code in range(200, 600)


@given(st.binary(min_size=1, max_size=400), CUTS)
def test_noise_is_no_answer(noise: bytes, cuts: list[int]) -> None:
    with pytest.raises((Garbled, ConnectionResetError)):
        answered(*in_pieces(noise, cuts))


@pytest.mark.parametrize(
    "strange",
    [
        OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
        OK + b"content-length: 2\r\ncontent-length: 20\r\n\r\nok",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"content-length: -2\r\n\r\nok",
        OK + b"content-length: +2\r\n\r\nok",
        OK + b"content-length: 0x2\r\n\r\nok",
        OK + b"content-length: 2, 2\r\n\r\nok",
        OK + b"content-length: 99999999999999999999999\r\n\r\nok",
        OK + b"content-length : 2\r\n\r\nok",
        OK + b"content-length: 2\n\nok",
        OK + b"transfer-encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        OK + b"x-other: a\0b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nok",
        b"HTTP/1.1 600 No\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/3.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"GET / HTTP/1.1\r\ncontent-length: 2\r\n\r\nok",
        OK + b"content-length: 2\r\n\r\nok and more",
    ],
)
def test_what_two_readers_could_understand_differently_is_no_answer(strange: bytes) -> None:
    with pytest.raises(Garbled):
        answered(strange)


@pytest.mark.parametrize("head", [b"\r\n", b"transfer-encoding: gzip\r\n\r\n", b"connection: close\r\n\r\n"])
def test_an_answer_that_ends_where_the_peer_hangs_up_is_none(head: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        answered(OK + head + b"ok")


def test_what_comes_after_an_answer_is_not_taken_for_the_next() -> None:
    whole = OK + b"content-length: 2\r\n\r\nok"
    assert answered(whole + OK + b"content-length: 4\r\n\r\nevil") == Answered(200, b"ok", last=True)


def test_an_answer_without_content_has_none() -> None:
    assert answered(b"HTTP/1.1 204 No Content\r\n\r\n") == Answered(204, b"")
    assert answered(OK + b"content-length: 0\r\n\r\n") == Answered(200, b"")


def test_an_answer_is_closed_by_who_speaks_the_older_http() -> None:
    assert answered(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok") == Answered(200, b"ok", last=True)


@pytest.mark.parametrize("start", [OK + b"x-", OK + b"content-length: 2\r\n" + b"a: b\r\n" * 100])
def test_a_head_without_end_is_not_waited_for(start: bytes) -> None:
    with pytest.raises(Garbled):
        answered(start, *[b"a: b\r\n" * 1_000] * (MAX_HEAD // 6_000 + 10))


def test_an_answer_that_is_too_large_is_not_kept() -> None:
    large = bytes(128 * 1024)
    head = OK + b"content-length: %d\r\n\r\n" % (2 * MAX_ANSWER)
    with pytest.raises(TooLarge):
        answered(head, *[large] * (MAX_ANSWER // len(large) * 2))


def test_a_head_after_the_content_is_not_without_end() -> None:
    """Fields may follow the last chunk."""

    def trailer() -> Iterator[bytes]:
        yield OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx-"
        while True:
            yield b"a" * 65_536

    with pytest.raises(TooLarge):
        answered(*[piece for piece, _ in zip(trailer(), range(MAX_ANSWER // 65_536 + 2), strict=False)])


@pytest.mark.parametrize("target", ["", "x", "/a b", "/a\r\nx: y", "/\r\n\r\nGET /", "/é", "/\0", "http://x/"])
def test_nothing_but_a_target_is_asked_for(target: str) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours, pytest.raises(ValueError, match="target"):
            Exchange(ours, SECONDS).ask("127.0.0.1:1", "GET", target, None)
        assert theirs.recv(65_536) == b""


def test_a_question_is_one_request() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(OK + b"content-length: 0\r\n\r\n")
        Exchange(ours, SECONDS).ask("127.0.0.1:1", "POST", "/x?y=z", b"{}")
        assert theirs.recv(65_536) == (
            b"POST /x?y=z HTTP/1.1\r\nhost: 127.0.0.1:1\r\naccept-encoding: identity\r\n"
            b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        )
