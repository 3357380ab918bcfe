"""The addressee ledger's edge (団体内統合宛名): for its own desk only; events come by the registry's feed."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from sqlalchemy import Connection

from kumihimo.domain.kernel import (
    Clock,
    PartyId,
    Problem,
    SystemClock,
    SystemRandomness,
    institution_of,
    party_id,
)
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import application
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
from kumihimo.plumbing.wire.messages.lives import (
    AskUnacknowledged,
    SettleTask,
    ShowTasks,
    ShowUnacknowledged,
    Task,
    Tasks,
    Unacknowledged,
)
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.gateway.api.cards import mount_cards
from kumihimo.roles.gateway.api.identity_checks import add_identity_checks
from kumihimo.roles.gateway.service.addressees import Addressees, person_of
from kumihimo.roles.gateway.service.aftermath import LOOKED_AT, Aftermath, told_of
from kumihimo.roles.gateway.service.cards import CardWindow
from kumihimo.roles.gateway.service.code_issuing import CodeIssuing
from kumihimo.roles.gateway.service.identity_checks import IdentityChecking
from kumihimo.roles.gateway.service.lines import REGISTRY
from kumihimo.roles.gateway.service.register_telling import RegisterTelling
from kumihimo.roles.gateway.service.reporting import Reporting
from kumihimo.roles.gateway.settings import LedgerSettings
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.identity_checks import IdentityCheckStore
from kumihimo.roles.gateway.store.ledger import MIGRATIONS, feed_cursor
from kumihimo.roles.gateway.store.merges import DueStore, Merges


def prepare(settings: LedgerSettings) -> None:
    """Create the ledger's store and bring it to the newest schema."""
    engine = open_engine(settings.store)
    migrate(engine, MIGRATIONS)
    engine.dispose()


def following(store: LedgerStore, clock: Clock) -> Callable[[Connection, FeedItem], None]:
    """What the ledger does with an item of the registry's feed."""
    merges = Merges(store.institution)

    def apply(conn: Connection, item: FeedItem) -> None:
        told = told_of(item)
        if told is None:
            return
        person, now = person_of(told.resident), clock.now()
        store.follow(conn, person, now)
        merges.told(conn, item.seq, person.version)
        entry = store.registration(conn, person)
        if entry is not None and told.event in LOOKED_AT:
            merges.raise_task(conn, entry.addressee_number.digits, told.event.value, person.version, now)

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

    due = DueStore(engine, institution)
    aftermath = Repeating(
        "aftermath", Aftermath(due, addressees, issuing, RegisterTelling(store, due, edge, client)).work
    )
    feed = FeedReader(client, edge, REGISTRY, engine, feed_cursor, following(store, clock), aftermath.wake)
    app = application(edge.party, background=[aftermath, feed])
    watch(app, edge, StoreVital(engine, MIGRATIONS), KeysVital(edge), FeedVital(feed, edge))
    mount_cards(app, edge, CardWindow(addressees, edge, client), own_desk)
    checking = IdentityChecking(addressees, IdentityCheckStore(engine, institution), edge.clock)
    add_identity_checks(app, edge, checking, own_desk)

    @app.post("/take-ins")
    def take_in(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, TakeIn, peer, own_desk).value
        taken_in = addressees.take_in(message)
        aftermath.wake()
        return edge.answer(AddresseesReply(in_reply_to=message.message_id, addressees=taken_in))

    @app.post("/finds")
    def find(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, FindAddressee, peer, own_desk).value
        return edge.answer(AddresseesReply(in_reply_to=message.message_id, addressees=addressees.find(message)))

    @app.post("/events")
    def report(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ReportEvent, peer, own_desk).value
        now = reporting.report(message)
        aftermath.wake()
        return edge.answer(AddresseesReply(in_reply_to=message.message_id, addressees=(now,)))

    @app.post("/arrivals")
    def report_arrivals(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ReportArrivals, peer, own_desk).value
        entered, rejected = reporting.arrive(message)
        aftermath.wake()
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

    @app.post("/tasks")
    def show_tasks(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShowTasks, peer, own_desk).value
        return edge.answer(_tasks(due, message.message_id))

    @app.post("/settled-tasks")
    def settle_task(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, SettleTask, peer, own_desk).value
        if not due.settle(message.task, edge.clock.now()):
            raise Problem("task.unknown", f"task {message.task}", where="task", expected="one that is not settled")
        return edge.answer(_tasks(due, message.message_id))

    @app.post("/unacknowledged")
    def unacknowledged(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, AskUnacknowledged, peer, own_desk).value
        asked = edge.message(ShowUnacknowledged, REGISTRY, older_than_seconds=message.older_than_seconds)
        found = client.send("/unacknowledged", asked, Unacknowledged).value
        return edge.answer(found.model_copy(update={"in_reply_to": message.message_id}))

    return app


def _tasks(due: DueStore, asked: str) -> Tasks:
    tasks = tuple(
        Task(
            task=one.id,
            addressee_number=one.addressee_number,
            event=RegisterEventKind(one.event),
            version=one.version,
            raised_at=one.raised_at,
        )
        for one in due.tasks()
    )
    return Tasks(in_reply_to=asked, tasks=tasks)
