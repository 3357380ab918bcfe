"""The card check page is for everybody: no fault found by axe, all of it by keyboard, nothing cut off at 320 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from card_town import Town


@pytest.fixture
def page(unattended: Any) -> Iterator[Any]:
    unattended.clear_cookies()
    opened = unattended.new_page()
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


def every_page(town: Town, page: Any, language: str) -> Iterator[str]:
    """Home, home with an error, certificate, sign, signed: opened one after the other, by keyboard."""
    page.goto(f"{town.site}/?lang={language}")
    page.locator("#software.good").wait_for()
    yield "home"
    town.jpki.revoked.update(dict.fromkeys(town.jpki.asked, town.jpki.now))
    if town.jpki.asked:
        press(page, "login")
        page.locator("#alarm:not(:empty)").wait_for()
        yield "error"
    town.jpki.revoked.clear()
    press(page, "login")
    page.wait_for_url("**/certificate")
    yield "certificate"
    page.locator("a[href='/sign']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign")
    yield "sign"
    press(page, "sign")
    page.wait_for_url("**/signed")
    yield "signed"


def press(page: Any, what: str) -> None:
    """Tab until the button has the focus, then Enter: without a mouse."""
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(f"[data-does={what}]:focus").count():
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"{what} is not reached by the keyboard")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_page_is_for_everybody(town: Town, page: Any, language: str) -> None:
    for name in every_page(town, page, language):
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.locator("html").get_attribute("lang") == language
        for width in (320, 1024):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide"
