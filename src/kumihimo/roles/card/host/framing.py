"""Native messaging's framing (通信の枠): each message is JSON in UTF-8 behind its length, 32 bits in the machine's order."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Final

from kumihimo.domain.kernel.errors import Problem

MAX_REQUEST_BYTES: Final = 64 * 1024  # Web eID's extension sends at most 8 KiB
_LENGTH: Final = struct.Struct("=I")


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message; None when the browser has closed the line. Raises Problem(host.request)."""
    head = _exactly(stream, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if not 0 < length <= MAX_REQUEST_BYTES:
        raise Problem("host.request", f"a message of {length} bytes", expected=f"1 to {MAX_REQUEST_BYTES} bytes")
    body = _exactly(stream, length)
    if body is None:
        raise Problem("host.request", "the message ended too early", expected=f"{length} bytes")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem("host.request", "not JSON in UTF-8") from None
    if not isinstance(message, dict):
        raise Problem("host.request", "not a JSON object")
    return message


def write_message(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Send a message at once. Raises OSError when the browser has gone."""
    body = json.dumps(message, separators=(",", ":")).encode()
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def _exactly(stream: BinaryIO, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            return None
        data += more
    return data
