"""What an exchange consists of (中間サーバーの構成): its stores and services, wired together for one institution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine

from kumihimo.domain.kernel import SystemRandomness, institution_of
from kumihimo.plumbing.storage import FeedItem, read_secret
from kumihimo.plumbing.wire.client import PATIENCE_SECONDS, Patient, PeerClient
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.moving_codes import MovingCodes
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.together import Gathering
from kumihimo.roles.gateway.api.batch import BatchWorker
from kumihimo.roles.gateway.api.life import OutcomeSender
from kumihimo.roles.gateway.api.schedules import DailyRound
from kumihimo.roles.gateway.service.applications import ApplicationDesk
from kumihimo.roles.gateway.service.audit import OpeningAudit
from kumihimo.roles.gateway.service.audit_codes import AuditCodes
from kumihimo.roles.gateway.service.batch import Batches
from kumihimo.roles.gateway.service.batch_asking import Asking
from kumihimo.roles.gateway.service.by_hand import ByHand
from kumihimo.roles.gateway.service.chunk_provision import ChunkProvision
from kumihimo.roles.gateway.service.chunk_reports import ChunkOutcomes
from kumihimo.roles.gateway.service.copies import Copies
from kumihimo.roles.gateway.service.corrections import CorrectionDesk
from kumihimo.roles.gateway.service.inquiry import Inquiry
from kumihimo.roles.gateway.service.link_codes import LinkCodes, OwnDomain
from kumihimo.roles.gateway.service.notices import Notices
from kumihimo.roles.gateway.service.outcomes import Outcomes
from kumihimo.roles.gateway.service.provision import Provision
from kumihimo.roles.gateway.service.rotation import Rotations
from kumihimo.roles.gateway.service.schedules import Schedules
from kumihimo.roles.gateway.settings import ExchangeSettings
from kumihimo.roles.gateway.store.applications import ApplicationStore
from kumihimo.roles.gateway.store.batches import BatchStore
from kumihimo.roles.gateway.store.by_hand import ByHandStore
from kumihimo.roles.gateway.store.chunk_provisions import ChunkProvisionStore
from kumihimo.roles.gateway.store.chunk_reports import ChunkOutbox
from kumihimo.roles.gateway.store.commits import Commit
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.corrections import CorrectionStore
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.links import LinkStore
from kumihimo.roles.gateway.store.notices import NoticeStore
from kumihimo.roles.gateway.store.outbox import OutboxStore
from kumihimo.roles.gateway.store.provisions import ProvisionStore
from kumihimo.roles.gateway.store.records import RecordStore
from kumihimo.roles.gateway.store.registered import RegisteredStore
from kumihimo.roles.gateway.store.rotations import RotationStore
from kumihimo.roles.gateway.store.schedules import ScheduleStore

AUDIT_KEY = "audit.key"
log = structlog.get_logger()


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
    corrections: CorrectionDesk
    notices: Notices
    delivering: Repeating
    applications: ApplicationDesk


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
    batch_store = BatchStore(engine, institution, commit)
    patient = Patient(client, PATIENCE_SECONDS)
    asking = Asking(batch_store, domain, edge, patient, SystemRandomness(), audit_key, sender.wake)
    worker = BatchWorker(batch_store, asking.ask)
    registered = RegisteredStore(engine, institution)
    batches = Batches(batch_store, inquiries, domain, edge, SystemRandomness(), settings.batch_kept, worker.wake)
    delivering = Repeating("notices", lambda: notices.go_on())
    notices = Notices(
        NoticeStore(engine, institution), batch_store.codes, domain, edge, patient, SystemRandomness(), delivering.wake
    )
    schedules = Schedules(ScheduleStore(engine, institution, commit), batches, SystemRandomness())
    return Services(
        codes,
        Copies(CopyStore(engine, institution), edge.clock, registered.unknown, settings.copies_per_day),
        Inquiry(
            inquiries,
            records,
            codes,
            edge,
            Gathering(client),
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
            ChunkProvisionStore(engine, institution, commit),
            edge,
            domain,
            settings.by_hand_patience,
            sender.wake,
            settings.freshness(),
        ),
        worker,
        OpeningAudit(inquiries, codes, edge, audit_codes),
        registered,
        rotations,
        schedules,
        DailyRound(schedules, batch_store, edge.clock),
        CorrectionDesk(CorrectionStore(engine, institution), inquiries, edge),
        notices,
        delivering,
        ApplicationDesk(ApplicationStore(engine, institution), edge, SystemRandomness()),
    )
