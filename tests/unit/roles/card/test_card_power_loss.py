"""Power is lost at every write and every fsync, on hundreds of fresh cards: no try is ever won, no state is ever torn."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from card_country import CardCountry
from power_disk import PowerDisk, PowerLost

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Access, Card, Key, Pin, ordinance_aid
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.keys import Algorithm
from kumihimo.roles.card.chip.state import CardState
from kumihimo.roles.card.chip.store import Store
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession, OrdinanceSpec
from kumihimo.roles.card.terminal.specimen import ITEMS, NUMBER, PINS, WRITTEN_ON, Applicant

AID = ordinance_aid("011002", 1)
OTHER_AID = ordinance_aid("011002", 2)
DRAWS = 4  # different ways of being torn, for each boundary


@dataclass
class Watched:
    """States a card was told to take on, and those it took on."""

    asked: list[CardState] = field(default_factory=list)
    taken: list[CardState] = field(default_factory=list)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen = Watched()
    commit = Store.commit

    def watching(store: Store, state: CardState) -> None:
        seen.asked.append(state)
        commit(store, state)
        seen.taken.append(state)

    monkeypatch.setattr(Store, "commit", watching)
    return seen


Deed = Callable[[Card, CardCountry], Callable[[], object]]
"""Gets everything ready, then gives what is done while the power may go."""


def wrong_pin(card: Card, _country: CardCountry) -> Callable[[], object]:
    return lambda: _refused(lambda: CardTerminal(card.transmit).verify(Pin.AUTHENTICATION, "0000"))


def right_pin(card: Card, _country: CardCountry) -> Callable[[], object]:
    return lambda: CardTerminal(card.transmit).verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])


def changed_pin(card: Card, _country: CardCountry) -> Callable[[], object]:
    return lambda: CardTerminal(card.transmit).change_pin(Pin.SIGNATURE, PINS[Pin.SIGNATURE], "NEWPIN2026")


def unlocked_pin(card: Card, country: CardCountry) -> Callable[[], object]:
    terminal = CardTerminal(card.transmit)
    for _ in range(3):
        _refused(lambda: terminal.verify(Pin.TEXT, "0000"))
    session = OfficeSession(card.transmit, country.y_city)
    return lambda: session.unlock(Pin.TEXT, "8888")


def personalised(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.x_city)
    contents = country.authority.contents(session, Applicant(Algorithm.P_384))
    return lambda: session.personalise(contents)


def key_made(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.x_city)
    return lambda: session.generate_key(Key.AUTHENTICATION, Algorithm.P_384)


def renewed(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.x_city)
    public = session.generate_key(Key.AUTHENTICATION, Algorithm.P_384)
    certificate = country.authority.certificate("RENEWED", public)
    return lambda: session.renew_certificates(authentication=certificate)


def retold(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.x_city)
    return lambda: session.update_text(NUMBER, replace(ITEMS, address="甲県X市北2丁目"), WRITTEN_ON)


def taken_over(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.y_city)
    return lambda: session.take_over(PINS[Pin.REGISTER])


def ordinance_made(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.x_city)
    return lambda: session.create_ordinance(OrdinanceSpec(AID, Access.PIN, "4321"), b"library" * 100)


def ordinance_changed(card: Card, country: CardCountry) -> Callable[[], object]:
    ordinance_made(card, country)()
    session = OfficeSession(card.transmit, country.x_city)
    return lambda: session.update_ordinance(AID, b"another" * 200)


def ordinance_removed(card: Card, country: CardCountry) -> Callable[[], object]:
    ordinance_made(card, country)()
    session = OfficeSession(card.transmit, country.x_city)
    return lambda: session.delete_ordinance(AID)


def two_ordinances(card: Card, country: CardCountry) -> Callable[[], object]:
    session = OfficeSession(card.transmit, country.x_city)

    def do() -> None:
        session.create_ordinance(OrdinanceSpec(AID, Access.FREE), b"one")
        session.create_ordinance(OrdinanceSpec(OTHER_AID, Access.FREE), b"two")
        session.delete_ordinance(AID)

    return do


DEEDS: tuple[Deed, ...] = (
    wrong_pin,
    right_pin,
    changed_pin,
    unlocked_pin,
    personalised,
    key_made,
    renewed,
    retold,
    taken_over,
    ordinance_made,
    ordinance_changed,
    ordinance_removed,
    two_ordinances,
)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_power_lost_at_any_boundary_leaves_the_state_before_or_the_one_asked_for(
    deed: Deed, country: CardCountry, watched: Watched
) -> None:
    boundary, cards = 0, 0
    while True:
        for draw in range(DRAWS):
            disk = _ready(country, deed)
            lost = _lost_at(boundary, disk, deed, country, watched)
            if not lost:
                assert cards >= DRAWS * 4, "the deed has writes"
                return
            _check_what_is_left(disk.after_loss(random.Random(f"{boundary}/{draw}")), watched)
            cards += 1
        boundary += 1


@pytest.mark.parametrize("deed", [right_pin, personalised, ordinance_changed], ids=lambda deed: deed.__name__)
def test_a_killed_process_that_begins_anew_and_then_loses_power_keeps_the_promise(
    deed: Deed, country: CardCountry, watched: Watched
) -> None:
    boundary = 0
    while True:
        disk = _ready(country, deed)
        if not _lost_at(boundary, disk, deed, country, watched):
            return
        for again in range(6):
            second = disk.fresh(fails_at=again)  # killed: what was written is still there, durable or not
            card = Card(second)
            try:
                card.power_on()
                CardTerminal(card.transmit).tries_left(Pin.AUTHENTICATION)
            except (PowerLost, Problem):
                pass
            _check_what_is_left(second.after_loss(random.Random(f"{boundary}/{again}")), watched)
        boundary += 1


def test_cutting_the_power_never_wins_a_guess(country: CardCountry) -> None:
    """A thief who cuts the power at some boundary of every try still gets three, however the disk is torn."""
    for seed in range(60):
        draw = random.Random(seed)
        disk, compared = country.issued.fresh(), 0
        for _ in range(40):
            disk = disk.fresh(fails_at=draw.randrange(12))
            card = Card(disk)
            try:
                card.power_on()
                CardTerminal(card.transmit).verify(Pin.AUTHENTICATION, "0000")
            except PowerLost:
                pass
            except Problem as problem:
                compared += problem.code == "card.pin_wrong"
            disk = disk.after_loss(draw)
        assert compared <= 3
        left = Card(disk)
        left.power_on()
        assert CardTerminal(left.transmit).tries_left(Pin.AUTHENTICATION) <= 3 - compared


def test_a_card_that_loses_power_while_it_is_made_is_no_card_or_a_whole_one(country: CardCountry) -> None:
    boundary = 0
    while True:
        disk = PowerDisk(fails_at=boundary)
        try:
            country.authority.blank(disk)
            break
        except PowerLost:
            pass
        left = disk.after_loss(random.Random(boundary))
        if left.read("state") is None:
            with pytest.raises(Problem, match=r"card\.absent"):
                Store(left).load()
        else:
            Store(left).load()
        boundary += 1
    assert boundary > 10


def test_a_disk_that_fails_makes_the_card_mute_until_it_is_reset(
    country: CardCountry, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = country.issued.fresh()
    card = Card(disk)
    card.power_on()
    terminal = CardTerminal(card.transmit)
    terminal.tries_left(Pin.TEXT)

    def full(_name: str, _data: bytes) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(disk, "write", full)
        with pytest.raises(Problem) as failed:
            terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
        assert failed.value.code == "card.failed"
    assert card.transmit(bytes.fromhex("00200080")) == bytes.fromhex("6581")
    card.reset()
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])


def _ready(country: CardCountry, deed: Deed) -> PowerDisk:
    return (country.blank if deed is personalised else country.issued).fresh()


def _lost_at(boundary: int, disk: PowerDisk, deed: Deed, country: CardCountry, watched: Watched) -> bool:
    """Do the deed, losing power before its operation number `boundary`; whether it came to that."""
    card = Card(disk)
    card.power_on()
    do = deed(card, country)
    watched.asked.clear()
    watched.taken[:] = [_state_of(card)]
    disk.steps, disk.fails_at = 0, boundary
    try:
        do()
    except PowerLost:
        return True
    return False


def _check_what_is_left(disk: PowerDisk, watched: Watched) -> None:
    card = Card(disk)
    card.power_on()
    found = _state_of(card)
    # The last state the card answered for, or the one it was just asked to take on; nothing older, nothing between.
    assert found in (watched.taken[-1], *watched.asked[-1:])
    CardTerminal(card.transmit).card_serial()


def _state_of(card: Card) -> CardState:
    inside = card._inside
    assert isinstance(inside, Inside)
    return inside.state


def _refused(do: Callable[[], object]) -> None:
    with pytest.raises(Problem):
        do()
