"""The oversight body's door: it cosigns operator 1's checkpoints, verifies the log without pause, and says how it stands."""

from __future__ import annotations

from datetime import datetime

from fastapi import FastAPI
from pydantic import BaseModel

from kumihimo.domain.kernel import Clock, PartyId, Problem, SystemClock
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.plumbing.storage import migrate, open_engine, read_secret, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.remote_log import RemoteLog
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.oversight.complaints_api import mount_complaints
from kumihimo.roles.oversight.findings_api import mount_findings
from kumihimo.roles.oversight.service.audits import AuditDesk
from kumihimo.roles.oversight.service.conditions import ConditionDesk
from kumihimo.roles.oversight.service.evidence import Evidence
from kumihimo.roles.oversight.service.intake import Intake
from kumihimo.roles.oversight.service.monitor import Monitor
from kumihimo.roles.oversight.service.orders import OFFICER, OrderDesk
from kumihimo.roles.oversight.service.other_witnesses import OtherWitnesses
from kumihimo.roles.oversight.service.patrol import Patrol
from kumihimo.roles.oversight.service.witness import Witness
from kumihimo.roles.oversight.settings import Settings
from kumihimo.roles.oversight.store import (
    MIGRATIONS,
    AuditStore,
    ConditionStore,
    Findings,
    OrderStore,
    Statements,
    VerifiedLog,
    WitnessStore,
    feed_cursor,
)
from kumihimo.roles.oversight.store.complaints import ComplaintStore
from kumihimo.roles.oversight.vitals import ConditionsVital, LogVital
from kumihimo.roles.oversight.watching import Watching
from kumihimo.roles.oversight.witness_api import WITNESS_KEY, mount_witness

RESIDENT = PartyId("portal/resident")
ORDERS_SECONDS = 0.5  # an operator that comes back hears of its orders within this time
ORDER_SECONDS = 2.0  # and one that hangs does not keep the officer waiting


class Status(BaseModel):
    """Counts only: how far the log is verified, and how many alarms there are, by kind."""

    log: str
    verified_size: int
    verified_at: datetime | None
    records: int
    promises: int
    promises_kept: int
    alarms: int
    alarms_by_kind: dict[str, int]
    conditions: int


def looking_back(compared: OtherWitnesses, patrol: Patrol, settings: Settings) -> tuple[Watching, ...]:
    """What is looked at again beside what is new: other witnesses, and old parts of the log."""
    rounds = (("patrol", patrol.round), ("witnesses", compared.compare))
    return tuple(Watching(look, settings.check_seconds, name) for name, look in rounds)


def prepare(settings: Settings) -> None:
    """Create and migrate the store."""
    migrate(open_engine(settings.store), MIGRATIONS)


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application. Raises Problem(store.not_migrated) and those of keys and directory."""
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    client = PeerClient(edge)
    log_key = VerifierKey.parse(settings.log_key)
    signer = NoteKey.from_seed(settings.witness_name, read_secret(edge.identity.folder / WITNESS_KEY))
    findings, witnessed = Findings(engine), WitnessStore(engine)
    verified = VerifiedLog(engine, settings.log_origin)
    witness = Witness(witnessed, findings, log_key, signer, edge.clock)
    monitor = Monitor(RemoteLog(client), verified, witnessed, findings, log_key, [signer.witness_key], edge.clock)
    watching = Watching(monitor.check, settings.check_seconds)
    intake = Intake(edge)
    records = FeedReader(
        client, edge, OPERATORS[0], engine, feed_cursor, lambda conn, item: intake.take_record(Statements(conn), item)
    )
    promises = FeedReader(
        client, edge, OPERATORS[1], engine, feed_cursor, lambda conn, item: intake.take_promise(Statements(conn), item)
    )
    evidence = Evidence(verified, findings, log_key, [signer.witness_key], edge.clock)
    audits = AuditDesk(edge, AuditStore(engine), evidence, client)
    orders = OrderDesk(edge, OrderStore(engine), PeerClient(edge, timeout=ORDER_SECONDS), audits.fits)
    sending = Watching(orders.send_awaited, ORDERS_SECONDS, "orders")
    others = tuple(PartyId(party) for party in settings.other_witnesses)
    compared = OtherWitnesses(others, client, verified, findings, log_key, edge.clock)
    patrol = Patrol(RemoteLog(client), verified, findings, edge.clock)
    auditing = Watching(audits.round, ORDERS_SECONDS, "audits")
    told = ConditionStore(engine)
    conditions = ConditionDesk(edge, told, PeerClient(edge, timeout=ORDER_SECONDS))
    hearing = Watching(conditions.round, settings.conditions_seconds, "conditions")
    looking = looking_back(compared, patrol, settings)
    app = application("oversight", [records, promises, watching, sending, auditing, hearing, *looking])
    watch(
        app,
        edge,
        StoreVital(engine, MIGRATIONS),
        KeysVital(edge, (WITNESS_KEY,)),
        FeedVital(records, edge),
        FeedVital(promises, edge),
        LogVital(findings, settings.log_origin),
        ConditionsVital(told),
    )

    mount_witness(app, edge, witness, witnessed, settings.log_origin, watching.wake)
    mount_findings(app, edge, findings)
    mount_complaints(app, edge, ComplaintStore(engine), log_key, [signer.witness_key])

    @app.post("/orders")
    def give_order(envelope: Envelope, peer: Peer) -> Envelope:
        """GiveOrder → OrderGiven."""
        return edge.answer(orders.give(envelope, peer))

    @app.post("/shown-orders")
    def show_orders(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowOrders → Orders."""
        return edge.answer(orders.show(envelope, peer))

    @app.post("/shown-audits")
    def show_audits(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowAudits → Audits."""
        return edge.answer(audits.show(envelope, peer))

    @app.post("/shown-conditions")
    def show_conditions(envelope: Envelope, peer: Peer) -> Envelope:
        """ShowConditions → Conditions."""
        return edge.answer(conditions.show(envelope, peer))

    @app.get("/status")
    def status(peer: Peer) -> Status:
        """How far the log is verified and how many alarms there are."""
        if not (peer in (RESIDENT, OFFICER) or peer.endswith(("/operator", "/desk"))):
            raise Problem("peer.not_allowed", f"{peer} may not read the status")
        counts = findings.counts(settings.log_origin)
        return Status(
            log=settings.log_origin,
            verified_size=counts.verified_size,
            verified_at=counts.verified_at,
            records=counts.records,
            promises=counts.promises,
            promises_kept=counts.promises_kept,
            alarms=sum(counts.alarms.values()),
            alarms_by_kind=counts.alarms,
            conditions=len(told.all()),
        )

    return app
