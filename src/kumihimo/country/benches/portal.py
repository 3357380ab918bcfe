"""What pages of My Portal take (ポータルの計測): as a browser asks for them, by TLS, logged in with 総務花子's card.

The card is used in this process; log-in, OCSP, sessions and pages are the country's. Each page by turns with the smallest file
of the site over the same connection.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlencode

from kumihimo.country import topology
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import paired
from kumihimo.country.card_office import folder_of, hanakos_card
from kumihimo.country.card_pins import DEMO_PINS
from kumihimo.country.desk import Desk
from kumihimo.country.files import site_origin
from kumihimo.country.layout import SITE, Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.supervisor import pids
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.web.certificate import CERTIFICATE
from kumihimo.roles.card.chip import Card, FolderDisk
from kumihimo.roles.card.host.conduct import conduct
from kumihimo.roles.card.host.person import StandIn
from kumihimo.roles.card.host.requests import Authenticate
from kumihimo.roles.card.terminal import CardTerminal

BENCH: Final = "portal"
_PAGES: Final = {"start": "/", "records": "/records", "controls": "/controls", "mandates": "/controls/mandates"}
_SMALLEST: Final = "/static/icon.svg"
_PATIENCE: Final = 20.0
_MILLI: Final = 1e3


class Browser:
    """A browser with one connection and its cookies; it trusts the site's own certificate and no other."""

    def __init__(self, country: Country) -> None:
        self._origin = site_origin(country)
        trust = ssl.create_default_context(cafile=country.keys(topology.PORTAL) / CERTIFICATE)
        self._line = http.client.HTTPSConnection("localhost", country.ports[SITE], timeout=60, context=trust)
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, token: str, body: bytes, kind: str) -> tuple[int, str]:
        """Send something with the token of a page."""
        return self._ask("POST", path, body, {"X-Kumihimo-Token": token, "Origin": self._origin, "Content-Type": kind})

    def page(self, path: str) -> str:
        """A page that must be there. Raises Problem(drill.failed)."""
        status, text = self.get(path)
        if status != 200:
            raise Problem("drill.failed", f"status {status}", f"{self._origin}{path}", "a page")
        return text

    def token(self, path: str) -> str:
        """The token that forms of a page repeat."""
        found = re.search(r'name="session-token" content="([^"]+)"', self.page(path))
        if found is None:
            raise Problem("drill.failed", "a page without its token", f"{self._origin}{path}")
        return found[1]

    def log_in(self, country: Country, serial: str) -> None:
        """Show a card. Raises Problem(drill.failed), and those of the card."""
        token = self.token("/login")
        _, text = self.post("/login/challenge", token, b"{}", "application/json")
        person = StandIn({"authentication": DEMO_PINS.authentication, "signature": DEMO_PINS.signature or ""})
        asked = Authenticate(self._origin, "ja", json.loads(text)["nonce"])

        @contextmanager
        def card() -> Iterator[CardTerminal]:
            disk = FolderDisk(folder_of(country, serial))
            try:
                inside = Card(disk)
                inside.power_on()
                yield CardTerminal(inside.transmit)
            finally:
                disk.close()

        shown = conduct(asked, card, person, "kumihimo bench/1.0")
        status, text = self.post("/login", token, json.dumps(shown).encode(), "application/json")
        if status != 200:
            raise Problem("drill.failed", text[:200], f"{self._origin}/login", "a session")
        until = time.monotonic() + _PATIENCE
        while self.get("/")[0] != 200:
            if time.monotonic() > until:
                raise Problem("drill.failed", "the link code of the account did not come", self._origin)
            time.sleep(0.1)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self._line.request(method, path, body, {**headers, "Cookie": cookies} if cookies else headers)
        answer = self._line.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or ():
            self.cookies |= {name: one.value for name, one in SimpleCookie(line).items()}
        return answer.status, text


def measure(country: Country, effort: Effort) -> Iterator[Measured]:
    """Median ms of pages; of looking at all of one's own information, live from its offices, and of showing it.

    Raises Problem(country.not_running, drill.failed), and those of issuing a card.
    """
    pids(country)  # refuses a country that is down
    about = Desk.of(country, "x-city").find(hanako(country.founded).four_items).addressee_number
    browser = Browser(country)
    browser.log_in(country, hanakos_card(country, about))
    rounds = effort.pick(quick=5, full=100)
    for name, path in _PAGES.items():
        yield _figure(browser, name, path, rounds)
    token = browser.token("/information")
    form = urlencode({"token": token}).encode()

    def look() -> None:
        status, text = browser.post("/information/ask", token, form, "application/x-www-form-urlencoded")
        if status not in (200, 303):
            raise Problem("drill.failed", text[:200], "/information", "own information")

    found = paired(look, lambda: browser.page(_SMALLEST), effort.pick(quick=2, full=20))
    yield Measured(
        BENCH, "look_up", found.seconds * _MILLI, "ms", Reference("the smallest file", found.reference_seconds * _MILLI),
        found.time_ratio,
    )  # fmt: skip
    yield _figure(browser, "information", "/information", rounds)


def _figure(browser: Browser, name: str, path: str, rounds: int) -> Measured:
    found = paired(lambda: browser.page(path), lambda: browser.page(_SMALLEST), rounds)
    reference = Reference("the smallest file", found.reference_seconds * _MILLI)
    return Measured(BENCH, name, found.seconds * _MILLI, "ms", reference, found.time_ratio)
