"""Secure messaging against a second, plain way of computing it, and counters that never stand still."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.messaging import BrokenSeal, Channel

ENC, MAC = bytes(range(32)), bytes(range(32, 64))


def test_a_sealed_command_is_what_the_specification_computes() -> None:
    sealed = Channel(ENC, MAC).seal_command(Command(0x00, 0xDA, 0x01, 0x03, b"texts", 256))
    counter = (1).to_bytes(16, "big")
    iv = Cipher(AES(ENC), ECB()).encryptor().update(counter)  # noqa: S305
    hidden = Cipher(AES(ENC), CBC(iv)).encryptor().update(b"texts\x80" + bytes(10))
    body = b"\x87\x11\x01" + hidden + b"\x97\x01\x00"
    code = CMAC(AES(MAC))
    code.update(counter + bytes.fromhex("0CDA010380") + bytes(11) + body + b"\x80" + bytes(-(len(body) + 1) % 16))
    assert sealed.data == body + b"\x8e\x08" + code.finalize()[:8]
    assert sealed.header == bytes.fromhex("0CDA0103")


@pytest.mark.parametrize("data", [b"", b"x", bytes(15), bytes(16), b"\x80\x00", bytes(300)])
@pytest.mark.parametrize("expected", [0, 1, 256, 257, 65_536])
@pytest.mark.parametrize("ins", [0xDA, 0xDB])
def test_commands_and_answers_come_out_as_they_went_in(data: bytes, expected: int, ins: int) -> None:
    office, card = Channel(ENC, MAC), Channel(ENC, MAC)
    command = Command(0x00, ins, 0x01, 0x02, data, expected)
    assert card.open_command(office.seal_command(command)) == command
    answer = Answer(data, 0x63C2)
    assert office.open_answer(card.seal_answer(answer)) == answer


def test_equal_commands_look_different_each_time() -> None:
    office = Channel(ENC, MAC)
    first, second = (office.seal_command(Command(0, 0xDA, 1, 3, b"texts")).data for _ in range(2))
    assert first[:19] != second[:19]


def test_an_answer_does_not_open_as_a_command_nor_out_of_its_turn() -> None:
    office, card = Channel(ENC, MAC), Channel(ENC, MAC)
    card.open_command(office.seal_command(Command(0, 0xDA, 1, 3, b"texts")))
    early = card.seal_answer(Answer())
    late = card.seal_answer(Answer())
    with pytest.raises(BrokenSeal):
        office.open_answer(late)
    with pytest.raises(BrokenSeal):
        office.open_answer(early)
