"""The edge of operator 1 (運営者1): requests, outcomes, batches of codes, and the log for anybody to read."""

from __future__ import annotations

from functools import partial

import structlog
from fastapi import FastAPI
from fastapi.responses import Response

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.domain.transparency.tiles import Tile, parse_path, tile_width
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.client import PATIENCE_SECONDS, Patient
from kumihimo.plumbing.wire.edge import Background, application, needed_at_the_end
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedDesk
from kumihimo.plumbing.wire.routes import Body, Peer, in_thread
from kumihimo.plumbing.wire.together import Answered, Envelopes
from kumihimo.roles.hub.api.batch import mount_chunks
from kumihimo.roles.hub.api.shared import Operator, mount_keys
from kumihimo.roles.hub.api.vitals import SequencerVital, watch_operator
from kumihimo.roles.hub.service.batch import ChunkDesk
from kumihimo.roles.hub.service.batch_outcomes import ChunkOutcomeDesk
from kumihimo.roles.hub.service.batch_refusals import ChunkRefusals
from kumihimo.roles.hub.service.chunk_journal import ChunkJournal
from kumihimo.roles.hub.service.codes import MAILBOXES, FirstCodeDesk
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.orders import FirstOrderDesk
from kumihimo.roles.hub.service.outcomes import OutcomeDesk
from kumihimo.roles.hub.service.parties import GATHER, OVERSIGHT
from kumihimo.roles.hub.service.permits import PermitDesk
from kumihimo.roles.hub.service.records import rule_book_record
from kumihimo.roles.hub.service.refusals import RefusalRelay
from kumihimo.roles.hub.service.rotation import FirstRotationDesk
from kumihimo.roles.hub.service.sequencer import Sequencer
from kumihimo.roles.hub.service.unfinished import Finishing, Underway, Unfinished
from kumihimo.roles.hub.service.witnessing import Witness
from kumihimo.roles.hub.settings import Settings
from kumihimo.roles.hub.store import LogStore, TreeStore, feed
from kumihimo.roles.hub.store.unheard import Unheard

LOG_KEY = "log.key"
log = structlog.get_logger()


class Opening(Background):
    """Writes down, at every start, which rule book this desk applies."""

    def __init__(self, journal: Journal, rule_book: str) -> None:
        self._journal = journal
        self._rule_book = rule_book

    def start(self) -> None:
        self._journal.write(rule_book_record(self._rule_book, self._journal.now()))
        log.info("rule book", rule_book=self._rule_book)


def build_first(operator: Operator) -> FastAPI:
    """The application of operator 1."""
    settings, edge = operator.settings, operator.edge
    store = LogStore(operator.engine, edge.answer, OVERSIGHT)
    feeds = FeedDesk(edge, operator.engine, feed, told=store.told, gather=GATHER)
    notify = partial(feeds.notify, OVERSIGHT)
    journal = Journal(store, edge.clock, notify)
    tree = TreeStore(operator.engine)
    sequencer = Sequencer(tree, log_key(settings), witnesses(operator), edge.clock, settings.checkpoint_seconds)
    background = (
        operator.lives(store.close),
        sequencer,
        Opening(journal, operator.book.sha256),
    )
    entries = ChunkJournal(store, notify)
    patient = Patient(operator.client, PATIENCE_SECONDS)
    chunk_refusals = ChunkRefusals(edge, entries, operator.chunk_translation(), patient)
    underway = Underway()
    permits = PermitDesk(
        edge,
        operator.bench(),
        journal,
        operator.translator,
        operator.client,
        operator.seeds,
        operator.proof_check(notify),
        operator.domains,
        underway,
    )
    unfinished = Unfinished(store, Unheard(operator.engine), underway, edge.clock)
    finishing = Finishing(unfinished, permits.finish, permits.give_up)
    refusals = RefusalRelay(
        edge, unfinished, operator.translator, operator.seeds, operator.client, operator.domains, chunk_refusals
    )
    # Most of a request's time at operator 1 is waiting for the commit and for operator 2.
    app = application("hub operator 1", (*background, refusals, finishing), threads=settings.threads)
    app.state.finishing = finishing
    needed_at_the_end(app, "/proofs", "/points")  # operator 2 asks for them in the middle of an inquiry
    watch_operator(app, operator, feeds, SequencerVital(sequencer, tree, edge.clock), secrets=(LOG_KEY,))
    outcomes = OutcomeDesk(edge, journal, store, operator.client)
    check = operator.proof_check(notify)
    translation = operator.chunk_translation()
    chunks = ChunkDesk(edge, operator.bench(), journal, entries, translation, patient, check)
    chunk_outcomes = ChunkOutcomeDesk(edge, journal, entries, store, patient)
    mount_chunks(app, edge, chunks, chunk_outcomes)
    codes = FirstCodeDesk(edge, operator.hop(), journal, operator.client)
    mailboxes = FirstCodeDesk(edge, operator.hop(), journal, operator.client, MAILBOXES)

    @app.post("/inquiries", response_model=Envelopes)
    def inquiries(body: Body, peer: Peer) -> list[Answered]:
        """InquiryRequest → InquiryDecision, or several together."""
        return [one if isinstance(one, Problem) else edge.answer(one) for one in permits.decide(body, peer)]

    @app.post("/outcomes")
    def report_outcome(body: Body, peer: Peer) -> Envelope:
        """ReportsOfOutcomes → OutcomesTaken."""
        return edge.answer(outcomes.take(body, peer))

    orders = FirstOrderDesk(edge, operator.standings, journal)

    @app.post("/orders")
    async def carry_out(body: Body, peer: Peer) -> Envelope:
        """CarryOutOrder → OrderCarriedOut. In a thread of its own: all others may be waiting for the other operator."""
        return edge.answer(await in_thread(partial(orders.carry_out, body, peer), operator.orders_pool))

    @app.post("/code-batches")
    def code_batches(body: Body, peer: Peer) -> Envelope:
        """TranslateCodes → CodesTranslated."""
        return edge.answer(codes.translate(body, peer))

    @app.post("/mailboxes")
    def open_mailboxes(body: Body, peer: Peer) -> Envelope:
        """OpenMailboxes → CodesTranslated."""
        return edge.answer(mailboxes.translate(body, peer))

    rotation = FirstRotationDesk(operator.rotation_hop(), journal, operator.client, operator.proof_check(notify))

    @app.post("/domain-moves")
    def move_domain(body: Body, peer: Peer) -> Envelope:
        """MoveDomain → DomainMoved."""
        return edge.answer(rotation.step(body, peer))

    @app.post("/shown-domains")
    def show_domain(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowDomain → DomainShown."""
        return edge.answer(rotation.show(envelope, peer))

    @app.post("/rotations")
    def rotate_codes(body: Body, peer: Peer) -> Envelope:
        """RotateCodes → CodesRotated."""
        return edge.answer(rotation.rotate(body, peer))

    mount_keys(app, operator)
    mount_log(app, tree)
    feeds.mount(app)
    return app


def mount_log(app: FastAPI, tree: TreeStore) -> None:
    """Add the routes of C2SP tlog-tiles below `/log`; any party of the country may read them."""

    @app.get("/log/checkpoint")
    def checkpoint(_peer: Peer) -> Response:
        """The newest signed checkpoint."""
        latest = tree.latest()
        if latest is None:
            raise Problem("log.unknown_entry", "no checkpoint has been published yet", advice="Ask again in a second.")
        return Response(latest.note, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})

    @app.get("/log/tile/{place:path}")
    def tile(place: str, _peer: Peer) -> Response:
        """A tile or a bundle of entries, full or partial, within the newest checkpoint."""
        wanted = parse_path(f"/tile/{place}")
        latest = tree.latest()
        level = wanted.level if isinstance(wanted, Tile) else 0
        if latest is None or wanted.width > tile_width(level, wanted.index, latest.size):
            raise Problem("log.unknown_entry", wanted.path, expected="a path within the newest checkpoint")
        data = tree.tile(wanted.level, wanted.index, wanted.width) if isinstance(wanted, Tile) else tree.bundle(wanted)
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(data, media_type="application/octet-stream", headers=headers)


def log_key(settings: Settings) -> NoteKey:
    """The log's signing key. Raises Problem(key.missing, key.permissions)."""
    return NoteKey.from_seed(settings.log_origin, read_secret(settings.keys / LOG_KEY))


def witnesses(operator: Operator) -> tuple[Witness, ...]:
    """The witnesses of the settings."""
    keys = tuple(VerifierKey.parse(text) for text in operator.settings.witness_keys)
    ask = partial(Witness, keys=keys, post=operator.client.post)
    return tuple(ask(PartyId(party)) for party in operator.settings.witnesses)
