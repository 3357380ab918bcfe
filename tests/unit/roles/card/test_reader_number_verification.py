"""At the counter, a card proves its holder's number; a copy of it, or another card with its files, does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from card_country import ITEMS, NUMBER, PINS, X_CITY, Card, authority, issued_card
from cryptography.hazmat.primitives.asymmetric import ec

from kumihimo.domain.identity_check import Method
from kumihimo.domain.kernel import FixedClock, Problem, SeededRandomness
from kumihimo.roles.card.chip import FolderDisk
from kumihimo.roles.card.number_verification import Counter

GET_RESPONSE, INTERNAL_AUTHENTICATE = 0xC0, 0x88
NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
COUNTER = Counter(authority().public_key(), "tanaka", FixedClock(NOON), SeededRandomness("counter"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return issued_card(FolderDisk(tmp_path_factory.mktemp("hanako") / "card"))


@pytest.fixture
def card(made: Card) -> Card:
    made.reset()
    return made


def refused(counter: Counter, transmit: object, pin: str = PINS["text"]) -> Problem:
    with pytest.raises(Problem) as caught:
        counter.verify(transmit, pin)  # type: ignore[arg-type]
    return caught.value


def test_number_and_four_items_are_proved_without_a_network(card: Card) -> None:
    verified = COUNTER.verify(card.transmit, PINS["text"])
    assert (verified.number.digits, verified.four_items, verified.municipality) == (NUMBER, ITEMS, X_CITY)
    assert (verified.check.method, verified.check.staff, verified.at) == (Method.CHIP, "tanaka", NOON)


def test_what_was_verified_prints_no_number_and_no_name(card: Card) -> None:
    printed = repr(COUNTER.verify(card.transmit, PINS["text"]))
    assert NUMBER not in printed
    assert "****-****-9018" in printed
    assert ITEMS.name not in printed


def test_the_pin_is_needed_and_counted(card: Card) -> None:
    problem = refused(COUNTER, card.transmit, "9999")
    assert (problem.code, "2 tries left" in problem.detail) == ("card.pin_wrong", True)
    assert COUNTER.verify(card.transmit, PINS["text"])


def test_a_card_of_another_authority_is_not_genuine(card: Card) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert refused(replace(COUNTER, authority=stranger), card.transmit).code == "card.not_genuine"


@dataclass
class Recording:
    """A clone: it answers what the real card answered, word by word, and asks the real one nothing."""

    answers: dict[bytes, bytes]

    def __call__(self, command: bytes) -> bytes:
        return self.answers.get(command, self.answers.get(command[:2], b"\x6a\x82"))


def test_a_copy_of_everything_a_card_ever_said_is_not_the_card(card: Card) -> None:
    said: dict[bytes, bytes] = {}

    def overhear(command: bytes) -> bytes:
        said[command] = said[command[:2]] = card.transmit(command)
        return said[command]

    COUNTER.verify(overhear, PINS["text"])
    assert refused(COUNTER, Recording(said)).code == "card.not_genuine"


def test_texts_of_another_card_in_a_genuine_card_are_not_believed(card: Card, tmp_path: Path) -> None:
    other = issued_card(FolderDisk(tmp_path / "other"))

    asked: list[Card] = []

    def mixed(command: bytes) -> bytes:
        if command[1] != GET_RESPONSE:
            asked.append(other if command[1] == INTERNAL_AUTHENTICATE else card)
        return asked[-1].transmit(command)

    problem = refused(COUNTER, mixed)
    assert (problem.code, "another card" in problem.detail) == ("card.not_genuine", True)
