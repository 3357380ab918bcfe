"""The addressee ledger's edge (団体内統合宛名): for its own desk only; events come by the registry's feed."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from sqlalchemy import Connection

from kumihimo.domain.kernel import Clock, PartyId, SystemClock, SystemRandomness, institution_of, party_id
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Peer, application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.messages.ledger import (
    Addressees as AddresseesReply,
)
from kumihimo.plumbing.wire.messages.ledger import (
    ArrivalsEntered,
    CodesRequested,
    FindAddressee,
    IssueMissingCodes,
    OpenPortalAccount,
    PortalAccountOpened,
    ReportArrivals,
    ReportEvent,
    TakeIn,
)
from kumihimo.roles.gateway.service.addressees import Addressees, event_of
from kumihimo.roles.gateway.service.code_issuing import CodeIssuing
from kumihimo.roles.gateway.service.lines import REGISTRY
from kumihimo.roles.gateway.service.reporting import Reporting
from kumihimo.roles.gateway.settings import LedgerSettings
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.ledger import MIGRATIONS, feed_cursor


def prepare(settings: LedgerSettings) -> None:
    """Create the ledger's store and bring it to the newest schema."""
    engine = open_engine(settings.store)
    migrate(engine, MIGRATIONS)
    engine.dispose()


def following(store: LedgerStore, clock: Clock) -> Callable[[Connection, FeedItem], None]:
    """What the ledger does with an item of the registry's feed."""

    def apply(conn: Connection, item: FeedItem) -> None:
        person = event_of(item)
        if person is not None:
            store.follow(conn, person, clock.now())

    return apply


def build(settings: LedgerSettings, clock: Clock = SystemClock()) -> FastAPI:  # noqa: B008 - stateless
    """The ledger of one institution. Raises Problem where keys, directory or store are not as they must be."""
    edge = settings.edge(clock)
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    client = PeerClient(edge)
    institution = institution_of(edge.party)
    desk = party_id(institution, "desk")
    store = LedgerStore(engine, institution)
    addressees = Addressees(store, edge, client)
    reporting = Reporting(addressees)
    issuing = CodeIssuing(store, edge, client, SystemRandomness())

    def own_desk(peer: PartyId) -> bool:
        return peer == desk

    app = application(
        edge.party, background=[FeedReader(client, edge, REGISTRY, engine, feed_cursor, following(store, clock))]
    )

    @app.post("/take-ins")
    def take_in(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, TakeIn, peer, own_desk).value
        return edge.answer(AddresseesReply(in_reply_to=message.message_id, addressees=addressees.take_in(message)))

    @app.post("/finds")
    def find(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, FindAddressee, peer, own_desk).value
        return edge.answer(AddresseesReply(in_reply_to=message.message_id, addressees=addressees.find(message)))

    @app.post("/events")
    def report(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ReportEvent, peer, own_desk).value
        return edge.answer(AddresseesReply(in_reply_to=message.message_id, addressees=(reporting.report(message),)))

    @app.post("/arrivals")
    def report_arrivals(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ReportArrivals, peer, own_desk).value
        entered, rejected = reporting.arrive(message)
        return edge.answer(ArrivalsEntered(in_reply_to=message.message_id, addressees=entered, rejected=rejected))

    @app.post("/code-issues")
    def issue_codes(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, IssueMissingCodes, peer, own_desk).value
        done = issuing.issue_missing(message.basis)
        return edge.answer(
            CodesRequested(in_reply_to=message.message_id, requested=done.requested, refused=done.refused)
        )

    @app.post("/portal-accounts")
    def open_portal_account(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, OpenPortalAccount, peer, own_desk).value
        account = issuing.open_portal_account(addressees.entry(message.addressee_number))
        return edge.answer(PortalAccountOpened(in_reply_to=message.message_id, account=account))

    return app
