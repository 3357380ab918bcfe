"""The exchange's edge (中間サーバー): for its own desk and ledger, and for other institutions' exchanges with a permit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Final

from fastapi import FastAPI

from kumihimo.domain.kernel import Clock, PartyId, SystemClock, institution_of, party_id
from kumihimo.plumbing.storage import migrate, open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
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
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.requesters import may_request
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.plumbing.wire.together import Answered, Envelopes, each, listed
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.gateway.api.batch import mount_batches, mount_chunk_provision
from kumihimo.roles.gateway.api.by_hand import inquired, mount_fetching, mount_protection, mount_queue
from kumihimo.roles.gateway.api.copies import CopiesVital, mount_copies, mount_register
from kumihimo.roles.gateway.api.corrections import mount_corrections
from kumihimo.roles.gateway.api.institution import mount_institution
from kumihimo.roles.gateway.api.life import LifeOfExchange
from kumihimo.roles.gateway.api.rotation import mount_rotation
from kumihimo.roles.gateway.api.schedules import mount_schedules
from kumihimo.roles.gateway.api.services import AUDIT_KEY, Services, wire
from kumihimo.roles.gateway.api.vitals import HoldingsVital, OutboxVital
from kumihimo.roles.gateway.service.batch_results import BatchResults
from kumihimo.roles.gateway.service.copy_watch import CopyWatch
from kumihimo.roles.gateway.service.fetching import Fetching
from kumihimo.roles.gateway.service.lines import HUB_2, OVERSIGHT
from kumihimo.roles.gateway.settings import ExchangeSettings
from kumihimo.roles.gateway.store.chunk_reports import ChunkOutbox
from kumihimo.roles.gateway.store.commits import Together
from kumihimo.roles.gateway.store.deliveries import DeliveryStore
from kumihimo.roles.gateway.store.exchange import MIGRATIONS, feed_cursor
from kumihimo.roles.gateway.store.outbox import OutboxStore

# Threads of their own: an inquiry waits for others, and others must not wait for it. Two institutions that ask one another
# with every thread they have would else wait until both give up, and one provider that hangs would stop the exchange.
INQUIRIES_AT_ONCE: Final = 32


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
    works = [life, feed, services.sender, services.worker, services.daily, rotating, services.delivering]
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
    mount_institution(app, edge, services.notices, services.applications, _only(edge, "desk"))
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

    def another_requester(peer: PartyId) -> bool:
        return may_request(peer) and peer != edge.party

    @app.post("/provisions", response_model=Envelopes)
    def provide(envelopes: Envelopes, peer: Peer) -> list[Answered]:
        """ProvisionRequest → ProvisionAnswer, or several together."""
        opened = each(lambda one: edge.open(one, ProvisionRequest, peer, another_requester), listed(envelopes))
        return each(edge.answer, services.provision.provide(opened, peer))

    mount_chunk_provision(app, edge, services.chunks, another_exchange)
    mount_queue(app, edge, services.by_hand, _only(edge, "desk"), another_requester)
    mount_corrections(app, edge, services.corrections, _only(edge, "desk"))


def _for_oversight(app: FastAPI, edge: Edge, services: Services) -> None:
    def oversight(peer: PartyId) -> bool:
        return peer == OVERSIGHT

    @app.post("/openings")
    def open_inquiries(envelope: Envelope, peer: Peer) -> Envelope:
        """OpenInquiries → InquiriesOpened."""
        return edge.answer(services.audit.answer(edge.open(envelope, OpenInquiries, peer, oversight).value))
