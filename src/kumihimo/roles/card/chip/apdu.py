"""Commands and answers (APDU, ISO/IEC 7816-3 §12.1 and 7816-4 §5.3): bytes ↔ a command, short and extended length.

Both ends use it: the card reads commands, the terminal writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kumihimo.roles.card.chip.status import Refused, Status

CHAINED: Final = 0x10
"""Bit of CLA: more of the same command follows (ISO/IEC 7816-4 §5.3.3)."""
MESSAGING: Final = 0x0C
"""Bits of CLA: secure messaging, header authenticated (ISO/IEC 7816-4 §5.4.1)."""
SHORT: Final = 256
EXTENDED: Final = 65_536
_HEADER: Final = 4


@dataclass(frozen=True)
class Command:
    """One command. `expected` (Ne) is how many bytes of answer fit: 0 for none, 256 or 65,536 for "all there are"."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    expected: int = 0

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def p1_p2(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2

    def to_bytes(self) -> bytes:
        """The command as sent: short where everything fits in short fields, else extended.

        Raises ValueError for more than 65,535 bytes of data or 65,536 expected.
        """
        if len(self.data) >= EXTENDED or self.expected > EXTENDED:
            raise ValueError(f"{len(self.data)} bytes of data, {self.expected} expected")
        if len(self.data) < SHORT and self.expected <= SHORT:
            lc = bytes((len(self.data),)) if self.data else b""
            le = bytes((self.expected % SHORT,)) if self.expected else b""
            return self.header + lc + self.data + le
        lc = len(self.data).to_bytes(2, "big") if self.data else b""
        le = (self.expected % EXTENDED).to_bytes(2, "big") if self.expected else b""
        return self.header + b"\0" + lc + self.data + le


def parse(raw: bytes) -> Command:
    """The command in these bytes. Raises Refused(6700) where the lengths do not add up."""
    if len(raw) < _HEADER:
        raise Refused(Status.WRONG_LENGTH)
    cla, ins, p1, p2 = raw[:_HEADER]
    data, expected = _body(raw[_HEADER:])
    return Command(cla, ins, p1, p2, data, expected)


def _body(body: bytes) -> tuple[bytes, int]:
    if not body:
        return b"", 0
    if body[0] == 0 and len(body) > 1:
        return _extended(body[1:])
    if len(body) == 1:
        return b"", body[0] or SHORT
    return _split(body[1:], body[0], le_bytes=1, most=SHORT)


def _extended(body: bytes) -> tuple[bytes, int]:
    if len(body) < 2:
        raise Refused(Status.WRONG_LENGTH)
    first = int.from_bytes(body[:2], "big")
    if len(body) == 2:
        return b"", first or EXTENDED
    if first == 0:
        raise Refused(Status.WRONG_LENGTH)
    return _split(body[2:], first, le_bytes=2, most=EXTENDED)


def _split(rest: bytes, length: int, le_bytes: int, most: int) -> tuple[bytes, int]:
    """Data of `length` bytes, then nothing or Le."""
    data, le = rest[:length], rest[length:]
    if len(data) != length or len(le) not in (0, le_bytes):
        raise Refused(Status.WRONG_LENGTH)
    return data, (int.from_bytes(le, "big") or most) if le else 0


@dataclass(frozen=True)
class Answer:
    """What the card answers: data and a status word."""

    data: bytes = b""
    status: int = Status.OK

    def to_bytes(self) -> bytes:
        """Data, then the two bytes of the status word."""
        return self.data + self.status.to_bytes(2, "big")

    @classmethod
    def parse(cls, raw: bytes) -> Answer:
        """The answer in these bytes. Raises ValueError for fewer than two."""
        if len(raw) < 2:
            raise ValueError(f"an answer of {len(raw)} bytes")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))
