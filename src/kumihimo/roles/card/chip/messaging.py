"""Secure messaging (セキュアメッセージング, ISO/IEC 7816-4 §10; ICAO Doc 9303-11 §9.8): every byte sealed and in its turn.

AES-256 in CBC mode and CMAC cut to 8 bytes, both ends counting each message (send sequence counter, 16 bytes, from zero).
A message that was altered, left out, repeated or put in another place does not fit its MAC, and ends the session. The
header of the outer command is authenticated with the rest.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from kumihimo.roles.card.chip.apdu import CHAINED, EXTENDED, MESSAGING, SHORT, Answer, Command
from kumihimo.roles.card.chip.tlv import objects, tlv

BLOCK: Final = 16
MAC_BYTES: Final = 8
KEY_BYTES: Final = 32
_SEALED: Final = 0x87
_SEALED_ODD: Final = 0x85
_EXPECTED: Final = 0x97
_STATUS: Final = 0x99
_MAC: Final = 0x8E
_PADDED: Final = b"\x01"


class BrokenSeal(Exception):
    """A message that is not the next one the other end made: the session is over."""


class Channel:
    """One end of a session. Commands and answers take turns; each takes the counter one further."""

    def __init__(self, encryption: bytes, authentication: bytes) -> None:
        self._encryption = AES(encryption)
        self._authentication = AES(authentication)
        self._counter = 0

    def seal_command(self, command: Command) -> Command:
        """The command as it is sent: its data and Ne inside, a MAC over header and all."""
        self._counter += 1
        cla = command.cla | MESSAGING
        header = bytes((cla, command.ins, command.p1, command.p2))
        body = self._sealed(command.data, command.ins)
        if command.expected:
            body += tlv(_EXPECTED, _le(command.expected))
        body += tlv(_MAC, self._mac(_padded(header) + (_padded(body) if body else b"")))
        return Command(cla, command.ins, command.p1, command.p2, body, EXTENDED)

    def open_command(self, command: Command) -> Command:
        """The command inside. Raises BrokenSeal."""
        self._counter += 1
        header = bytes((command.cla & ~CHAINED, command.ins, command.p1, command.p2))
        body, mac = _split(command.data)
        self._check(_padded(header) + (_padded(body) if body else b""), mac)
        try:
            found = dict(objects(body))
        except ValueError as error:
            raise BrokenSeal from error
        data = self._opened(found, command.ins)
        cla = command.cla & ~CHAINED & ~MESSAGING
        return Command(cla, command.ins, command.p1, command.p2, data, _ne(found.get(_EXPECTED, b"")))

    def seal_answer(self, answer: Answer) -> Answer:
        """The answer as it is sent: data and status word inside, a MAC over both."""
        self._counter += 1
        body = self._sealed(answer.data, ins=0) + tlv(_STATUS, answer.status.to_bytes(2, "big"))
        return Answer(body + tlv(_MAC, self._mac(_padded(body))), answer.status)

    def open_answer(self, answer: Answer) -> Answer:
        """The answer inside. Raises BrokenSeal."""
        self._counter += 1
        body, mac = _split(answer.data)
        self._check(_padded(body), mac)
        try:
            found = dict(objects(body))
        except ValueError as error:
            raise BrokenSeal from error
        status = found.get(_STATUS, b"")
        if len(status) != 2:
            raise BrokenSeal
        return Answer(self._opened(found, ins=0), int.from_bytes(status, "big"))

    def _sealed(self, data: bytes, ins: int) -> bytes:
        if not data:
            return b""
        encryptor = self._cipher().encryptor()
        hidden = encryptor.update(_padded(data)) + encryptor.finalize()
        return tlv(_SEALED_ODD, hidden) if ins & 1 else tlv(_SEALED, _PADDED + hidden)

    def _opened(self, found: dict[int, bytes], ins: int) -> bytes:
        if ins & 1:
            hidden = found.get(_SEALED_ODD, b"")
        else:
            marked = found.get(_SEALED, b"")
            if marked and marked[:1] != _PADDED:
                raise BrokenSeal
            hidden = marked[1:]
        if len(hidden) % BLOCK:
            raise BrokenSeal
        if not hidden:
            return b""
        decryptor = self._cipher().decryptor()
        return _unpadded(decryptor.update(hidden) + decryptor.finalize())

    def _cipher(self) -> Cipher[CBC]:
        encryptor = Cipher(self._encryption, ECB()).encryptor()  # noqa: S305 (one block: the IV of ICAO 9303-11 §9.8.6.1)
        return Cipher(self._encryption, CBC(encryptor.update(self._counter_bytes) + encryptor.finalize()))

    @property
    def _counter_bytes(self) -> bytes:
        return self._counter.to_bytes(BLOCK, "big")

    def _mac(self, message: bytes) -> bytes:
        code = CMAC(self._authentication)
        code.update(self._counter_bytes + message)
        return code.finalize()[:MAC_BYTES]

    def _check(self, message: bytes, mac: bytes) -> None:
        if not hmac.compare_digest(self._mac(message), mac):
            raise BrokenSeal


def _split(body: bytes) -> tuple[bytes, bytes]:
    """What is authenticated, and the MAC, which is the last data object."""
    end = len(body) - MAC_BYTES - 2
    if end < 0 or body[end : end + 2] != bytes((_MAC, MAC_BYTES)):
        raise BrokenSeal
    return body[:end], body[end + 2 :]


def _le(expected: int) -> bytes:
    if expected <= SHORT:
        return bytes((expected % SHORT,))
    return (expected % EXTENDED).to_bytes(2, "big")


def _ne(le: bytes) -> int:
    if len(le) not in (0, 1, 2):
        raise BrokenSeal
    return (int.from_bytes(le, "big") or (SHORT if len(le) == 1 else EXTENDED)) if le else 0


def _padded(data: bytes) -> bytes:
    marked = data + b"\x80"
    return marked + bytes(-len(marked) % BLOCK)


def _unpadded(data: bytes) -> bytes:
    marked = data.rstrip(b"\0")
    if not marked.endswith(b"\x80") or len(data) - len(marked) >= BLOCK:
        raise BrokenSeal
    return marked[:-1]
