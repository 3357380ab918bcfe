"""Whatever bytes come in, a status word goes out, no try is won, and nothing of the resident leaves without a PIN."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from card_country import CardCountry

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Access, Algorithm, Card, Key, Pin, ordinance_aid
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession, OrdinanceSpec
from kumihimo.roles.card.terminal.specimen import ITEMS, NUMBER, PINS, RESIDENT_CODE, WRITTEN_ON

SECRETS = (NUMBER.encode(), RESIDENT_CODE.encode(), ITEMS.name.encode(), ITEMS.address.encode())
INSTRUCTIONS = bytes.fromhex("A4B0B2CA20242C2A884686DAE0E4C0")
CLASSES = bytes.fromhex("0010800C8C1C90FF")


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes(seed: int, card: Card) -> None:
    draw = random.Random(seed)
    for _ in range(1_500):
        _checked(card, draw.randbytes(draw.choice((0, 1, 3, 4, 5, 6, 7, 12, 40, 300))))


@pytest.mark.parametrize("seed", range(6))
def test_random_commands_with_known_instructions(seed: int, card: Card) -> None:
    draw = random.Random(seed)
    for _ in range(1_500):
        header = bytes(
            (draw.choice(CLASSES), draw.choice(INSTRUCTIONS), draw.choice(b"\0\1\2\4"), draw.choice(b"\0\1\2\x0c\x80"))
        )
        body = draw.randbytes(draw.choice((0, 1, 2, 4, 8, 64)))
        _checked(card, header + (bytes((len(body),)) + body if body else b"") + draw.choice((b"", b"\0")))


@pytest.mark.parametrize("seed", range(6))
def test_mutated_sequences_of_a_resident_and_of_an_office(seed: int, country: CardCountry) -> None:
    draw = random.Random(seed)
    sequences = _sequences(country)
    card = Card(country.issued.fresh())
    card.power_on()
    for _ in range(150):
        for raw in draw.choice(sequences):
            _checked(card, _mutated(raw, draw), may_be_right=True)
        if draw.random() < 0.3:
            card.reset()


@pytest.mark.parametrize("seed", range(6))
def test_an_office_whose_commands_are_mutated_inside_the_seal(seed: int, country: CardCountry) -> None:
    """The seal is right, what is inside is not: an office's program with a fault in it."""
    draw = random.Random(seed)
    card = Card(country.issued.fresh())
    card.power_on()
    heard: list[bytes] = []
    for deed in _office_deeds(country):
        deed(_Overheard(card, country, heard))
    session = OfficeSession(card.transmit, country.x_city)
    for _ in range(400):
        try:
            answer = session.transmit(_mutated(draw.choice(heard), draw))
        except ValueError:  # not a command any more
            continue
        except Problem:  # no sealed command any more by its class: the session is over
            card.reset()
            session = OfficeSession(card.transmit, country.x_city)
            continue
        assert answer[-2:] != b"\x6f\x00"


class _Overheard(OfficeSession):
    """A session that notes what goes into its seal."""

    def __init__(self, card: Card, country: CardCountry, heard: list[bytes]) -> None:
        super().__init__(card.transmit, country.x_city)
        self._heard = heard

    def transmit(self, raw: bytes) -> bytes:
        self._heard.append(raw)
        return super().transmit(raw)


def _checked(card: Card, raw: bytes, may_be_right: bool = False) -> None:
    before = _tries(card)
    answer = card.transmit(raw)
    assert len(answer) >= 2
    assert answer[-2:] != b"\x6f\x00", f"the card failed at {raw.hex()}"
    assert answer[0] in (0x61, 0x62, 0x63, 0x65, *range(0x67, 0x70), 0x90) or len(answer) > 2
    if not may_be_right:
        assert not any(secret in answer for secret in SECRETS)
        assert all(after <= tries for after, tries in zip(_tries(card), before, strict=True))


def _tries(card: Card) -> tuple[int, ...]:
    assert card._inside is not None
    return tuple(pin.tries for pin in card._inside.state.pins.values())


def _mutated(raw: bytes, draw: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(draw.choice((0, 0, 1, 1, 2, 5))):
        at = draw.randrange(len(changed) + 1)
        kind = draw.randrange(4)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[at:at] = draw.randbytes(draw.choice((1, 2, 16)))
        elif kind == 2:
            del changed[at : at + draw.choice((1, 2, 16))]
        elif at < len(changed):
            changed[at] = draw.choice(b"\0\1\x7f\x80\xff")
    return bytes(changed)


def _sequences(country: CardCountry) -> list[list[bytes]]:
    """What went over the wire while a resident and an office did their work, on a card of their own."""
    card = Card(country.issued.fresh())
    card.power_on()
    heard: list[list[bytes]] = []

    def transmit(raw: bytes) -> bytes:
        heard[-1].append(raw)
        return card.transmit(raw)

    heard.append([])
    terminal = CardTerminal(transmit)
    terminal.authentication_certificate()
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    terminal.sign(Key.AUTHENTICATION, bytes(48))
    heard.append([])
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    terminal.text_proof()
    terminal.internal_authenticate(bytes(32))
    terminal.change_pin(Pin.TEXT, PINS[Pin.TEXT], "5555")
    for deed in _office_deeds(country):
        heard.append([])
        deed(OfficeSession(transmit, country.x_city))
    return heard


def _office_deeds(country: CardCountry) -> list[Callable[[OfficeSession], None]]:
    aid = ordinance_aid("011002", 7)

    def renew(session: OfficeSession) -> None:
        public = session.generate_key(Key.AUTHENTICATION, Algorithm.P_384)
        session.renew_certificates(authentication=country.authority.certificate("A", public))

    return [
        renew,
        lambda session: session.create_ordinance(OrdinanceSpec(aid, Access.PIN, "4321"), b"x" * 300),
        lambda session: session.update_ordinance(aid, b"y" * 20),
        lambda session: session.unlock(Pin.TEXT, "2345"),
        lambda session: session.update_text(NUMBER, ITEMS, WRITTEN_ON),
        lambda session: session.delete_ordinance(aid),
    ]
