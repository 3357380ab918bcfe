"""A real Chromium that knows the card (カードを使うブラウザー): with the extension, and nobody's profile.

Chromium is driven by Playwright, which only those who measure or test need.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.host.installing import Place, install_browser
from kumihimo.roles.card.host.settings import HostSettings

# Playwright's own headless is another program, which knows no extensions.
_FLAGS: Final = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip


@contextmanager
def playwright() -> Iterator[Any]:
    """Playwright, of which a process can have one at a time. Raises Problem(drill.impossible) where it is missing."""
    try:
        driver = import_module("playwright.sync_api").sync_playwright
    except ImportError:
        raise _missing("the Python package playwright") from None
    with driver() as started:
        yield started


@contextmanager
def card_browser(driver: Any, folder: Path, settings: HostSettings, environment: Mapping[str, str]) -> Iterator[Any]:
    """A Playwright browser context whose pages reach the card; everything it needs is installed below `folder`.

    `driver` is `playwright`'s. `environment` is added to the browser's, and so to the card program's. Certificates of sites
    are not checked. Raises Problem(drill.impossible) where Chromium is missing.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise _missing("Chromium")
    place = Place(folder / "home")
    extension = install_browser(place, ("chromium",), settings).extension
    profile = folder / "profile"
    hosts = profile / "NativeMessagingHosts"  # where Chromium looks when it is given a profile
    hosts.mkdir(parents=True, exist_ok=True)
    shutil.copy(place.manifest("chromium"), hosts)
    context = driver.chromium.launch_persistent_context(
        profile,
        executable_path=chromium,
        headless=False,
        args=[*_FLAGS, f"--load-extension={extension}", f"--disable-extensions-except={extension}"],
        ignore_default_args=["--disable-extensions"],
        ignore_https_errors=True,
        env={**os.environ, **environment},
    )
    try:
        yield context
    finally:
        context.close()


def _missing(what: str) -> Problem:
    return Problem("drill.impossible", f"{what} is missing", expected="Chromium and playwright")
