"""The real portal of a case: it asks real operators and exchanges in the name of its account's holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway_country import HUB_2, ITEM, PORTAL, Case, GatewayCountry

from kumihimo.domain.kernel import SystemRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.plumbing.storage import open_engine, read_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.by_hand import FlagKind, Protect, Protections
from kumihimo.plumbing.wire.messages.ledger import OpenPortalAccount, PortalAccountOpened
from kumihimo.roles.portal import api as portal_api
from kumihimo.roles.portal.service.corrections import CorrectionsOf
from kumihimo.roles.portal.service.information import Information
from kumihimo.roles.portal.service.intake import Intake
from kumihimo.roles.portal.service.look_ups import Looked, Question, State
from kumihimo.roles.portal.service.safe import SAFE_KEY, Safe
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.store import PortalStore, Transaction, feed_cursor

Y_TAX = Question("y-city", ITEM)


@dataclass
class OwnPortal:
    """The portal, and Hanako's account there."""

    country: GatewayCountry
    settings: Settings
    account: str
    store: PortalStore
    information: Information
    corrections: CorrectionsOf

    def look(self, own: bool = True) -> Looked:
        return self.information.ask(self.account, own)

    def pull(self) -> int:
        """Let the portal read operator 2's feed once."""
        edge, engine = self.country.edge(PORTAL), self.country.engine(PORTAL)
        client = PeerClient(edge)
        keys = LinkKeys(edge, client)
        safe = Safe(read_secret(edge.identity.folder / SAFE_KEY))
        hashed = lambda handle: safe.hashed(b"mailbox", from_b64(handle, "mailbox"))  # noqa: E731
        intake = Intake(edge, lambda epoch: keys.secret(f"portal#{epoch}"), hashed)
        take = lambda conn, item: intake.apply(Transaction(conn), item)  # noqa: E731
        return FeedReader(client, edge, HUB_2, engine, feed_cursor, take).pull()


@contextmanager
def own_portal(case: Case) -> Iterator[OwnPortal]:
    """The portal with an account that the city opened at its counter."""
    country = case.country
    key = NoteKey.from_seed("hub-1.kumihimo.internal/log", bytes(range(32))).verifier_key
    settings = Settings(**country._common(PORTAL), log_key=str(key))
    portal_api.prepare(settings)
    country.apps[PORTAL] = portal_api.build(settings, country.clock)
    message = case.x.message(OpenPortalAccount, case.x.ledger, addressee_number=case.at_x)
    account = case.x.client.send("/portal-accounts", message, PortalAccountOpened).value.account
    edge = country.edge(PORTAL)
    client = PeerClient(edge)
    keys = LinkKeys(edge, client)
    store = PortalStore(open_engine(settings.store))
    information = Information(
        store, edge, client, RuleBook.load(), lambda epoch: keys.secret(f"portal#{epoch}"), SystemRandomness(), 60
    )
    corrections = CorrectionsOf(store, edge, client, SystemRandomness())
    made = OwnPortal(country, settings, account, store, information, corrections)
    made.pull()
    yield made
    information.close()


def flagged(case: Case, kind: FlagKind) -> None:
    """Y City puts a flag before everything it holds about her."""
    message = case.y.message(Protect, case.y.exchange, addressee_number=case.at_y, flag=kind)
    case.y.client.send("/protections", message, Protections)


def of_tax(looked: Looked) -> State:
    """What came of asking Y City for her tax."""
    (one,) = (one for one in looked.answers if one.question == Y_TAX)
    return one.state
