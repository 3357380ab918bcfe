"""HTTP/1.1 as our own services speak it (RFC 9112): one question on an open line, and its whole answer.

What a general client must understand costs more than all the rest of a message. Here an answer has a length or comes in
chunks; anything else, or anything twice, is no answer. A peer is believed no more than a caller is: it could else fill our
memory, or hold our threads by a byte at a time.
"""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass
from typing import Final

MAX_ANSWER: Final = 64 * 1024 * 1024  # the largest page of a feed has a sixth of it
_MAX_HEAD: Final = 64 * 1024
_MAX_SIZE: Final = 16  # characters of the size of a chunk
_PART: Final = 64 * 1024
_END: Final = b"\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,15}")
_TARGET: Final = re.compile(r"/[!-~]*")
_EMPTY: Final = frozenset({204, 304})


class Garbled(Exception):
    """What came is no answer of HTTP/1.1."""


class TooLarge(Exception):
    """An answer of more than `MAX_ANSWER` bytes."""


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

    def __init__(self, line: ssl.SSLSocket, seconds: float) -> None:
        line.settimeout(seconds)
        self._line = line
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._held = b""  # came, and is not read yet
        self.begun = False

    def ask(self, host: str, method: str, target: str, body: bytes | None) -> Answered:
        """Send a question, wait for the whole answer. Raises OSError, Garbled, TooLarge."""
        if not _TARGET.fullmatch(target):
            raise ValueError("a target has no blanks, and only characters of ASCII")
        head = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n"
        if body is None:
            self._line.sendall(head.encode() + _END)
        else:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            self._line.sendall(head.encode() + body)
        return self._answer()

    def _answer(self) -> Answered:
        status, fields = _read_head(self._up_to(_END + _END, _MAX_HEAD))
        length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
        if status in _EMPTY:
            content = b""
        elif coding is not None:
            if coding.lower() != b"chunked" or length is not None:
                raise Garbled("an answer of no certain length")
            content = self._chunks()
        elif length is not None and _LENGTH.fullmatch(length):
            content = self._exactly(int(length))
        else:
            raise Garbled("an answer of no certain length")
        said = fields.get(b"connection", b"").lower()
        return Answered(status, content, last=bool(self._held) or b"close" in said)

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        whole = 0
        while size := self._size():
            whole += size
            parts.append(self._exactly(size, whole))
            if self._exactly(len(_END)) != _END:
                raise Garbled("a chunk without end")
        if self._exactly(len(_END)) != _END:
            raise Garbled("something after the last chunk")
        return b"".join(parts)

    def _size(self) -> int:
        size = self._up_to(_END, _MAX_SIZE)
        if not _SIZE.fullmatch(size):
            raise Garbled("a chunk of no size")
        return int(size, 16)

    def _up_to(self, mark: bytes, most: int) -> bytes:
        while (place := self._held.find(mark, 0, most + len(mark))) < 0:
            if len(self._held) > most:
                raise Garbled("a head without end")
            self._held += self._more()
        found, self._held = self._held[:place], self._held[place + len(mark) :]
        return found

    def _exactly(self, size: int, whole: int = 0) -> bytes:
        if max(size, whole) > MAX_ANSWER:
            raise TooLarge
        parts, missing = [self._held], size - len(self._held)
        while missing > 0:
            part = self._more()
            parts.append(part)
            missing -= len(part)
        came = b"".join(parts)
        self._held = came[size:]
        return came[:size]

    def _more(self) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError(f"no whole answer after {self._seconds} s")
        part = self._line.recv(_PART)
        if not part:
            raise ConnectionResetError("the peer hung up")
        self.begun = True
        return part


def _read_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(_END)
    status = _STATUS.fullmatch(first)
    if status is None:
        raise Garbled("no status of HTTP/1.1")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Garbled("a line that is no field")
        name = field[1].lower()
        if name in fields and name in (b"content-length", b"transfer-encoding"):
            raise Garbled("two lengths")
        fields[name] = field[2].rstrip()
    return int(status[1]), fields
