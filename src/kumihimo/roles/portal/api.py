"""My Portal's door: accounts for municipalities, access records for residents; codes and records come by operator 2's feed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from fastapi import FastAPI
from sqlalchemy import Engine

from kumihimo.domain.codes import domain_label
from kumihimo.domain.kernel import Clock, PartyId, SystemClock, SystemRandomness, institution_of
from kumihimo.domain.law import RuleBook
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.mail import Mailer
from kumihimo.plumbing.push import VAPID_KEY, Pusher, make_vapid_key
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, read_secret, require_current, write_secret
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge, application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.link_keys import OPERATORS, LinkKeys
from kumihimo.plumbing.wire.messages.cards import IssuePortalCode, PortalCodeUnderWay
from kumihimo.plumbing.wire.messages.ledger import Accesses, PortalAccountOpened, PortalTicket, ShowAccesses
from kumihimo.plumbing.wire.moving_codes import MovingCodes
from kumihimo.plumbing.wire.ocsp_client import OcspClient, trusted_issuers
from kumihimo.plumbing.wire.public_door import PublicDoor
from kumihimo.plumbing.wire.remote_log import RemoteLog
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.rotating import CodeRotation
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.portal.notice_routes import mount_notices
from kumihimo.roles.portal.pages import MOUNTS
from kumihimo.roles.portal.service.accesses import AccessRecords
from kumihimo.roles.portal.service.accounts import Accounts
from kumihimo.roles.portal.service.applying import Applications
from kumihimo.roles.portal.service.card_lock import AUTHORITY
from kumihimo.roles.portal.service.inbox import Inboxes
from kumihimo.roles.portal.service.intake import Intake
from kumihimo.roles.portal.service.log_ins import LOGIN_KEY, LogIns
from kumihimo.roles.portal.service.proofs import Proofs
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.safe import SAFE_KEY, Safe
from kumihimo.roles.portal.service.sentences import names_from
from kumihimo.roles.portal.service.waking import Waking
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.site import Site, build_site
from kumihimo.roles.portal.store import MIGRATIONS, PortalStore, Transaction, feed_cursor
from kumihimo.roles.portal.store_rotation import PortalRotations

RESIDENT: Final = PartyId("portal/resident")
OWN_DOMAIN: Final = "portal"


class _Reader(FeedReader):
    """Reads operator 2's feed once it has the portal's key: fetching it later would hold the store's lock meanwhile."""

    def __init__(
        self, ready: Callable[[], object], intake: Intake, client: PeerClient, edge: Edge, engine: Engine
    ) -> None:
        self._make_ready = ready
        super().__init__(
            client, edge, OPERATORS[1], engine, feed_cursor, lambda conn, item: intake.apply(Transaction(conn), item)
        )

    def pull(self, wait: float = 0.0) -> int:
        self._make_ready()
        return super().pull(wait)


def prepare(settings: Settings) -> None:
    """Create and migrate the store, and make those keys of its own that are not there."""
    migrate(open_engine(settings.store), MIGRATIONS)
    for name in (LOGIN_KEY, SAFE_KEY):
        if not (settings.keys / name).exists():
            write_secret(settings.keys / name, SystemRandomness().token_bytes(32))
    if not (settings.keys / VAPID_KEY).exists():
        make_vapid_key(settings.keys / VAPID_KEY)


def account_finder(store: PortalStore, edge: Edge, client: PeerClient) -> Callable[[str], str]:
    """What finds the account of a certificate, and has its link code issued. Raises Problem(key.missing)."""

    def issue(serial: str, ticket: str) -> None:
        message = edge.message(IssuePortalCode, AUTHORITY, serial=serial, ticket=ticket)
        client.send("/portal-codes", message, PortalCodeUnderWay)

    key = read_secret(edge.identity.folder / LOGIN_KEY)
    return LogIns(store, key, issue, SystemRandomness(), edge.clock).account_of


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application.

    Raises Problem: store.not_migrated, rules.format, file.unreadable, value.invalid, login.origin, those of keys and directory.
    """
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    client = PeerClient(edge)
    keys = LinkKeys(edge, client)
    store = PortalStore(engine)
    witness_keys = [VerifierKey.parse(key) for key in settings.witness_keys]
    proofs = Proofs(RemoteLog(client), VerifierKey.parse(settings.log_key), witness_keys)
    book = RuleBook.load(*settings.rule_books)
    accounts = Accounts(store, SystemRandomness(), edge.clock)
    records = RecordList(store, lambda: names_from(edge.directory.institutions(), book), proofs)
    shown = AccessRecords(store, records)
    rotations = PortalRotations(engine, edge.directory.epoch(OWN_DOMAIN))

    def secret(epoch: int) -> bytes:
        return keys.secret(domain_label(OWN_DOMAIN, epoch))

    def finish(epoch: int, at: datetime) -> int:
        forgotten = rotations.close(epoch, at)
        keys.destroy(domain_label(OWN_DOMAIN, epoch - 1))
        return forgotten

    moving = MovingCodes(edge, client, keys.secret)
    rotation = CodeRotation(rotations, edge, moving, settings.rotation_overlap, secret, finish)

    def take_order(transaction: Transaction, item: FeedItem) -> None:
        ordered = rotation.ordered(item)
        if ordered is not None:
            rotations.begin(transaction.conn, ordered.reason, ordered.at, ordered.close_at, ordered.number)

    safe, door = Safe(read_secret(edge.identity.folder / SAFE_KEY)), settings.site
    waking = Waking(
        store, safe, edge.clock, SystemRandomness(), "" if door is None else door.origin,
        None if settings.mail is None else Mailer(settings.mail),
        None if settings.push is None else Pusher(settings.push, edge.identity.folder / VAPID_KEY),
    )  # fmt: skip
    inboxes = Inboxes(store, safe, edge, client, waking)
    background: list[Background] = [Repeating("wake-ups", waking.go_on)]
    if door is not None:
        signature, status = (
            trusted_issuers(door.trusted_signature),
            OcspClient(SystemRandomness(), edge.clock, door.responder),
        )
        applications = Applications(store, safe, edge, client, edge.clock, SystemRandomness(), signature, status)
        background.append(Repeating("applications", applications.go_on))
        site = Site(
            store=store, edge=edge, client=client, clock=edge.clock, randomness=SystemRandomness(), settings=settings,
            book=book, secret=secret, records=records, inboxes=inboxes, waking=waking,
            applications=applications, origin=door.origin,
            authentication=trusted_issuers(door.trusted_authentication), signature=signature, status=status,
            account_of=account_finder(store, edge, client),
        )  # fmt: skip
        pages = build_site(site, MOUNTS)
        background.append(PublicDoor(pages, door.host, door.port, (door.certificate, door.key)))
    intake = Intake(edge, secret, inboxes.handle_hash, rotations.present, take_order)
    reader = _Reader(lambda: secret(rotations.present()), intake, client, edge, engine)
    rotation.level = reader.is_level
    app = application("portal", [reader, Repeating("rotation", rotation.advance), *background])
    watch(app, edge, StoreVital(engine, MIGRATIONS), KeysVital(edge), FeedVital(reader, edge))

    def municipal_ledger(party: PartyId) -> bool:
        return party.endswith("/ledger") and "municipality" in edge.directory.institution_of(party).classes

    @app.post("/accounts")
    def open_account(envelope: Envelope, peer: Peer) -> Envelope:
        """A municipality opens an account for somebody it has identified at its counter."""
        message = edge.open(envelope, PortalTicket, peer, municipal_ledger).value
        account = accounts.open(message.ticket, institution_of(peer))
        return edge.answer(PortalAccountOpened(in_reply_to=message.message_id, account=account))

    mount_notices(app, edge, inboxes)

    @app.post("/accesses")
    def show(envelope: Envelope, peer: Peer) -> Envelope:
        """The access records of an account.

        `portal/resident` stands in for the browser of whoever knows the account's number, until residents sign in with
        their card: then the card, not the number, shows whose account it is.
        """
        message = edge.open(envelope, ShowAccesses, peer, lambda party: party == RESIDENT).value
        accesses = shown.show(message.account)
        return edge.answer(Accesses(in_reply_to=message.message_id, account=message.account, accesses=accesses))

    return app
