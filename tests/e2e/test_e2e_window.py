"""The real PIN window on a real screen: it names the site, tells what is wrong, and a person types the PIN into it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from card_town import Town

from kumihimo.roles.card.terminal import CardTerminal, Pin
from residents_card import PINS

PATIENCE_MS = 15_000
VERIFY = 0x20
LOG_IN = "カードでログイン"


@pytest.fixture
def page(attended: Any, town: Town) -> Iterator[Any]:
    attended.clear_cookies()
    opened = attended.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.goto(town.site)
    opened.get_by_role("button", name=LOG_IN).click()
    yield opened
    opened.close()


@pytest.fixture
def xdotool(screen: str) -> Callable[..., str]:
    """The keyboard and the eyes in front of the screen."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments],
            env={**os.environ, "DISPLAY": screen},
            capture_output=True,
            text=True,
            timeout=15,
            check=True,
        )
        return done.stdout.strip()

    return run


def await_prompt(xdotool: Callable[..., str]) -> str:
    """The window, once it is there and takes the keyboard."""
    window = xdotool("search", "--sync", "--onlyvisible", "--class", "kumihimo-card").splitlines()[0]
    xdotool("windowfocus", "--sync", window)
    return window


def await_asked(commands: list[bytes], verifies: int) -> None:
    """Until the card was asked about its PIN that often: how many tries are left, and whether the PIN is right."""
    until = time.monotonic() + PATIENCE_MS / 1000
    while sum(command[1] == VERIFY for command in commands) < verifies:
        assert time.monotonic() < until
        threading.Event().wait(0.02)


def type_in(xdotool: Callable[..., str], text: str) -> None:
    xdotool("type", "--delay", "30", text)
    xdotool("key", "Return")


def test_a_person_types_the_pin_after_a_wrong_one(town: Town, page: Any, xdotool: Callable[..., str]) -> None:
    commands: list[bytes] = []
    town.before.append(lambda _, raw: commands.append(raw[:4]))
    await_prompt(xdotool)
    await_asked(commands, 1)
    type_in(xdotool, "9999")
    await_asked(commands, 3)
    type_in(xdotool, PINS["authentication"])
    page.wait_for_url(f"{town.site}/certificate")
    town.before.clear()
    assert "stand-in" not in page.content()


def test_closing_the_window_is_a_no(town: Town, page: Any, xdotool: Callable[..., str]) -> None:
    await_prompt(xdotool)
    xdotool("key", "Escape")
    page.get_by_role("alert").filter(has_text="中止しました").wait_for()
    town.card.reset()
    assert CardTerminal(town.card.transmit).tries_left(Pin.AUTHENTICATION) == 3


def test_a_page_that_goes_away_takes_the_window_with_it(page: Any, xdotool: Callable[..., str], screen: str) -> None:
    await_prompt(xdotool)
    page.goto("about:blank")
    until = time.monotonic() + PATIENCE_MS / 1000
    while windows(screen):
        assert time.monotonic() < until
        threading.Event().wait(0.02)


def windows(screen: str) -> list[str]:
    """The PIN windows on the screen."""
    look = ["xdotool", "search", "--onlyvisible", "--class", "kumihimo-card"]
    return subprocess.run(
        look, env={**os.environ, "DISPLAY": screen}, capture_output=True, text=True, check=False
    ).stdout.split()
