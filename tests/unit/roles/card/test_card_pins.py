"""PINs: what they look like, how they lock, and what forgets that they were right."""

from __future__ import annotations

import pytest
from card_country import CardCountry

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Card, Key, Pin
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession
from kumihimo.roles.card.terminal.specimen import PINS

SELECT_JPKI = bytes.fromhex("00A4040C0AD392F000260100000001")
SELECT_TEXT = bytes.fromhex("00A4040C0AD3921000310001010408")
WRONG = {
    Pin.AUTHENTICATION: "0000",
    Pin.SIGNATURE: "ZZZZZZ",
    Pin.TEXT: "0000",
    Pin.REGISTER: "0000",
    Pin.VISUAL_A: "000000000000",
    Pin.VISUAL_B: "00000000000000",
}


@pytest.mark.parametrize("which", list(Pin))
def test_each_pin_locks_after_its_own_number_of_wrong_tries(terminal: CardTerminal, which: Pin) -> None:
    allowed = {Pin.SIGNATURE: 5, Pin.VISUAL_A: 10, Pin.VISUAL_B: 10}.get(which, 3)
    assert terminal.tries_left(which) == allowed
    for left in range(allowed - 1, -1, -1):
        with pytest.raises(Problem, match=f"{left} tr(y|ies) left") as wrong:
            terminal.verify(which, WRONG[which])
        assert wrong.value.code == "card.pin_wrong"
        assert terminal.tries_left(which) == left
    with pytest.raises(Problem) as locked:
        terminal.verify(which, PINS[which])
    assert locked.value.code == "card.pin_blocked"
    assert terminal.tries_left(which) == 0


def test_a_locked_pin_leaves_the_others_alone(terminal: CardTerminal) -> None:
    for _ in range(3):
        with pytest.raises(Problem):
            terminal.verify(Pin.TEXT, "0000")
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])


def test_the_right_pin_gives_all_tries_back(terminal: CardTerminal) -> None:
    for _ in range(2):
        with pytest.raises(Problem):
            terminal.verify(Pin.AUTHENTICATION, "0000")
        terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
        assert terminal.tries_left(Pin.AUTHENTICATION) == 3


def test_a_wrong_pin_takes_the_rights_of_a_right_one_before_it(terminal: CardTerminal) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    with pytest.raises(Problem):
        terminal.verify(Pin.TEXT, "0000")
    assert refused_number(terminal) == "card.not_allowed"


def test_what_cannot_be_such_a_pin_takes_no_try(card: Card, terminal: CardTerminal) -> None:
    for pin in ("123", "12345", "12a4", "", "１２３４"):
        with pytest.raises(Problem) as refused:
            terminal.verify(Pin.AUTHENTICATION, pin)
        assert refused.value.code == "card.pin_format"
    card.transmit(SELECT_JPKI)
    card.transmit(bytes.fromhex("00A4020C020018"))
    for raw in (b"\x00\x20\x00\x80\x03123", b"\x00\x20\x00\x80\x04\xff\xff\xff\xff"):
        assert card.transmit(raw) == b"\x6a\x80"
    assert terminal.tries_left(Pin.AUTHENTICATION) == 3


def test_asking_for_the_tries_tells_them_also_when_the_pin_is_verified(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    assert card.transmit(bytes.fromhex("00200080")) == bytes.fromhex("63C3")


def test_a_reset_forgets_what_was_verified(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    card.reset()
    assert refused_number(terminal) == "card.not_allowed"


def test_leaving_an_application_forgets_what_was_verified_in_it(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    assert terminal.number()
    card.transmit(SELECT_JPKI)
    assert refused_number(terminal) == "card.not_allowed"


def test_asking_for_an_application_the_card_has_not_leaves_none(card: Card, terminal: CardTerminal) -> None:
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    assert card.transmit(bytes.fromhex("00A4040C05A000000001")) == bytes.fromhex("6A82")
    assert terminal.number()


def test_a_pin_of_one_key_does_not_open_the_other(terminal: CardTerminal) -> None:
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    with pytest.raises(Problem) as refused:
        terminal.sign(Key.SIGNATURE, bytes(48))
    assert refused.value.code == "card.not_allowed"


def test_a_resident_changes_a_pin_with_the_old_one(card: Card, terminal: CardTerminal) -> None:
    terminal.change_pin(Pin.SIGNATURE, PINS[Pin.SIGNATURE], "NEWPIN2026")
    card.reset()
    with pytest.raises(Problem):
        terminal.verify(Pin.SIGNATURE, PINS[Pin.SIGNATURE])
    terminal.verify(Pin.SIGNATURE, "NEWPIN2026")


def test_changing_with_a_wrong_old_pin_costs_a_try_and_changes_nothing(terminal: CardTerminal) -> None:
    with pytest.raises(Problem) as wrong:
        terminal.change_pin(Pin.AUTHENTICATION, "0000", "7777")
    assert wrong.value.code == "card.pin_wrong"
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])


def test_a_pin_is_not_changed_without_the_old_one_nor_to_a_wrong_form(card: Card) -> None:
    for raw in (SELECT_JPKI, bytes.fromhex("00A4020C020018")):
        card.transmit(raw)
    assert card.transmit(b"\x00\x24\x01\x80\x047777") == bytes.fromhex("6982")
    assert card.transmit(b"\x00\x20\x00\x80\x041234") == bytes.fromhex("9000")
    assert card.transmit(b"\x00\x24\x01\x80\x0577777") == bytes.fromhex("6A80")
    assert card.transmit(b"\x00\x24\x00\x80\x0812347777") == bytes.fromhex("6A86")
    assert card.transmit(b"\x00\x20\x00\x80\x041234") == bytes.fromhex("9000")


def test_what_is_printed_on_the_card_cannot_be_changed(terminal: CardTerminal) -> None:
    with pytest.raises(Problem) as refused:
        terminal.change_pin(Pin.VISUAL_A, PINS[Pin.VISUAL_A], "000000000000")
    assert refused.value.code == "card.not_allowed"


def test_any_municipalitys_office_unlocks_a_pin_and_it_must_be_entered_again(
    card: Card, terminal: CardTerminal, country: CardCountry
) -> None:
    for _ in range(3):
        with pytest.raises(Problem):
            terminal.verify(Pin.TEXT, "0000")
    OfficeSession(card.transmit, country.y_city).unlock(Pin.TEXT, "8888")
    assert terminal.tries_left(Pin.TEXT) == 3
    assert refused_number(terminal) == "card.not_allowed"
    terminal.verify(Pin.TEXT, "8888")


def test_a_printed_pin_is_unlocked_as_it_is(terminal: CardTerminal, x_city: OfficeSession) -> None:
    for _ in range(10):
        with pytest.raises(Problem):
            x_city.terminal.verify(Pin.VISUAL_B, WRONG[Pin.VISUAL_B])
    x_city.unlock(Pin.VISUAL_B, None)
    terminal.verify(Pin.VISUAL_B, PINS[Pin.VISUAL_B])


def test_nobody_unlocks_a_pin_in_clear(card: Card) -> None:
    for raw in (SELECT_TEXT, bytes.fromhex("00A4020C020011")):
        card.transmit(raw)
    assert card.transmit(b"\x00\x2c\x02\x80\x048888") == bytes.fromhex("6982")


def test_no_pin_stands_on_the_disk(country: CardCountry) -> None:
    written = b"".join(country.issued.read(name) or b"" for name in country.issued.names())
    assert PINS[Pin.SIGNATURE].encode() not in written
    root = country.issued.read("state") or b""
    assert PINS[Pin.VISUAL_B].encode() not in root


def refused_number(terminal: CardTerminal) -> str:
    with pytest.raises(Problem) as refused:
        terminal.number()
    return refused.value.code
