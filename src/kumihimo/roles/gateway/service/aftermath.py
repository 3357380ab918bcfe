"""What follows from the registry's events (異動の後処理): acknowledging them, linking addressees, asking a person to look.

Two addressees that are one person are linked in the exchange, which then serves both under the survivor's code; a split moves
nothing by itself, since no program knows which of two persons a copy is about: it raises a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import ValidationError

from kumihimo.domain.kernel import Problem, institution_of, party_id
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.envelope import malformed
from kumihimo.plumbing.wire.messages.ledger import TakeIn
from kumihimo.plumbing.wire.messages.lives import (
    ACKNOWLEDGEMENTS,
    LINKS,
    Acknowledge,
    Acknowledged,
    AddresseesLinked,
    Applied,
    LinkAddressees,
    LinkOf,
)
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind, ResidentEvent, Standing
from kumihimo.roles.gateway.service.addressees import RESIDENT_EVENTS, Addressees
from kumihimo.roles.gateway.service.code_issuing import CodeIssuing
from kumihimo.roles.gateway.service.lines import REGISTRY
from kumihimo.roles.gateway.service.register_telling import RegisterTelling
from kumihimo.roles.gateway.store.merges import Due, DueStore
from kumihimo.roles.gateway.store.persons import Entry

LOOKED_AT: Final = (
    RegisterEventKind.MERGE,
    RegisterEventKind.SPLIT,
    RegisterEventKind.ASSIGNMENT_CANCELLED,
    RegisterEventKind.UNDO,
)
BASIS: Final = "住民基本台帳法第三十条の九"
log = structlog.get_logger()


def told_of(item: FeedItem) -> ResidentEvent | None:
    """What an item of the registry's feed tells; None for a kind that is none of a ledger's business.

    Raises Problem(message.malformed).
    """
    if item.kind != RESIDENT_EVENTS:
        return None
    try:
        return ResidentEvent.model_validate(item.body)
    except ValidationError as error:
        raise malformed(error, "ResidentEvent") from None


@dataclass(frozen=True)
class Aftermath:
    """What a ledger does when events are applied, again and again until nothing is due."""

    due: DueStore
    addressees: Addressees
    issuing: CodeIssuing
    telling: RegisterTelling

    def work(self) -> int:
        """Acknowledge, link and tell what is due; how much was done. Raises Problem(peer.unreachable) and what peers refuse."""
        return self.acknowledge() + self.link() + self.telling.tell()

    def acknowledge(self) -> int:
        """Tell the registry which events are applied. Raises Problem."""
        due = self.due.acknowledgements(ACKNOWLEDGEMENTS)
        if due:
            applied = tuple(Applied(seq=seq, version=version) for seq, version in due)
            edge = self.addressees.edge
            self.addressees.line.send(
                "/acknowledgements", edge.message(Acknowledge, REGISTRY, applied=applied), Acknowledged
            )
            self.due.acknowledged([seq for seq, _ in due])
        return len(due)

    def link(self) -> int:
        """Tell the exchange whom addressees stand for, and get codes for survivors who have none. Raises Problem."""
        due = self.due.links(LINKS)
        if not due:
            return 0
        survivors = [self._survivor(one) for one in due]
        links = tuple(
            LinkOf(
                addressee_number=one.addressee_number,
                stands_for=survivor.addressee_number.digits if survivor is not None else None,
            )
            for one, survivor in zip(due, survivors, strict=True)
        )
        edge = self.addressees.edge
        exchange = party_id(institution_of(edge.party), "exchange")
        reply = self.addressees.line.send(
            "/links", edge.message(LinkAddressees, exchange, links=links), AddresseesLinked
        ).value
        if reply.contradictions:
            log.warning("copies.contradict", count=reply.contradictions)
        self._get_codes(survivors)
        self.due.linked(due)
        return len(due)

    def _survivor(self, due: Due) -> Entry | None:
        """The entry that stands for an addressee's person; None for nobody."""
        entry = self.addressees.store.registered_as(due.addressee_number)
        if entry is None:
            return None
        survivor = self.addressees.store.standing_for(entry)
        if survivor.person.standing is Standing.MERGED:
            survivor = self._taken_in(survivor) or survivor
        return survivor if survivor.person.standing is Standing.ACTIVE else None

    def _taken_in(self, merged: Entry) -> Entry | None:
        """Whoever stands for a merged registration in the registry, entered here."""
        number = merged.person.individual_number.digits
        asked = self.addressees.edge.message(TakeIn, self.addressees.edge.party, basis=BASIS, individual_number=number)
        try:
            self.addressees.take_in(asked)
        except Problem as problem:
            if problem.code != "resident.unknown":
                raise
            return None
        return self.addressees.store.by_individual_number(merged.person.individual_number)

    def _get_codes(self, survivors: Sequence[Entry | None]) -> None:
        living = {one.addressee_number: one for one in survivors if one is not None and one.person.alive}
        if living:
            self.issuing.issue_for([(own, one.person.individual_number) for own, one in living.items()], BASIS)
