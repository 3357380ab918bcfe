"""The registry's door: events from municipalities, look-ups and code issuing for ledgers, the feed of events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fastapi import FastAPI

from kumihimo.domain.codes import domain_label
from kumihimo.domain.kernel import (
    Clock,
    IndividualNumber,
    PartyId,
    Problem,
    SystemClock,
    SystemRandomness,
    institution_of,
)
from kumihimo.plumbing.storage import migrate, open_engine, read_secret, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedDesk
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.cards import HolderFound, HoldersCodeUnderWay, IssueHoldersCode, LookUpHolder
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesTranslated, CodesUnderWay, IssueCodes, TranslateCodes
from kumihimo.plumbing.wire.messages.lives import (
    SHOWN,
    Acknowledge,
    Acknowledged,
    AmendAssignments,
    AssignmentsAmended,
    NumberOf,
    NumberReplaced,
    ReplaceNumber,
    ShowUnacknowledged,
    Unacknowledged,
    UnacknowledgedEvent,
)
from kumihimo.plumbing.wire.messages.residents import (
    Arrival,
    ArrivalsRegistered,
    AssignNumbers,
    LookUp,
    LookUpResult,
    NumbersAssigned,
    RegisterArrivals,
    RegisterEvent,
    RegisterEventAccepted,
    RegisterEventKind,
    RejectedArrival,
    ResidentSnapshot,
)
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import FeedDeskVital, KeysVital, StoreVital, meters_of, watch
from kumihimo.roles.registry.schema import MIGRATIONS, feed
from kumihimo.roles.registry.service.code_issuing import PORTAL, CodeIssuing
from kumihimo.roles.registry.service.holders import AUTHORITY, Holders
from kumihimo.roles.registry.service.lives import OPERATIONS, Lives, Numbered
from kumihimo.roles.registry.service.look_up import LookUps
from kumihimo.roles.registry.service.recoding import Recoding
from kumihimo.roles.registry.service.residents import Reported, Residents
from kumihimo.roles.registry.settings import Settings
from kumihimo.roles.registry.store import RegistryStore
from kumihimo.roles.registry.store_lives import LivesStore

NUMBERING = PartyId("numbering/authority")
OPERATOR_1 = PartyId("hub-1/operator")
PERSON_KEY = "person.key"
OWN_DOMAIN = "registry"


def prepare(settings: Settings) -> None:
    """Create and migrate the store."""
    migrate(open_engine(settings.store), MIGRATIONS)


class _Neighbours:
    """The registry's calls to the numbering authority and to operator 1; `epoch` is the one of its own key."""

    def __init__(self, edge: Edge, client: PeerClient, epoch: int) -> None:
        self.epoch = epoch
        self._edge = edge
        self._client = client

    def numbers(self, municipality: str, resident_codes: Sequence[str]) -> dict[str, str]:
        message = self._edge.message(
            AssignNumbers, NUMBERING, municipality=municipality, resident_codes=tuple(resident_codes)
        )
        reply = self._client.send("/assignments", message, NumbersAssigned).value
        return {one.resident_code: one.individual_number for one in reply.assignments}

    def replaced(self, municipality: str, held: Numbered, reason: str) -> str:
        code, number = held
        message = self._edge.message(
            ReplaceNumber, NUMBERING, municipality=municipality, resident_code=code, individual_number=number,
            reason=reason,
        )  # fmt: skip
        return self._client.send("/replacements", message, NumberReplaced).value.individual_number

    def amended(self, municipality: str, reason: str, end: Sequence[Numbered], restore: Sequence[Numbered]) -> None:
        ended, restored = (
            tuple(NumberOf(resident_code=code, individual_number=number) for code, number in numbers)
            for numbers in (end, restore)
        )
        message = self._edge.message(
            AmendAssignments, NUMBERING, municipality=municipality, reason=reason, end=ended, restore=restored
        )
        self._client.send("/amendments", message, AssignmentsAmended)

    def translate(self, institution: str, codes: Sequence[BlindCode]) -> None:
        message = self._edge.message(
            TranslateCodes, OPERATOR_1, institution=institution, epoch=self.epoch, codes=tuple(codes)
        )
        try:
            self._client.send("/code-batches", message, CodesTranslated)
        except Problem as problem:
            if problem.code != "peer.unreachable":
                raise
            raise Problem("operator.unreachable", problem.detail, advice="No code was issued; try again.") from None


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application. Raises Problem(store.not_migrated) and those of keys and directory."""
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    client = PeerClient(edge, timeout=60.0)
    keys = LinkKeys(edge, client)
    # One epoch for the life of the process: a batch must not say another one than it was encrypted in.
    epoch = keys.newest_epoch(OWN_DOMAIN) or edge.directory.epoch(OWN_DOMAIN)
    neighbours = _Neighbours(edge, client, epoch)
    store = RegistryStore(engine)
    institution = edge.directory.institution
    residents = Residents(store, institution, neighbours.numbers, SystemRandomness(), edge.clock)
    look_ups = LookUps(store, institution)
    holders = Holders(store)
    person_secret = read_secret(edge.identity.folder / PERSON_KEY)
    lives_store = LivesStore(store)
    lives = Lives(lives_store, institution, neighbours, residents.drawn, edge.clock)

    def own_key() -> bytes:
        return keys.secret(domain_label(OWN_DOMAIN, epoch))

    recoding = Recoding(lives_store, person_secret, own_key, neighbours.translate, SystemRandomness())
    recoder = Repeating("recoding", recoding.bring_up)
    issuing = CodeIssuing(
        store,
        institution,
        person_secret,
        own_key,
        neighbours.translate,
        SystemRandomness(),
        edge.clock,
    )
    desk = FeedDesk(edge, engine, feed)
    app = application("registry", background=[recoder])
    desk.mount(app)
    watch(app, edge, StoreVital(engine, MIGRATIONS), KeysVital(edge, (PERSON_KEY,)), FeedDeskVital(desk, edge))

    @app.post("/events")
    def report(envelope: Envelope, peer: Peer) -> Envelope:
        """A municipality reports what happened to a resident, or to a registration."""
        message = edge.open(envelope, RegisterEvent, peer, _office).value
        items = message.four_items.read() if message.four_items is not None else None
        reported = Reported(
            message.event, message.on, message.resident_code, items, message.reason, message.individual_number,
            message.other_number,
        )  # fmt: skip
        others: list[ResidentSnapshot] = []
        if message.event in OPERATIONS:
            resident, *others = lives.report(institution_of(peer), reported)
        else:
            resident = residents.report(institution_of(peer), reported)
        desk.notify()
        if message.event is RegisterEventKind.RECODE:
            recoder.wake()
        return edge.answer(
            RegisterEventAccepted(in_reply_to=message.message_id, resident=resident, others=tuple(others))
        )

    @app.post("/arrivals")
    def register_arrivals(envelope: Envelope, peer: Peer) -> Envelope:
        """A municipality registers many births and move-ins at once."""
        message = edge.open(envelope, RegisterArrivals, peer, _office).value
        readable, unreadable = _read_arrivals(message.arrivals)
        registered, refused = residents.arrive(institution_of(peer), [reported for _, reported in readable])
        rejected = unreadable | {readable[position][0]: problem for position, problem in refused.items()}
        desk.notify()
        reply = ArrivalsRegistered(
            in_reply_to=message.message_id,
            residents=tuple(registered),
            rejected=tuple(
                RejectedArrival(position=position, code=problem.code, reason=str(problem))
                for position, problem in sorted(rejected.items())
            ),
        )
        return edge.answer(reply)

    @app.post("/look-ups")
    def look_up(envelope: Envelope, peer: Peer) -> Envelope:
        """A ledger finds a resident by number, resident code or four items."""
        message = edge.open(envelope, LookUp, peer, _ledger).value
        found = look_ups.find(
            institution_of(peer),
            number=message.individual_number,
            resident_code=message.resident_code,
            four_items=message.four_items.read() if message.four_items is not None else None,
        )
        return edge.answer(LookUpResult(in_reply_to=message.message_id, residents=found))

    @app.post("/holders")
    def find_holder(envelope: Envelope, peer: Peer) -> Envelope:
        """The authority for certificates learns who has a resident code, and hears of them from then on."""
        message = edge.open(envelope, LookUpHolder, peer, lambda party: party == AUTHORITY).value
        return edge.answer(HolderFound(in_reply_to=message.message_id, holder=holders.find(message.resident_code)))

    @app.post("/code-issues")
    def issue_codes(envelope: Envelope, peer: Peer) -> Envelope:
        """A ledger has link codes issued to its own exchange, or a municipality to the portal."""
        message = edge.open(envelope, IssueCodes, peer, _ledger).value
        refused = issuing.issue(institution_of(peer), message.institution, message.basis, message.tickets)
        accepted = len(message.tickets) - len(refused)
        meters_of(app).codes_issued(message.institution, accepted)
        return edge.answer(CodesUnderWay(in_reply_to=message.message_id, accepted=accepted, refused=refused))

    @app.post("/portal-codes")
    def issue_to_holder(envelope: Envelope, peer: Peer) -> Envelope:
        """The authority for certificates has the portal's code issued for somebody who logged in with their card."""
        message = edge.open(envelope, IssueHoldersCode, peer, lambda party: party == AUTHORITY).value
        issuing.issue_to_holder(message.resident_code, message.ticket, message.basis)
        meters_of(app).codes_issued(PORTAL, 1)
        return edge.answer(HoldersCodeUnderWay(in_reply_to=message.message_id))

    _mount_acknowledgements(app, edge, lives_store)
    return app


def _mount_acknowledgements(app: FastAPI, edge: Edge, store: LivesStore) -> None:
    @app.post("/acknowledgements")
    def acknowledge(envelope: Envelope, peer: Peer) -> Envelope:
        """A ledger has applied events of its feed."""
        message = edge.open(envelope, Acknowledge, peer, _ledger).value
        with store.transaction() as transaction:
            noted = transaction.acknowledge(institution_of(peer), message.applied, edge.clock.now())
        return edge.answer(Acknowledged(in_reply_to=message.message_id, count=noted))

    @app.post("/unacknowledged")
    def unacknowledged(envelope: Envelope, peer: Peer) -> Envelope:
        """Who has not acknowledged what a municipality reported."""
        message = edge.open(envelope, ShowUnacknowledged, peer, _ledger).value
        before = edge.clock.now() - timedelta(seconds=message.older_than_seconds)
        with store.transaction() as transaction:
            waiting, total = transaction.unacknowledged(institution_of(peer), before, SHOWN)
        events = tuple(
            UnacknowledgedEvent(
                institution=one.institution,
                masked_number=str(IndividualNumber(one.individual_number)),
                event=RegisterEventKind(one.event),
                on=one.happened_on,
                version=one.version,
                announced_at=one.announced_at,
            )
            for one in waiting
        )
        return edge.answer(Unacknowledged(in_reply_to=message.message_id, events=events, total=total))


def _read_arrivals(arrivals: Sequence[Arrival]) -> tuple[list[tuple[int, Reported]], dict[int, Problem]]:
    """Arrivals whose four items can be read, with their positions, and what is wrong with the others."""
    readable: list[tuple[int, Reported]] = []
    unreadable: dict[int, Problem] = {}
    for position, one in enumerate(arrivals):
        try:
            readable.append((position, Reported(one.event, one.on, None, one.four_items.read(), one.reason)))
        except Problem as problem:
            unreadable[position] = problem
    return readable, unreadable


def _ledger(party: PartyId) -> bool:
    return party.endswith("/ledger")


def _office(party: PartyId) -> bool:
    return party.endswith(("/ledger", "/desk"))
