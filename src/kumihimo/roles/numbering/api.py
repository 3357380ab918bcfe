"""The numbering authority's door: numbers for the registry, Corporate Numbers for offices."""

from __future__ import annotations

from fastapi import FastAPI

from kumihimo.domain.kernel import Clock, PartyId, SystemClock, SystemRandomness
from kumihimo.plumbing.storage import migrate, open_engine, require_current
from kumihimo.plumbing.wire.edge import application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.lives import (
    AmendAssignments,
    AssignmentsAmended,
    NumberReplaced,
    ReplaceNumber,
)
from kumihimo.plumbing.wire.messages.residents import (
    AssignCorporateNumber,
    Assignment,
    AssignNumbers,
    CorporateNumberAssigned,
    NumbersAssigned,
)
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import KeysVital, StoreVital, watch
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.settings import Settings
from kumihimo.roles.numbering.store import MIGRATIONS, NumberingStore

REGISTRY = PartyId("registry/network")


def prepare(settings: Settings) -> None:
    """Create and migrate the store."""
    migrate(open_engine(settings.store), MIGRATIONS)


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application. Raises Problem(store.not_migrated) and those of keys and directory."""
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    numbering = Numbering(NumberingStore(engine), SystemRandomness(), edge.clock)
    app = application("numbering")
    watch(app, edge, StoreVital(engine, MIGRATIONS), KeysVital(edge))

    def tax_desk(party: PartyId) -> bool:
        return party.endswith("/desk") and "tax-office" in edge.directory.institution_of(party).classes

    @app.post("/assignments")
    def assign(envelope: Envelope, peer: Peer) -> Envelope:
        """Numbers for resident codes, on a municipality's request that the registry passes on."""
        message = edge.open(envelope, AssignNumbers, peer, lambda party: party == REGISTRY).value
        edge.directory.institution(message.municipality)
        assigned = numbering.assign(message.municipality, message.resident_codes)
        assignments = tuple(
            Assignment(resident_code=a.resident_code.digits, individual_number=a.number.digits, newly=a.newly)
            for a in assigned
        )
        return edge.answer(NumbersAssigned(in_reply_to=message.message_id, assignments=assignments))

    @app.post("/replacements")
    def replace(envelope: Envelope, peer: Peer) -> Envelope:
        """Another number for a resident code whose number has leaked (番号法第七条第二項)."""
        message = edge.open(envelope, ReplaceNumber, peer, lambda party: party == REGISTRY).value
        edge.directory.institution(message.municipality)
        drawn = numbering.replace(
            message.municipality, message.resident_code, message.individual_number, message.reason
        )
        return edge.answer(NumberReplaced(in_reply_to=message.message_id, individual_number=drawn.digits))

    @app.post("/amendments")
    def amend(envelope: Envelope, peer: Peer) -> Envelope:
        """Assignments ended, and ended ones taken back, after merges, splits and cancellations."""
        message = edge.open(envelope, AmendAssignments, peer, lambda party: party == REGISTRY).value
        edge.directory.institution(message.municipality)
        end, restore = (
            [(one.resident_code, one.individual_number) for one in numbers]
            for numbers in (message.end, message.restore)
        )
        changed = numbering.amend(message.municipality, message.reason, end, restore)
        return edge.answer(AssignmentsAmended(in_reply_to=message.message_id, changed=changed))

    @app.post("/corporate-numbers")
    def assign_corporate(envelope: Envelope, peer: Peer) -> Envelope:
        """The Corporate Number of a body, on a tax office's request (番号法第三十九条)."""
        message = edge.open(envelope, AssignCorporateNumber, peer, tax_desk).value
        number, newly = numbering.assign_corporate(message.registered_name, message.seat)
        reply = CorporateNumberAssigned(in_reply_to=message.message_id, corporate_number=str(number), newly=newly)
        return edge.answer(reply)

    return app
