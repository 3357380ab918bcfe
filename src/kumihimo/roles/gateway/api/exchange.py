"""The exchange's edge (中間サーバー): for its own desk and ledger, and for other institutions' exchanges with a permit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

import structlog
from fastapi import FastAPI
from sqlalchemy import Connection, Engine

from kumihimo.domain.kernel import Clock, PartyId, SystemClock, SystemRandomness, institution_of, party_id
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, read_secret, require_current
from kumihimo.plumbing.wire.client import PATIENCE_SECONDS, Patient, PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge, application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.audits import OpenInquiries
from kumihimo.plumbing.wire.messages.codes import ExpectCodes, ExpectedCodes, LackCodes, WhichLackCodes
from kumihimo.plumbing.wire.messages.lives import (
    SHOWN,
    AddresseesLinked,
    Contradiction,
    Contradictions,
    LinkAddressees,
    ShowContradictions,
)
from kumihimo.plumbing.wire.messages.provision import (
    Inquire,
    ProvisionRequest,
    Records,
    RecordShown,
    ShowRecords,
)
from kumihimo.plumbing.wire.moving_codes import MovingCodes
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.gateway.api.batch import BatchWorker, mount_batches, mount_chunk_provision
from kumihimo.roles.gateway.api.by_hand import inquired, mount_fetching, mount_protection, mount_queue
from kumihimo.roles.gateway.api.copies import CopiesVital, mount_copies, mount_register
from kumihimo.roles.gateway.api.rotation import mount_rotation
from kumihimo.roles.gateway.api.schedules import DailyRound, mount_schedules
from kumihimo.roles.gateway.api.vitals import HoldingsVital, OutboxVital
from kumihimo.roles.gateway.service.audit import OpeningAudit
from kumihimo.roles.gateway.service.audit_codes import AuditCodes
from kumihimo.roles.gateway.service.batch import Batches
from kumihimo.roles.gateway.service.batch_asking import Asking
from kumihimo.roles.gateway.service.batch_results import BatchResults
from kumihimo.roles.gateway.service.by_hand import ByHand
from kumihimo.roles.gateway.service.chunk_provision import ChunkProvision
from kumihimo.roles.gateway.service.chunk_reports import ChunkOutcomes
from kumihimo.roles.gateway.service.copies import Copies
from kumihimo.roles.gateway.service.copy_watch import CopyWatch
from kumihimo.roles.gateway.service.fetching import Fetching
from kumihimo.roles.gateway.service.inquiry import Inquiry
from kumihimo.roles.gateway.service.lines import HUB_2, OVERSIGHT
from kumihimo.roles.gateway.service.link_codes import LinkCodes, OwnDomain
from kumihimo.roles.gateway.service.outcomes import Outcomes
from kumihimo.roles.gateway.service.provision import Provision, answer_to
from kumihimo.roles.gateway.service.rotation import Rotations
from kumihimo.roles.gateway.service.schedules import Schedules
from kumihimo.roles.gateway.settings import ExchangeSettings
from kumihimo.roles.gateway.store.batches import BatchStore
from kumihimo.roles.gateway.store.by_hand import ByHandStore
from kumihimo.roles.gateway.store.chunk_provisions import ChunkProvisionStore
from kumihimo.roles.gateway.store.chunk_reports import ChunkOutbox
from kumihimo.roles.gateway.store.commits import Commit, Together
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.deliveries import DeliveryStore
from kumihimo.roles.gateway.store.exchange import MIGRATIONS, feed_cursor
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.links import LinkStore
from kumihimo.roles.gateway.store.outbox import OutboxStore
from kumihimo.roles.gateway.store.provisions import ProvisionStore
from kumihimo.roles.gateway.store.records import RecordStore
from kumihimo.roles.gateway.store.registered import RegisteredStore
from kumihimo.roles.gateway.store.rotations import RotationStore
from kumihimo.roles.gateway.store.schedules import ScheduleStore

AUDIT_KEY = "audit.key"
_PAUSE_SECONDS = 1.0
_LAST_WORDS_SECONDS = 2.0
# Threads of their own: an inquiry waits for others, and others must not wait for it. Two institutions that ask one another
# with every thread they have would else wait until both give up, and one provider that hangs would stop the exchange.
INQUIRIES_AT_ONCE: Final = 32
log = structlog.get_logger()


class OutcomeSender(Background):
    """A thread that empties the outbox: at once when something was reported, otherwise every second."""

    def __init__(self, outcomes: Outcomes, chunks: ChunkOutcomes) -> None:
        self._outcomes = outcomes
        self._chunks = chunks
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(_LAST_WORDS_SECONDS)

    def wake(self) -> None:
        """Something was put into the outbox."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                sent = self._outcomes.send_due() + self._chunks.send_due()
            except Exception:
                log.exception("outcomes.stopped")
                sent = 0
            if not sent:
                self._wake.wait(_PAUSE_SECONDS)
                self._wake.clear()


class LifeOfExchange(Background):
    """What is done first when the process starts, and last when it stops."""

    def __init__(
        self, inquiry: Inquiry, commit: Together, client: PeerClient, engine: Engine, in_turn: Executor
    ) -> None:
        self._inquiry = inquiry
        self._commit = commit
        self._client = client
        self._engine = engine
        self._in_turn = in_turn

    def start(self) -> None:
        interrupted = self._inquiry.close_interrupted()
        if interrupted:
            log.warning("inquiries.interrupted", count=interrupted)

    def stop(self) -> None:
        self._in_turn.shutdown(wait=False, cancel_futures=True)
        self._commit.close()
        self._client.close()
        self._engine.dispose()


@dataclass(frozen=True)
class Services:
    """What an exchange consists of, wired together."""

    codes: LinkCodes
    copies: Copies
    inquiry: Inquiry
    provision: Provision
    by_hand: ByHand
    records: RecordStore
    sender: OutcomeSender
    receive_codes: Callable[[Connection, FeedItem], None]
    links: LinkStore
    batches: Batches
    chunks: ChunkProvision
    worker: BatchWorker
    audit: OpeningAudit
    registered: RegisteredStore
    rotations: Rotations
    schedules: Schedules
    daily: DailyRound


def wire(settings: ExchangeSettings, edge: Edge, engine: Engine, client: PeerClient, commit: Commit) -> Services:
    """Put the services of one institution together. Raises Problem(key.missing, key.permissions)."""
    institution = institution_of(edge.party)
    rotation_store, keys = RotationStore(engine, institution, edge.directory.epoch(institution)), LinkKeys(edge, client)
    domain = OwnDomain(edge, keys, rotation_store.present)
    codes = LinkCodes(LinkCodeStore(engine, institution), edge, domain, settings.ticket_patience)
    audit_key = read_secret(edge.identity.folder / AUDIT_KEY)
    audit_codes = AuditCodes(rotation_store, audit_key)
    rotations = Rotations.around(
        rotation_store,
        edge,
        domain,
        MovingCodes(edge, client, keys.secret),
        audit_codes,
        settings.rotation_overlap,
    )
    records = RecordStore(engine, institution, commit)
    sender = OutcomeSender(
        Outcomes(OutboxStore(engine, institution), edge, client),
        ChunkOutcomes(ChunkOutbox(engine, institution), edge, Patient(client, PATIENCE_SECONDS)),
    )

    def receive_codes(conn: Connection, item: FeedItem) -> None:
        ordered = rotations.carrying.ordered(item)
        if ordered is not None:
            rotation_store.begin(conn, ordered.reason, ordered.at, ordered.close_at, ordered.number)
        opened = codes.opened(item)
        if opened is not None and opened.codes:
            placed = codes.store.place(conn, opened.codes, opened.epoch, edge.clock.now())
            log.info("codes.placed", count=placed.stored)
            if placed.without_ticket or placed.of_another:
                log.warning("codes.not_placed", count=placed.without_ticket + placed.of_another)
        if opened is not None and opened.pairs:
            log.info("codes.replaced", count=codes.store.replace(conn, opened.pairs, edge.clock.now()))

    inquiries = InquiryStore(engine, institution, commit)
    queue = ByHandStore(engine, institution, commit)
    audit_key = read_secret(edge.identity.folder / AUDIT_KEY)
    batch_store = BatchStore(engine, institution, commit)
    patient = Patient(client, PATIENCE_SECONDS)
    asking = Asking(batch_store, domain, edge, patient, SystemRandomness(), audit_key, sender.wake)
    worker = BatchWorker(batch_store, asking.ask)
    registered = RegisteredStore(engine, institution)
    batches = Batches(batch_store, inquiries, domain, edge, SystemRandomness(), settings.batch_kept, worker.wake)
    schedules = Schedules(ScheduleStore(engine, institution, commit), batches, SystemRandomness())
    return Services(
        codes,
        Copies(CopyStore(engine, institution), edge.clock, registered.unknown, settings.copies_per_day),
        Inquiry(
            inquiries,
            records,
            codes,
            edge,
            client,
            SystemRandomness(),
            audit_key,
            sender.wake,
        ),
        Provision(
            ProvisionStore(engine, institution, commit),
            edge,
            domain,
            settings.by_hand_patience,
            sender.wake,
            settings.freshness(),
        ),
        ByHand(queue, inquiries, edge, settings.by_hand_kept, sender.wake),
        records,
        sender,
        receive_codes,
        LinkStore(engine, institution),
        batches,
        ChunkProvision(
            ChunkProvisionStore(engine, institution, commit), edge, domain, settings.by_hand_patience, sender.wake
        ),
        worker,
        OpeningAudit(inquiries, codes, edge, audit_codes),
        registered,
        rotations,
        schedules,
        DailyRound(schedules, batch_store, edge.clock),
    )


def prepare(settings: ExchangeSettings) -> None:
    """Create the exchange's store and bring it to the newest schema."""
    engine = open_engine(settings.store)
    migrate(engine, MIGRATIONS)
    engine.dispose()


def build(settings: ExchangeSettings, clock: Clock = SystemClock()) -> FastAPI:  # noqa: B008 - stateless
    """The exchange of one institution. Raises Problem where keys, directory or store are not as they must be."""
    edge = settings.edge(clock)
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    client = PeerClient(edge)
    commit = Together(engine)
    services = wire(settings, edge, engine, client, commit)
    feed = FeedReader(client, edge, HUB_2, engine, feed_cursor, services.receive_codes)
    in_turn = ThreadPoolExecutor(INQUIRIES_AT_ONCE, thread_name_prefix="inquiry")
    life = LifeOfExchange(services.inquiry, commit, client, engine, in_turn)
    rotating = Repeating("rotation", services.rotations.carrying.advance)
    services.rotations.carrying.level, services.rotations.wake = feed.is_level, rotating.wake
    works = [life, feed, services.sender, services.worker, services.daily, rotating]
    app = application(edge.party, background=works)
    institution = institution_of(edge.party)
    outbox = OutboxStore(engine, institution)
    copies = CopyWatch(
        settings.freshness(),
        services.copies.store,
        DeliveryStore(engine, institution),
        services.registered,
        outbox,
        clock,
        lambda: feed.pulled_at,
    )
    watch(
        app,
        edge,
        StoreVital(engine, MIGRATIONS),
        KeysVital(edge, ("seal.key", AUDIT_KEY)),
        FeedVital(feed, edge),
        OutboxVital(outbox, ChunkOutbox(engine, institution)),
        HoldingsVital(services.codes.store, services.copies.store, clock),
        CopiesVital(copies),
    )
    _for_ledger(app, edge, services)
    _for_desk(app, edge, services, in_turn)
    mount_copies(app, edge, services.copies, copies, _only(edge, "desk"))
    _for_others(app, edge, services)
    _for_oversight(app, edge, services)
    return app


def _only(edge: Edge, service: str) -> Callable[[PartyId], bool]:
    own = party_id(institution_of(edge.party), service)
    return lambda peer: peer == own


def _for_ledger(app: FastAPI, edge: Edge, services: Services) -> None:
    own_ledger = _only(edge, "ledger")
    mount_register(app, edge, services.registered, own_ledger)

    @app.post("/lacking-codes")
    def lacking_codes(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, WhichLackCodes, peer, own_ledger).value
        lacking = tuple(services.codes.lacking(message.addressee_numbers))
        return edge.answer(LackCodes(in_reply_to=message.message_id, addressee_numbers=lacking))

    @app.post("/links")
    def link(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, LinkAddressees, peer, own_ledger).value
        links = {one.addressee_number: one.stands_for for one in message.links}
        changed = services.links.link(links, edge.clock.now())
        clashes = len(services.links.clashes(SHOWN))
        return edge.answer(AddresseesLinked(in_reply_to=message.message_id, changed=changed, contradictions=clashes))

    @app.post("/expected-codes")
    def expected_codes(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ExpectCodes, peer, own_ledger).value
        count = services.codes.expect(message.tickets)
        return edge.answer(ExpectedCodes(in_reply_to=message.message_id, count=count))


def _for_desk(app: FastAPI, edge: Edge, services: Services, in_turn: Executor) -> None:
    own_desk = _only(edge, "desk")
    mount_protection(app, edge, services.copies, own_desk)
    fetching = Fetching(services.inquiry)
    mount_fetching(app, edge, fetching, own_desk, in_turn)
    mount_batches(app, edge, services.batches, BatchResults(services.batches, edge), own_desk)
    mount_rotation(app, edge, services.rotations, own_desk)
    mount_schedules(app, edge, services.schedules, own_desk)

    @app.post("/inquiries")
    async def inquiries(envelope: Envelope, peer: Peer) -> Envelope:
        """Inquire → Inquired."""
        return await in_thread(partial(inquire, envelope, peer), in_turn)

    def inquire(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, Inquire, peer, own_desk).value
        return edge.answer(inquired(message.message_id, fetching.ask(message)))

    @app.post("/records")
    def show_records(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShowRecords, peer, own_desk).value
        found = services.records.shown(message.addressee_number, message.transaction)
        records = tuple(RecordShown.model_validate(asdict(one) | {"period": one.period}) for one in found)
        return edge.answer(Records(in_reply_to=message.message_id, records=records))

    @app.post("/contradictions")
    def show_contradictions(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShowContradictions, peer, own_desk).value
        clashes = tuple(Contradiction.model_validate(asdict(one)) for one in services.links.clashes(SHOWN))
        return edge.answer(Contradictions(in_reply_to=message.message_id, contradictions=clashes))


def _for_others(app: FastAPI, edge: Edge, services: Services) -> None:
    def another_exchange(peer: PartyId) -> bool:
        return peer.endswith("/exchange") and peer != edge.party

    @app.post("/provisions")
    def provide(envelope: Envelope, peer: Peer) -> Envelope:
        signed = edge.open(envelope, ProvisionRequest, peer, another_exchange)
        return edge.answer(answer_to(signed.value, services.provision.provide(signed, peer)))

    mount_chunk_provision(app, edge, services.chunks, another_exchange)
    mount_queue(app, edge, services.by_hand, _only(edge, "desk"), another_exchange)


def _for_oversight(app: FastAPI, edge: Edge, services: Services) -> None:
    def oversight(peer: PartyId) -> bool:
        return peer == OVERSIGHT

    @app.post("/openings")
    def open_inquiries(envelope: Envelope, peer: Peer) -> Envelope:
        """OpenInquiries → InquiriesOpened."""
        return edge.answer(services.audit.answer(edge.open(envelope, OpenInquiries, peer, oversight).value))
