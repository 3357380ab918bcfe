"""Answering by hand (手動応答): an officer decides an inquiry that no machine may answer; the requester fetches it later.

An officer answers from the copies, gives corrected items, or withholds. A flag that withholds wins over every officer, up to
the moment the answer leaves (I7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from kumihimo.domain.kernel import PartyId, Problem, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.messages.by_hand import (
    AnswerByHand,
    LaterProvisionRequest,
    PendingShown,
    WithholdByHand,
)
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Permit
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.roles.gateway.service.chunk_permits import person_permit
from kumihimo.roles.gateway.service.copies import check_copy
from kumihimo.roles.gateway.service.provision import seal_items
from kumihimo.roles.gateway.service.release import withheld
from kumihimo.roles.gateway.store.by_hand import ByHandStore, Decision, Waiting, already_decided, unknown
from kumihimo.roles.gateway.store.copies import StoredFlag
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.outbox import Report
from kumihimo.roles.gateway.store.provisions import Answered, KeptAnswer
from kumihimo.roles.gateway.store.records import AccessRecord


@dataclass(frozen=True)
class FinalAnswer:
    """An answer as it is written down when it is fetched."""

    record: AccessRecord
    report: Report
    kept: KeptAnswer


@dataclass(frozen=True)
class ByHand:
    """The provider's queue. `kept`: how long an answer can be fetched again."""

    store: ByHandStore
    rights: InquiryStore
    edge: Edge
    kept: timedelta
    reported: Callable[[], None] = lambda: None

    def waiting(self) -> tuple[PendingShown, ...]:
        """What nobody has answered yet, the one due first first."""
        now = self.edge.clock.now()
        return tuple(
            PendingShown(
                transaction=one.record.transaction,
                requester=one.record.requester,
                affair=one.record.affair,
                items=one.record.items,
                period=one.record.period,
                addressee_number=one.record.addressee_number or "",
                asked_at=one.record.requested_at,
                due_at=one.due_at,
                overdue=now > one.due_at,
            )
            for one in self.store.undecided()
        )

    def answer(self, message: AnswerByHand) -> Outcome:
        """Answer from the copies as they are held now, or with the items of the message; what the requester will be told.

        Raises Problem: transaction.unknown, answer.decided, staff.not_entitled, item.unknown and copy.invalid (also for
        a copy that was altered on disk).
        """
        waiting, department = self._taken_up(message.transaction, message.staff)
        items = self._held(waiting) if message.items is None else self._checked(waiting, message.items)
        outcome = Outcome.PROVIDED if items else Outcome.NONE
        decision = Decision(outcome, items, message.staff, department)
        self.store.decide(message.transaction, decision, self.edge.clock.now())
        return outcome

    def withhold(self, message: WithholdByHand) -> Outcome:
        """Answer with nothing. Raises Problem(transaction.unknown, answer.decided, staff.not_entitled)."""
        _, department = self._taken_up(message.transaction, message.staff)
        decision = Decision(Outcome.WITHHELD, (), message.staff, department)
        self.store.decide(message.transaction, decision, self.edge.clock.now())
        return Outcome.WITHHELD

    def later(self, message: LaterProvisionRequest, peer: PartyId) -> Answered:
        """Answer a requester that comes back with its permit, whose five minutes do not count here: it was shown in time.

        Raises Problem: message.wrong_signer, message.signature_invalid, permit.wrong_requester, transaction.unknown
        (nothing of it was left to a person here, or under another permit), permit.used (kept no longer).
        """
        permit = person_permit(self.edge, message.permit, message.transaction or "")
        if permit.requester != institution_of(peer):
            raise Problem("permit.wrong_requester", permit.requester, "permit.requester", institution_of(peer))
        waiting = self.store.find(permit.transaction)
        if waiting is None or waiting.permit.digest() != message.permit.digest():
            raise unknown(permit.transaction)
        now = self.edge.clock.now()

        def final(one: Waiting, decision: Decision, flags: Sequence[StoredFlag]) -> FinalAnswer:
            return self._final(permit, one, decision, flags)

        given = self.store.release(permit.transaction, now, final)
        if given is None:
            sealed = seal_items(self.edge, permit, waiting.permit, ())
            return Answered(permit.transaction, Outcome.PENDING, waiting.permit.digest(), now, sealed)
        self.reported()
        return given

    def _final(self, permit: Permit, waiting: Waiting, decision: Decision, flags: Sequence[StoredFlag]) -> FinalAnswer:
        protected = withheld(flags, permit.items, permit.affair)
        outcome = Outcome.WITHHELD if protected else decision.outcome
        items = decision.items if outcome is Outcome.PROVIDED else ()
        sealed = seal_items(self.edge, permit, waiting.permit, items)
        payload_hash = hashlib.sha256(sealed).hexdigest() if items else None
        now = self.edge.clock.now()
        record = replace(
            waiting.record,
            outcome=outcome,
            recorded_at=now,
            staff=decision.staff,
            department=decision.department,
            flagged=protected,
            payload_hash=payload_hash,
        )
        report = Report(permit.transaction, permit.requester, permit.provider, outcome, payload_hash, waiting.permit)
        return FinalAnswer(record, report, KeptAnswer(sealed, None, now + self.kept))

    def _taken_up(self, transaction: str, staff: str) -> tuple[Waiting, str]:
        """The inquiry, and the officer's department. Raises Problem."""
        waiting = self.store.find(transaction)
        if waiting is None:
            raise unknown(transaction)
        if waiting.decision is not None:
            raise already_decided(transaction)
        department = self.rights.department(staff, waiting.record.affair)
        if department is None:
            raise Problem(
                "staff.not_entitled",
                f"staff member {staff!r} for affair {waiting.record.affair!r}",
                where="staff",
                expected="a staff member whose rights cover the affair",
            )
        return waiting, department

    def _held(self, waiting: Waiting) -> tuple[DatedItem, ...]:
        held = self.store.copies(waiting)
        whole = tuple(copy.item for copy in held if copy.item is not None)
        if len(whole) < len(held):
            raise Problem(
                "copy.invalid",
                "a copy does not have the content it was stored with",
                where="copies",
                expected="whole copies",
                advice="Place the copy anew from the business system, or answer with items of your own.",
            )
        return whole

    def _checked(self, waiting: Waiting, items: Sequence[DatedItem]) -> tuple[DatedItem, ...]:
        for position, item in enumerate(items):
            if item.item not in waiting.record.items:
                raise Problem("item.unknown", item.item, f"items.{position}", "an item that was asked for")
            check_copy(CopyOf(addressee_number=waiting.record.addressee_number or "", item=item))
        return tuple(items)
