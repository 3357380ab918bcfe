"""Fetching an answer (回答の取得): an own inquiry that was left to a person there, or cut off here, or asked again.

All go on under the transaction number they have. An inquiry that was cut off is sent again as it was signed: platform and
provider know it again to the byte, and give what they gave before as long as the permit lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel import AddresseeNumber, Problem, party_id
from kumihimo.plumbing.wire.answers import open_answer, unreachable_provider
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import FRESHNESS, Envelope
from kumihimo.plumbing.wire.messages.batch import ChunkDecision
from kumihimo.plumbing.wire.messages.by_hand import FetchAnswer, LaterProvisionRequest
from kumihimo.plumbing.wire.messages.inquiry import InquiryRequest, Outcome
from kumihimo.plumbing.wire.messages.provision import Inquire, ProvisionAnswer
from kumihimo.plumbing.wire.permits import Refused, decision_in, granted_in, read_decision
from kumihimo.roles.gateway.service.chunk_permits import granted_person
from kumihimo.roles.gateway.service.inquiry import Asked, Inquiry, Result
from kumihimo.roles.gateway.store.inquiries import Closing, PastInquiry

_QUESTION: Final = ("staff", "case_reference", "addressee_number", "provider", "affair", "items", "period")


@dataclass(frozen=True)
class Fetching:
    """The requester's end of everything that does not end at once."""

    inquiry: Inquiry

    def ask(self, message: Inquire) -> Result:
        """Answer the own desk. The same message again is the same question (decision 0051): it gets what came of it, or
        goes on where it was cut off.

        Raises Problem: message.replayed (another question under the same id), and as `Inquiry.inquire`.
        """
        return self.inquiry.inquire(message) or self._known(message)

    def _known(self, message: Inquire) -> Result:
        past = self.inquiry.store.past(message.message_id)
        assert past is not None  # noqa: S101 - it could not be opened, since it is there
        edge, asked = self.inquiry.edge, self.inquiry.asked_as(past.opened)
        number = AddresseeNumber.parse(message.addressee_number, "addressee_number")
        message = message.model_copy(update={"addressee_number": number.digits})
        if any(getattr(message, name) != getattr(asked.message, name) for name in _QUESTION):
            raise Problem(
                "message.replayed", f"message {message.message_id} asked something else before", where="message_id",
                expected="an id of its own for every question",
            )  # fmt: skip
        request = _request_of(edge, past)
        if past.outcome in (None, Outcome.UNDELIVERED) or past.decision is None:
            return self.inquiry.go_on(asked, request)
        decided = read_decision(edge, request, decision_in(edge, past.decision))
        if isinstance(decided, Refused):
            return Result(asked.transaction, Outcome.REFUSED, refusal=decided.refusal, log_index=decided.log_index)
        permit, index = decided.envelope, decided.permit.log_index
        if past.pending:
            return Result(asked.transaction, Outcome.PENDING, permit=permit, log_index=index)
        answer = self.inquiry.ask_provider(decided)
        return Result(asked.transaction, answer.outcome, answer.items, permit, log_index=index)

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
        return self.inquiry.go_on(asked, _request_of(self.inquiry.edge, past))

    def _later(self, asked: Asked, decision: Envelope) -> Result:
        edge = self.inquiry.edge
        chunk = decision.payloadType == ChunkDecision.payload_type()
        granted = granted_person(edge, decision, asked.transaction) if chunk else granted_in(edge, decision)
        if granted is None:
            raise Problem("transaction.unknown", asked.transaction, "transaction", "an inquiry that was permitted")
        provider = party_id(granted.permit.provider, "exchange")
        message = edge.message(LaterProvisionRequest, provider, permit=granted.envelope, transaction=asked.transaction)
        with unreachable_provider(granted):
            reply = self.inquiry.line.send("/provisions/later", message, ProvisionAnswer)
        answer = open_answer(edge, granted, reply.value)
        record = self.inquiry.record(asked, granted, outcome=answer.outcome, payload_hash=answer.payload_hash)
        self.inquiry.store.close(Closing(record, None if chunk else decision))  # a chunk's stays with the chunk
        return Result(
            asked.transaction,
            answer.outcome,
            answer.items,
            granted.envelope,
            log_index=granted.permit.log_index,
            as_of=answer.as_of,
        )


def _request_of(edge: Edge, past: PastInquiry) -> InquiryRequest:
    """What was signed for operator 1, to be sent again. Raises Problem(permit.expired) when that was too long ago."""
    opened = past.opened
    if opened.request is None or edge.clock.now() >= opened.asked_at + FRESHNESS:
        raise Problem(
            "permit.expired",
            f"asked at {opened.asked_at.isoformat()}",
            where="transaction",
            expected=f"an inquiry cut off less than {int(FRESHNESS.total_seconds())} s ago",
            advice="Make a new inquiry.",
        )
    return InquiryRequest.model_validate_json(opened.request)
