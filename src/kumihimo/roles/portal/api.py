"""My Portal's door: accounts for municipalities, access records for residents; codes and records come by operator 2's feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI
from sqlalchemy import Engine

from kumihimo.domain.kernel import Clock, PartyId, SystemClock, SystemRandomness, institution_of
from kumihimo.domain.law import RuleBook
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.storage import migrate, open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.link_keys import OPERATORS, LinkKeys
from kumihimo.plumbing.wire.messages.ledger import Accesses, PortalAccountOpened, PortalTicket, ShowAccesses
from kumihimo.plumbing.wire.remote_log import RemoteLog
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.portal.service.accesses import AccessRecords
from kumihimo.roles.portal.service.accounts import Accounts
from kumihimo.roles.portal.service.intake import Intake
from kumihimo.roles.portal.service.proofs import Proofs
from kumihimo.roles.portal.service.sentences import names_from
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.store import MIGRATIONS, PortalStore, Transaction, feed_cursor

RESIDENT: Final = PartyId("portal/resident")


class _Reader(FeedReader):
    """Reads operator 2's feed once it has the portal's key: fetching it later would hold the store's lock meanwhile."""

    def __init__(self, secret: Callable[[], bytes], client: PeerClient, edge: Edge, engine: Engine) -> None:
        self._secret = secret
        intake = Intake(edge, secret)
        super().__init__(
            client, edge, OPERATORS[1], engine, feed_cursor, lambda conn, item: intake.apply(Transaction(conn), item)
        )

    def pull(self, wait: float = 0.0) -> int:
        self._secret()
        return super().pull(wait)


def prepare(settings: Settings) -> None:
    """Create and migrate the store."""
    migrate(open_engine(settings.store), MIGRATIONS)


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application. Raises Problem(store.not_migrated, rules.format) and those of keys and directory."""
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    client = PeerClient(edge)
    keys = LinkKeys(edge, client)
    store = PortalStore(engine)
    witness_keys = [VerifierKey.parse(key) for key in settings.witness_keys]
    proofs = Proofs(RemoteLog(client), VerifierKey.parse(settings.log_key), witness_keys)
    names = names_from(edge.directory.institutions(), RuleBook.load(*settings.rule_books))
    accounts = Accounts(store, SystemRandomness(), edge.clock)
    records = AccessRecords(store, names, proofs)
    reader = _Reader(lambda: keys.secret(edge.directory.label("portal")), client, edge, engine)
    app = application("portal", [reader])
    watch(app, edge, StoreVital(engine, MIGRATIONS), KeysVital(edge), FeedVital(reader, edge))

    def municipal_ledger(party: PartyId) -> bool:
        return party.endswith("/ledger") and "municipality" in edge.directory.institution_of(party).classes

    @app.post("/accounts")
    def open_account(envelope: Envelope, peer: Peer) -> Envelope:
        """A municipality opens an account for somebody it has identified at its counter."""
        message = edge.open(envelope, PortalTicket, peer, municipal_ledger).value
        account = accounts.open(message.ticket, institution_of(peer))
        return edge.answer(PortalAccountOpened(in_reply_to=message.message_id, account=account))

    @app.post("/accesses")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """The access records of an account.

        `portal/resident` stands in for the browser of whoever knows the account's number, until residents sign in with
        their card: then the card, not the number, shows whose account it is.
        """
        message = edge.open(envelope, ShowAccesses, peer, lambda party: party == RESIDENT).value
        shown = records.show(message.account)
        return edge.answer(Accesses(in_reply_to=message.message_id, account=message.account, accesses=shown))

    return app
