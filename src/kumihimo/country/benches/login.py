"""Logging in with the card in a browser (ログインの計測): from the click to the authenticated page, again and again.

Real Chromium, extension, card program, PC/SC, card, check page and OCSP. Nobody sits there: a stand-in gives the PIN at once,
so what is measured is what the machines take, without the person's typing and without the PIN window, which is not opened.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from kumihimo.country.benches.card_browser import card_browser, playwright
from kumihimo.country.benches.figures import Effort, Measured
from kumihimo.domain.kernel import SystemClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.check_site import CheckSiteSettings
from kumihimo.roles.card.check_site.running import server
from kumihimo.roles.card.host.settings import HostSettings

BENCH: Final = "login"
_WARM_UP: Final = 2
_PATIENCE_MS: Final = 15_000
_STARTS_SECONDS: Final = 10.0


@dataclass(frozen=True)
class LoginStage:
    """What has to be there: a card in a reader, and whom the site trusts and asks.

    `reader`: environment by which PC/SC is reached (`VirtualReader.environment`); `pins`: the stand-in's file; the site's
    settings as `CheckSiteSettings`, whose folder is not used.
    """

    reader: Mapping[str, str]
    pins: Path
    site: CheckSiteSettings


def measure(stage: LoginStage, effort: Effort) -> Iterator[Measured]:
    """Milliseconds from click to authenticated page: median and 95th percentile of 10 or 50 runs.

    Raises Problem(drill.impossible, drill.failed) and what the site's settings raise.
    """
    with playwright() as driver:
        taken = log_ins(driver, stage, effort.pick(quick=10, full=50))
    yield Measured(BENCH, "page", median(taken), "ms")
    yield Measured(BENCH, "p95", quantiles(taken, n=20)[-1], "ms")


def log_ins(driver: Any, stage: LoginStage, count: int) -> list[float]:
    """Milliseconds of each of `count` log-ins, after two to warm up; `driver` is Playwright's."""
    with tempfile.TemporaryDirectory(prefix="login-") as name:
        folder = Path(name)
        site = replace(stage.site, folder=folder / "site")
        settings = HostSettings(stand_in=stage.pins, log=folder / "host.log")
        with running_site(site), card_browser(driver, folder, settings, stage.reader) as browser:
            page = browser.new_page()
            page.set_default_timeout(_PATIENCE_MS)
            taken = [_log_in(browser, page, site.origin) for _ in range(count + _WARM_UP)]
    return taken[_WARM_UP:]


@contextmanager
def running_site(settings: CheckSiteSettings) -> Iterator[None]:
    """The check page, up. Raises Problem(drill.failed) when it does not start."""
    site = server(settings, SystemClock())
    thread = threading.Thread(target=site.run)
    thread.start()
    until = time.monotonic() + _STARTS_SECONDS
    try:
        while not site.started:
            if not thread.is_alive() or time.monotonic() > until:
                raise Problem("drill.failed", "the check page did not start", settings.origin)
            time.sleep(0.01)
        yield
    finally:
        site.should_exit = True
        thread.join()


def _log_in(browser: Any, page: Any, origin: str) -> float:
    browser.clear_cookies()
    page.goto(origin)
    page.locator("#software.good").wait_for()
    button = page.locator("[data-does=login]")
    started = time.perf_counter()
    button.click()
    page.wait_for_url(f"{origin}/certificate", wait_until="load")
    taken = (time.perf_counter() - started) * 1000
    if not page.locator("dl").count():
        raise Problem("drill.failed", "the page after the log-in does not show the certificate", origin)
    return taken
