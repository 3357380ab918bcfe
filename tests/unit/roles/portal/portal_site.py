"""The residents' site over a store of its own, as a browser meets it: cookies, origin, forms with their tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from kumihimo.domain.kernel import FixedClock, SeededRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.domain.web_eid import StatusOf, TrustedIssuers
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.roles.portal.pages import MOUNTS
from kumihimo.roles.portal.service.applying import Applications
from kumihimo.roles.portal.service.inbox import Inboxes
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.safe import Safe
from kumihimo.roles.portal.service.sentences import Names
from kumihimo.roles.portal.service.waking import Post, Push, Waking
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.site import COOKIE, Site, build_site
from kumihimo.roles.portal.store import MIGRATIONS, PortalStore

ORIGIN = "https://portal.test"
_EMPTY: dict[str, bytes] = {}


def portal_store(folder: Path) -> PortalStore:
    """A migrated store; migrated once a run and copied."""
    if "empty" not in _EMPTY:
        engine = open_engine(f"sqlite:///{folder}/empty.db")
        migrate(engine, MIGRATIONS)
        engine.dispose()  # the last connection puts everything into the file
        _EMPTY["empty"] = (folder / "empty.db").read_bytes()
    (folder / "portal.db").write_bytes(_EMPTY["empty"])
    (folder / "portal.db").chmod(0o600)
    return PortalStore(open_engine(f"sqlite:///{folder}/portal.db"))


@dataclass
class PortalSite:
    """A browser before the site."""

    client: TestClient
    site: Site
    clock: FixedClock
    site_app: FastAPI
    accounts: int = 0

    @property
    def store(self) -> PortalStore:
        """The portal's store."""
        return self.site.store

    def new_account(self, code: bytes | None = None) -> str:
        """An account with a link code."""
        self.accounts += 1
        name = hashlib.sha256(b"account %d" % self.accounts).hexdigest()[:32]
        with self.store.transaction() as transaction:
            transaction.open_account(name, hashlib.sha256(name.encode()).hexdigest(), "x-city", self.clock.now())
            transaction.give_code(name, code or hashlib.sha256(b"code %d" % self.accounts).digest(), 1)
        return name

    def log_in(self, account: str | None = None) -> str:
        """A session of an account, as if its card had been shown."""
        account = account or self.new_account()
        self.client.cookies.clear()
        self.client.cookies.set(COOKIE, self.site.sessions.begin(account))
        return account

    def token(self, path: str = "/login") -> str:
        """The token that forms of this browser repeat."""
        page = self.client.get(path, follow_redirects=True).text
        found = re.search(r'name="session-token" content="([^"]+)"', page)
        assert found is not None, page[:500]
        return found[1]

    def post(self, path: str, files: Any = None, **form: Any) -> httpx.Response:
        """A form of a page of ours."""
        data = {"token": self.token(), **form}
        return self.client.post(path, data=data, files=files, headers={"Origin": ORIGIN})


@contextmanager
def portal_site(
    folder: Path,
    edge: Edge,
    records: Callable[[PortalStore], RecordList] | None = None,
    authentication: TrustedIssuers | None = None,
    signature: TrustedIssuers | None = None,
    status: StatusOf | None = None,
    account_of: Callable[[str], str] | None = None,
    client: PeerClient | None = None,
    post: Post | None = None,
    push: Push | None = None,
) -> Iterator[PortalSite]:
    """The site; what is not given must not be needed."""

    def nobody(*_: Any) -> Any:
        raise AssertionError("this test did not say who that is")

    clock = edge.clock
    assert isinstance(clock, FixedClock)
    store = portal_store(folder)
    settings = Settings(
        party="portal/portal", keys=folder, directory=folder, store="sqlite://", port=1, log_key="unused"
    )
    line = client or PeerClient(edge)
    safe = Safe(bytes(32))
    waking = Waking(store, safe, clock, SeededRandomness(8), ORIGIN, post, push)
    site = Site(
        store=store,
        edge=edge,
        client=line,
        clock=clock,
        randomness=SeededRandomness(7),
        settings=settings,
        book=RuleBook.load(),
        secret=nobody,
        records=records(store) if records is not None else RecordList(store, lambda: Names({}, {}, {}, {}), nobody),
        inboxes=Inboxes(store, safe, edge, line, waking),
        waking=waking,
        applications=Applications(
            store, safe, edge, line, clock, SeededRandomness(9), signature or TrustedIssuers(()), status or nobody
        ),
        origin=ORIGIN,
        authentication=authentication or TrustedIssuers(()),
        signature=signature or TrustedIssuers(()),
        status=status or nobody,
        account_of=account_of or nobody,
    )
    app = build_site(site, MOUNTS)
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as browser:
        yield PortalSite(browser, site, clock, app)


def at(hour: int = 1, minute: int = 24, day: int = 3) -> datetime:
    """A moment of June 2026."""
    return datetime(2026, 6, day, hour, minute, tzinfo=UTC)
