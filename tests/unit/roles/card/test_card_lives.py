"""Whole lives of cards, with wrong PINs, changes, unlocking, resets and power cuts in any order: the tries always add up."""

from __future__ import annotations

import random

import pytest
from card_country import CardCountry
from power_disk import PowerDisk, PowerLost

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Card, Pin
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession

PIN = Pin.AUTHENTICATION
TRIES = 3


class Life:
    """A card and what may be true of its PIN: the values it may have, and at most how many tries."""

    def __init__(self, country: CardCountry, seed: int) -> None:
        self.country = country
        self.draw = random.Random(seed)
        self.values = {"1234"}
        self.most = TRIES
        self.disk = country.issued.fresh()
        self.inserted_after_loss()

    def inserted(self, disk: PowerDisk) -> None:
        """Into a reader that loses power after some operations, or not at all."""
        self.disk = disk.fresh(self.draw.choice((None, None, self.draw.randrange(14))))
        self.card = Card(self.disk)
        self.card.power_on()
        self.terminal = CardTerminal(self.card.transmit)

    def inserted_after_loss(self) -> None:
        """What stands on the disk when power is back, in another reader."""
        disk = self.disk.after_loss(self.draw)
        while True:
            try:
                self.inserted(disk)
                return
            except PowerLost:
                disk = self.disk.after_loss(self.draw)

    def wrong(self) -> None:
        try:
            self.terminal.verify(PIN, "0000")
        except Problem as problem:
            self.most -= problem.code == "card.pin_wrong"

    def right(self) -> None:
        value = self.draw.choice(sorted(self.values))
        self.terminal.verify(PIN, value)
        self.values, self.most = {value}, TRIES

    def change(self) -> None:
        old, new = self.draw.choice(sorted(self.values)), f"{self.draw.randrange(1, 10_000):04d}"
        self.values.add(new)
        self.terminal.change_pin(PIN, old, new)
        self.values, self.most = {new}, TRIES

    def unlock(self) -> None:
        session = OfficeSession(self.card.transmit, self.country.y_city)
        new = f"{self.draw.randrange(1, 10_000):04d}"
        self.values.add(new)
        session.unlock(PIN, new)
        self.values, self.most = {new}, TRIES

    def reset(self) -> None:
        self.card.reset()

    def check(self) -> None:
        left = self.terminal.tries_left(PIN)
        assert left <= self.most
        self.most = left


@pytest.mark.parametrize("seed", range(25))
def test_no_try_comes_from_nowhere(seed: int, country: CardCountry) -> None:
    life = Life(country, seed)
    for _ in range(40):
        deed = life.draw.choice((life.wrong, life.wrong, life.right, life.change, life.unlock, life.reset))
        before = life.most
        try:
            deed()
            life.check()
        except Problem:  # locked, or a value that was asked for once and never came to be
            life.most = min(life.most, before)
        except PowerLost:
            # Only what may give tries back may have done so before the light went out.
            life.most = TRIES if deed in (life.right, life.change, life.unlock) else before
            if deed in (life.right, life.change) and before == 0:
                life.most = 0
            life.inserted_after_loss()
            life.check()
