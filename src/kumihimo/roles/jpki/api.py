"""The certification authority's door (認証局の窓口): applications and reports of municipalities, and its feed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI

from kumihimo.domain.jpki import CaName, Places, Profile
from kumihimo.domain.kernel import Clock, PartyId, Problem, SystemClock, SystemRandomness, institution_of
from kumihimo.plumbing.storage import migrate, open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.feeds import FeedDesk, FeedReader
from kumihimo.plumbing.wire.messages.cards import (
    ApplyForCertificates,
    AuthenticationHeld,
    AuthorityOfResponder,
    CardsShown,
    CertificateByCardAuthority,
    CertificatesIssued,
    CertificateState,
    CertifyResponder,
    FindResidentCode,
    HoldAuthentication,
    HolderEvent,
    HolderFound,
    HoldersCodeUnderWay,
    HolderSnapshot,
    IssuedCertificate,
    IssueHoldersCode,
    IssuePortalCode,
    ListsMade,
    LookUpHolder,
    MakeLists,
    PortalCodeUnderWay,
    ReportCard,
    RequestCardCertificate,
    RequestOfficeCertificate,
    ResidentCodeFound,
    ResponderCertified,
    ShowCertificates,
)
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import FeedDeskVital, FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.jpki.authorities import Authorities, AuthoritiesVital, keys_of
from kumihimo.roles.jpki.service.applications import Applications
from kumihimo.roles.jpki.service.certifying import Certifying, Shown
from kumihimo.roles.jpki.service.lists import Lists, Schedule
from kumihimo.roles.jpki.service.standings import Standings
from kumihimo.roles.jpki.settings import Settings
from kumihimo.roles.jpki.store import LIST, MIGRATIONS, RESPONDER, AuthorityStore, Transaction, feed, feed_cursor

REGISTRY: Final = PartyId("registry/network")
_LOGGED_IN: Final = "番号法第二十一条第二項: 情報提供等記録開示システムの利用"
OVERSEERS: Final = ("jpki", "oversight")
_LISTS_KEPT: Final = timedelta(days=7)  # a responder whose store was put back from a backup asks again
_DER: Final = serialization.Encoding.DER


def prepare(settings: Settings) -> None:
    """Create and migrate the store."""
    migrate(open_engine(settings.store), MIGRATIONS)


class _Registry:
    """The authority's calls to the registry."""

    def __init__(self, edge: Edge, client: PeerClient) -> None:
        self._edge = edge
        self._client = client

    def holder(self, resident_code: str) -> HolderSnapshot | None:
        message = self._edge.message(LookUpHolder, REGISTRY, resident_code=resident_code)
        return self._client.send("/holders", message, HolderFound).value.holder

    def issue_portal_code(self, resident_code: str, ticket: str) -> None:
        message = self._edge.message(
            IssueHoldersCode, REGISTRY, resident_code=resident_code, ticket=ticket, basis=_LOGGED_IN
        )
        self._client.send("/portal-codes", message, HoldersCodeUnderWay)


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application. Raises Problem(store.not_migrated), those of keys and directory, and of the authorities' keys."""
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    client, randomness = PeerClient(edge), SystemRandomness()
    authorities, places = Authorities.load(settings.ca, keys_of(settings)), Places(settings.public_url)
    store = AuthorityStore(engine)
    desk = FeedDesk(edge, engine, feed, retain={LIST: _LISTS_KEPT}, gather={RESPONDER: 0.0})
    registry = _Registry(edge, client)
    applications = Applications(store, authorities.issuing, places, registry.holder, randomness, edge.clock)
    standings = Standings(store, edge.clock)
    certifying = Certifying(store, authorities.issuing, lambda: _offices(settings), randomness, edge.clock)
    schedule = Schedule(settings.full_list_every, settings.delta_list_every)
    lists = Lists(store, authorities.issuing, places, schedule, edge.clock, desk.notify)
    lists.tell_root_list(authorities.root_list)
    reader = FeedReader(
        client, edge, REGISTRY, engine, feed_cursor,
        lambda conn, item: standings.hear(Transaction.writing(conn), HolderEvent.model_validate(item.body)), desk.notify,
    )  # fmt: skip
    app = application("jpki", [reader, Repeating("lists", lists.make_due)])
    desk.mount(app)
    vitals = StoreVital(engine, MIGRATIONS), KeysVital(edge), FeedVital(reader, edge), FeedDeskVital(desk, edge)
    watch(app, edge, *vitals, AuthoritiesVital(authorities, edge.clock))
    _mount_windows(app, edge, applications, standings, authorities, desk)
    _mount_certifying(app, edge, settings, certifying, authorities)
    _mount_log_ins(app, edge, certifying, registry)
    _mount_locks(app, edge, standings, desk)

    @app.post("/lists")
    def make_lists(envelope: Envelope, peer: Peer) -> Envelope:
        """New lists now, rather than when the schedule says."""
        message = edge.open(envelope, MakeLists, peer, lambda party: institution_of(party) in OVERSEERS).value
        return edge.answer(ListsMade(in_reply_to=message.message_id, count=lists.make_all()))

    return app


def _mount_windows(
    app: FastAPI,
    edge: Edge,
    applications: Applications,
    standings: Standings,
    authorities: Authorities,
    desk: FeedDesk,
) -> None:
    """What municipalities' ledgers send for their windows."""

    def municipal_ledger(party: PartyId) -> bool:
        return _municipal_ledger(edge, party)

    @app.post("/certificates")
    def apply(envelope: Envelope, peer: Peer) -> Envelope:
        """Somebody was identified and applies for certificates."""
        message = edge.open(envelope, ApplyForCertificates, peer, municipal_ledger).value
        issued = applications.apply(institution_of(peer), message)
        desk.notify(RESPONDER)
        certificates = tuple(
            IssuedCertificate(
                profile=one.profile,
                serial=one.serial,
                certificate=b64(one.der),
                authority=_authority(authorities, one.profile.ca),
                valid_until=one.valid_until,
            )
            for one in issued.certificates
        )
        return edge.answer(
            CertificatesIssued(
                in_reply_to=message.message_id,
                certificates=certificates,
                signature_authority=_authority(authorities, CaName.SIGNATURE),
                card_until=issued.card.card_until,
            )
        )

    @app.post("/reports")
    def report(envelope: Envelope, peer: Peer) -> Envelope:
        """A card is lost, found, ended or stolen."""
        message = edge.open(envelope, ReportCard, peer, municipal_ledger).value
        cards = standings.report(institution_of(peer), message)
        desk.notify(RESPONDER)
        return edge.answer(CardsShown(in_reply_to=message.message_id, cards=tuple(cards)))

    @app.post("/shown-certificates")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """The cards and certificates of a resident."""
        message = edge.open(envelope, ShowCertificates, peer, municipal_ledger).value
        cards = standings.show(message.resident_code, message.card_serial)
        return edge.answer(CardsShown(in_reply_to=message.message_id, cards=tuple(cards)))


def _mount_certifying(
    app: FastAPI, edge: Edge, settings: Settings, certifying: Certifying, authorities: Authorities
) -> None:
    """Certificates that are no resident's, and whose a resident's is."""

    def card_maker(party: PartyId) -> bool:
        return party in settings.card_makers or _municipal_ledger(edge, party)

    @app.post("/office-certificates")
    def office(envelope: Envelope, peer: Peer) -> Envelope:
        """A municipality has the key of its office certified."""
        message = edge.open(envelope, RequestOfficeCertificate, peer, lambda p: _municipal_ledger(edge, p)).value
        der = certifying.office(institution_of(peer), Shown(message.public_key, message.proof), peer)
        return edge.answer(_by_card_authority(authorities, message.message_id, der))

    @app.post("/card-certificates")
    def card(envelope: Envelope, peer: Peer) -> Envelope:
        """Whoever makes cards has the key of a new one certified."""
        message = edge.open(envelope, RequestCardCertificate, peer, card_maker).value
        der = certifying.card(message.card_serial, Shown(message.public_key, message.proof), peer)
        return edge.answer(_by_card_authority(authorities, message.message_id, der))

    @app.post("/responders")
    def responder(envelope: Envelope, peer: Peer) -> Envelope:
        """The responder has its own key certified for the next thirty days."""
        message = edge.open(envelope, CertifyResponder, peer, lambda party: party == RESPONDER).value
        certified = certifying.responder(peer, Shown(message.public_key, message.proof))
        entries = [AuthorityOfResponder(ca=CaName.ROOT, authority=b64(authorities.root.public_bytes(_DER)))]
        for ca in authorities.issuing:
            own = certified.get(ca)
            made = b64(own.public_bytes(_DER)) if own is not None else None
            entries.append(AuthorityOfResponder(ca=ca, authority=_authority(authorities, ca), responder=made))
        return edge.answer(ResponderCertified(in_reply_to=message.message_id, authorities=tuple(entries)))

    @app.post("/resident-codes")
    def find_resident_code(envelope: Envelope, peer: Peer) -> Envelope:
        """Whose a certificate is: for those who are entitled to know."""
        message = edge.open(envelope, FindResidentCode, peer, edge.directory.has).value
        if peer not in settings.entitled:
            raise Problem("jpki.not_entitled", f"{peer} asks whose a certificate is", expected="an entitled party")
        found = certifying.whose(message.profile, message.serial, peer, message.basis)
        reply = ResidentCodeFound(
            in_reply_to=message.message_id, resident_code=found.resident_code, state=found.state,
            valid_until=found.valid_until,
        )  # fmt: skip
        return edge.answer(reply)


def _mount_log_ins(app: FastAPI, edge: Edge, certifying: Certifying, registry: _Registry) -> None:
    @app.post("/portal-codes")
    def issue_portal_code(envelope: Envelope, peer: Peer) -> Envelope:
        """Somebody logged in to the portal: its link code is issued to it, and nobody learns the other's name for them."""
        message = edge.open(envelope, IssuePortalCode, peer, lambda party: party == PORTAL).value
        found = certifying.whose(Profile.AUTHENTICATION, message.serial, peer, _LOGGED_IN)
        if found.state is not CertificateState.GOOD:
            raise Problem("login.revoked", "the certificate is not in use", expected="one that is")
        registry.issue_portal_code(found.resident_code, message.ticket)
        return edge.answer(PortalCodeUnderWay(in_reply_to=message.message_id))


def _mount_locks(app: FastAPI, edge: Edge, standings: Standings, desk: FeedDesk) -> None:
    @app.post("/held-authentications")
    def hold(envelope: Envelope, peer: Peer) -> Envelope:
        """A holder locks or unlocks their card's authentication in My Portal."""
        message = edge.open(envelope, HoldAuthentication, peer, lambda party: party == PORTAL).value
        if message.hold:
            standings.lock(message.serial, peer)
        else:
            standings.unlock(message.serial, peer)
        desk.notify(RESPONDER)
        return edge.answer(AuthenticationHeld(in_reply_to=message.message_id, held=message.hold))


def _offices(settings: Settings) -> Mapping[str, str]:
    """As they stand in the settings now: who joins later is known without a restart."""
    return settings.offices if settings.file is None else Settings.load(settings.file).offices


def _municipal_ledger(edge: Edge, party: PartyId) -> bool:
    return party.endswith("/ledger") and "municipality" in edge.directory.institution_of(party).classes


def _authority(authorities: Authorities, ca: CaName) -> str:
    return b64(authorities.issuing[ca].certificate.public_bytes(_DER))


def _by_card_authority(authorities: Authorities, message_id: str, der: bytes) -> CertificateByCardAuthority:
    return CertificateByCardAuthority(
        in_reply_to=message_id, certificate=b64(der), authority=_authority(authorities, CaName.CARD)
    )
