"""Fetching an answer (回答の取得): an own inquiry that was left to a person there, or that was cut off here.

Both go on under the transaction number they have. An inquiry that was cut off is sent again as it was signed: platform and
provider know it again to the byte, and give what they gave before as long as the permit lives.
"""

from __future__ import annotations

from dataclasses import dataclass

from kumihimo.domain.kernel import Problem, party_id
from kumihimo.plumbing.wire.envelope import FRESHNESS, Envelope
from kumihimo.plumbing.wire.messages.by_hand import FetchAnswer, LaterProvisionRequest
from kumihimo.plumbing.wire.messages.inquiry import InquiryRequest, Outcome
from kumihimo.plumbing.wire.messages.provision import ProvisionAnswer
from kumihimo.roles.gateway.service.answers import open_answer
from kumihimo.roles.gateway.service.inquiry import Asked, Inquiry, Result, unreachable_provider
from kumihimo.roles.gateway.service.permits import granted_in
from kumihimo.roles.gateway.store.inquiries import Closing, PastInquiry


@dataclass(frozen=True)
class Fetching:
    """The requester's end of everything that does not end at once."""

    inquiry: Inquiry

    def fetch(self, message: FetchAnswer) -> Result:
        """Go on with an own inquiry.

        Raises Problem: transaction.unknown, staff.not_entitled, permit.expired (cut off too long ago), permit.used (it
        ended with an answer already), and as `Inquiry.inquire`.
        """
        store = self.inquiry.store
        past = store.past(message.transaction)
        if past is None:
            raise Problem("transaction.unknown", message.transaction, "transaction", "an inquiry sent from here")
        if store.department(message.staff, past.opened.affair) is None:
            raise Problem(
                "staff.not_entitled",
                f"staff member {message.staff!r} for affair {past.opened.affair!r}",
                where="staff",
                expected="a staff member whose rights cover the affair",
            )
        asked = self.inquiry.asked_as(past.opened)
        if past.pending and past.decision is not None:
            return self._later(asked, past.decision)
        return self._again(asked, past)

    def _again(self, asked: Asked, past: PastInquiry) -> Result:
        if past.outcome not in (None, Outcome.UNDELIVERED):
            raise Problem(
                "permit.used",
                f"transaction {asked.transaction} ended with {past.outcome}",
                where="transaction",
                expected="an inquiry that was cut off, or that waits for a person",
                advice="Make a new inquiry.",
            )
        if past.opened.request is None or self.inquiry.edge.clock.now() >= past.opened.asked_at + FRESHNESS:
            raise Problem(
                "permit.expired",
                f"asked at {past.opened.asked_at.isoformat()}",
                where="transaction",
                expected=f"an inquiry cut off less than {int(FRESHNESS.total_seconds())} s ago",
                advice="Make a new inquiry.",
            )
        return self.inquiry.go_on(asked, InquiryRequest.model_validate_json(past.opened.request))

    def _later(self, asked: Asked, decision: Envelope) -> Result:
        edge = self.inquiry.edge
        granted = granted_in(edge, decision)
        if granted is None:
            raise Problem("transaction.unknown", asked.transaction, "transaction", "an inquiry that was permitted")
        provider = party_id(granted.permit.provider, "exchange")
        message = edge.message(LaterProvisionRequest, provider, permit=granted.envelope)
        with unreachable_provider(granted):
            reply = self.inquiry.line.send("/provisions/later", message, ProvisionAnswer)
        answer = open_answer(edge, granted, reply.value)
        record = self.inquiry.record(asked, granted, outcome=answer.outcome, payload_hash=answer.payload_hash)
        self.inquiry.store.close(Closing(record, decision))
        return Result(
            asked.transaction,
            answer.outcome,
            answer.items,
            granted.envelope,
            log_index=granted.permit.log_index,
            as_of=answer.as_of,
        )
