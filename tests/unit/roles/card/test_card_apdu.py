"""Commands in all their lengths, in parts, and answers that do not fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumihimo.roles.card.chip import Card, Key, Pin
from kumihimo.roles.card.chip.apdu import Answer, Command, parse
from kumihimo.roles.card.chip.status import Refused
from kumihimo.roles.card.chip.tlv import objects, tlv
from kumihimo.roles.card.terminal import CardTerminal
from kumihimo.roles.card.terminal.specimen import PINS

SELECT_JPKI = bytes.fromhex("00A4040C0AD392F000260100000001")
CERTIFICATE = bytes.fromhex("00A4020C02000A")


@given(
    data=st.binary(max_size=600),
    expected=st.sampled_from([0, 1, 255, 256, 257, 65_535, 65_536]),
    header=st.binary(min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_every_command_is_read_as_it_was_written(header: bytes, data: bytes, expected: int) -> None:
    command = Command(*header, data, expected)
    assert parse(command.to_bytes()) == command


@pytest.mark.parametrize(
    "raw",
    ["", "00A404", "00A4040C05AABB", "00A4040C02AABBCCDD", "00A4040C000000AA", "00B00000000001", "00A4040C0001"],
)
def test_lengths_that_do_not_add_up_are_refused(raw: str) -> None:
    if raw == "00B00000000001":  # extended Le of one byte too few is Le = 1, so it is well formed
        assert parse(bytes.fromhex(raw)).expected == 1
        return
    with pytest.raises(Refused, match="6700"):
        parse(bytes.fromhex(raw))


@given(st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_data_objects_are_read_exactly_or_not_at_all(raw: bytes) -> None:
    try:
        found = objects(raw)
    except ValueError:
        return
    assert b"".join(tlv(tag, value) for tag, value in found) == raw


def test_a_certificate_is_read_in_short_pieces_and_in_one_extended_answer(card: Card, terminal: CardTerminal) -> None:
    whole = terminal.authentication_certificate()
    assert whole.startswith(b"\x30\x82")
    card.transmit(SELECT_JPKI)
    card.transmit(CERTIFICATE)
    assert ask(card, "00B0000000") == Answer(whole[:256])
    assert ask(card, "00B0010000") == Answer(whole[256:512])
    assert ask(card, "00B00000000000") == Answer(whole)
    assert ask(card, "00B0000004") == Answer(whole[:4])
    assert ask(card, "00B07FFF00") == Answer(status=0x6B00)
    assert ask(card, "00B00000") == Answer(status=0x6700)


def test_a_short_file_id_selects_and_reads_at_once(card: Card, terminal: CardTerminal) -> None:
    whole = terminal.authentication_certificate()
    card.transmit(SELECT_JPKI)
    assert ask(card, "00B08A0004") == Answer(whole[:4])
    assert ask(card, "00B0000404") == Answer(whole[4:8])
    assert ask(card, "00B0990004").status == 0x6A82


def test_an_answer_that_does_not_fit_waits_for_get_response(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    ask(card, "00A4020C020017")
    none = ask(card, "802A008030" + "11" * 48)  # no Le: nothing fits
    assert none == Answer(status=0x6160)
    some = ask(card, "00C0000040")
    assert (len(some.data), some.status) == (64, 0x6120)
    rest = ask(card, "00C0000020")
    assert (len(rest.data), rest.status) == (32, 0x9000)
    assert ask(card, "00C0000020").status == 0x6985


def test_another_command_takes_what_waited_away(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    ask(card, "00A4020C020017")
    ask(card, "802A008030" + "11" * 48)
    ask(card, "00200080")
    assert ask(card, "00C0000060").status == 0x6985


def test_a_command_may_come_in_parts(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    ask(card, "00A4020C020017")
    assert ask(card, "902A008020" + "11" * 32) == Answer()
    signed = ask(card, "802A008010" + "11" * 16 + "00")
    assert (len(signed.data), signed.status) == (96, 0x9000)


def test_another_command_between_the_parts_is_refused_and_the_parts_are_gone(card: Card) -> None:
    ask(card, "00A4040C0AD392F000260100000001")
    assert ask(card, "902A008020" + "11" * 32) == Answer()
    assert ask(card, "00200080").status == 0x6883
    assert ask(card, "00A4020C020018").status == 0x9000


def test_parts_without_end_are_refused(card: Card) -> None:
    part = b"\x10\xda\x01\x01\x00\xff\x00" + bytes(0xFF00)
    assert card.transmit(part) == b"\x90\x00"
    assert card.transmit(part) == b"\x67\x00"


def test_what_the_card_does_not_know_it_says(card: Card) -> None:
    assert ask(card, "00FF0000").status == 0x6D00
    assert ask(card, "40A4040C").status == 0x6E00
    assert ask(card, "80A4040C").status == 0x6E00
    assert ask(card, "00A40400" + "0AD392F000260100000001").status == 0x610E
    assert ask(card, "00C000000E").data == bytes.fromhex("6F0C840AD392F000260100000001")
    assert ask(card, "00A4080C023F00").status == 0x6A86


def test_a_key_and_a_pin_cannot_be_read(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.SIGNATURE, PINS[Pin.SIGNATURE])
    for file in (Key.SIGNATURE.value, Key.AUTHENTICATION.value, Pin.SIGNATURE.file):
        assert ask(card, f"00A4020C02{file:04X}").status == 0x9000
        assert ask(card, "00B0000000").status == 0x6982


def test_a_card_without_power_answers_that_it_fails(card: Card) -> None:
    card.power_off()
    assert card.transmit(SELECT_JPKI) == bytes.fromhex("6581")


def ask(card: Card, raw: str) -> Answer:
    return Answer.parse(card.transmit(bytes.fromhex(raw)))
