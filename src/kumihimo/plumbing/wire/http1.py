"""HTTP/1.1 as our own services speak it (RFC 9112): one question on an open line, and its whole answer.

The parser is the one that serves our requests, llhttp; what a general client does around one costs more than the parsing.
A peer is believed no more than a caller is: it could else fill our memory, or hold our threads by a byte at a time. An answer
has a certain end; one that ends where the peer hangs up is none.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_ANSWER: Final = 64 * 1024 * 1024  # the largest page of a feed has a sixth of it
MAX_HEAD: Final = 64 * 1024
_PART: Final = 64 * 1024
_TARGET: Final = re.compile(r"/[!-~]*")
_STATUSES: Final = range(200, 600)


class Garbled(Exception):
    """What came is no answer of HTTP/1.1."""


class TooLarge(Exception):
    """An answer of more than `MAX_ANSWER` bytes, as they come over the line."""


@dataclass(frozen=True)
class Answered:
    """An answer as it came: nothing decompressed, any status. `last`: the line serves no other question."""

    status_code: int
    content: bytes
    last: bool = False

    @property
    def text(self) -> str:
        """The content as UTF-8; what is none is replaced."""
        return self.content.decode(errors="replace")


class Exchange:
    """One question and its answer on a line that is open. `begun`: at least one byte of an answer came."""

    def __init__(self, line: socket.socket, seconds: float) -> None:
        line.settimeout(seconds)
        self._line = line
        self._seconds = seconds
        self.begun = False

    def ask(self, host: str, method: str, target: str, body: bytes | None) -> Answered:
        """Send a question, wait for the whole answer. Raises OSError, Garbled, TooLarge; ValueError for no target."""
        if not _TARGET.fullmatch(target):
            raise ValueError("a target has no blanks, and only characters of ASCII")
        until = time.monotonic() + self._seconds
        head = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n"
        if body is None:
            self._line.sendall(head.encode() + b"\r\n")
        else:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            self._line.sendall(head.encode() + body)
        return self._answer(until)

    def _answer(self, until: float) -> Answered:
        reading = _Reading()
        parser = reading.parser = HttpResponseParser(reading)
        came = 0
        try:
            while not reading.whole:
                if time.monotonic() > until:
                    raise TimeoutError(f"no whole answer after {self._seconds} s")
                part = self._line.recv(_PART)
                if not part:
                    raise ConnectionResetError("the peer hung up")
                self.begun = True
                came += len(part)
                parser.feed_data(part)
                if came > MAX_ANSWER:
                    raise TooLarge
                if came > MAX_HEAD and not reading.status:
                    raise Garbled("a head without end")
        except (HttpParserError, HttpParserUpgrade) as error:
            raise Garbled(type(error).__name__) from None
        finally:
            reading.parser = None  # nothing is left for the garbage collector
        if reading.status not in _STATUSES:
            raise Garbled("no status of an answer")
        return Answered(reading.status, b"".join(reading.parts), reading.last)


class _Reading:
    """What the parser has found; it calls these as it goes."""

    def __init__(self) -> None:
        self.parser: HttpResponseParser | None = None
        self.status = 0
        self.parts: list[bytes] = []
        self.whole = False
        self.last = True

    def on_headers_complete(self) -> None:
        assert self.parser is not None  # noqa: S101 - it is calling
        if not self.whole:
            self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self.whole:
            self.parts.append(body)

    def on_message_complete(self) -> None:
        assert self.parser is not None  # noqa: S101 - it is calling
        if not self.whole:
            self.whole = True
            self.last = not self.parser.should_keep_alive()

    def on_message_begin(self) -> None:
        if self.whole:  # something follows that nobody asked for
            self.last = True
