"""Inquiry (情報照会): a caseworker's question on its way through the platform to the provider and back, in eight steps.

What the exchange decides itself is who of its staff may ask for which affair. Whether the law allows the question is decided
by the platform, so that a refused attempt is logged there and shown to the resident too. Every step is written down before
the next one leaves the house; a question that ends in a problem is closed with that problem's code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kumihimo.domain.codes import encrypt_own, request_randomness
from kumihimo.domain.kernel import AddresseeNumber, InstitutionId, Problem, RandomSource, institution_of
from kumihimo.plumbing.wire.answers import Answer, open_answer, provision_request, unreachable_provider
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, InquiryRequest, Outcome, Refusal
from kumihimo.plumbing.wire.messages.provision import AsOf, DatedItem, Inquire, ProvisionAnswer
from kumihimo.plumbing.wire.permits import Granted, Refused, read_decision
from kumihimo.roles.gateway.service.lines import HUB_1, Line
from kumihimo.roles.gateway.service.link_codes import LinkCodes
from kumihimo.roles.gateway.store.inquiries import Closing, InquiryStore, OpenInquiry
from kumihimo.roles.gateway.store.outbox import Report
from kumihimo.roles.gateway.store.records import AccessRecord, RecordStore, Side

SALT_BYTES: Final = 32


@dataclass(frozen=True)
class Asked:
    """One question of a staff member, numbered and dated: what every record of it says alike."""

    message: Inquire
    transaction: str
    requester: InstitutionId
    department: str | None
    requested_at: datetime


@dataclass(frozen=True)
class Result:
    """What the desk is told: items only when provided, a refusal only when refused."""

    transaction: str
    outcome: Outcome
    items: tuple[DatedItem, ...] = ()
    permit: Envelope | None = None
    refusal: Refusal | None = None
    log_index: int | None = None
    as_of: tuple[AsOf, ...] = ()


@dataclass(frozen=True)
class Inquiry:
    """The requester's end. `audit_key` is the secret of opening audits, 32 bytes; `reported` wakes the outbox's sender."""

    store: InquiryStore
    records: RecordStore
    codes: LinkCodes
    edge: Edge
    line: Line
    randomness: RandomSource
    audit_key: bytes = field(repr=False)
    reported: Callable[[], None] = lambda: None

    def inquire(self, message: Inquire) -> Result | None:
        """Ask a provider about an addressee; None where there is an inquiry under this message's id already.

        Raises Problem: staff.not_entitled and addressee.no_code (nothing leaves the house), operator.unreachable,
        provider.unreachable, sealing.cannot_open, and what operator or provider refuse with a problem of their own. A
        refusal by law is a result, not a problem.
        """
        asked = self._numbered(message)
        request, opened = self._prepare(asked)
        return self.go_on(asked, request) if self.store.open(opened) else None

    def go_on(self, asked: Asked, request: InquiryRequest) -> Result:
        """Send what was written down, for the first time or, the same to the byte, after an answer was lost.

        Platform and provider give the same request the same answer while the permit lives. Raises Problem as `inquire`.
        """
        decision: Envelope | None = None
        try:
            reply = self._ask_operator(request)
            decision = reply.envelope
            decided = read_decision(self.edge, request, reply.value)
        except Problem as problem:
            self.store.close(Closing(self.record(asked, problem=problem.code), decision))
            raise
        if isinstance(decided, Refused):
            record = self.record(
                asked, outcome=Outcome.REFUSED, problem=decided.refusal.code, log_index=decided.log_index
            )
            self.store.close(Closing(record, decision))
            return Result(asked.transaction, Outcome.REFUSED, refusal=decided.refusal, log_index=decided.log_index)
        return self._fetch(asked, decided, decision)

    def close_interrupted(self) -> int:
        """Close what a stop of this process left open, with a record that says so; how many. For the start only."""
        unfinished = self.store.unfinished()
        for opened in unfinished:
            self.store.close(Closing(self.record(self.asked_as(opened), problem="inquiry.interrupted")))
        return len(unfinished)

    def asked_as(self, opened: OpenInquiry) -> Asked:
        """The question of an inquiry that was written down."""
        message = Inquire(
            audience=self.edge.party,
            sent_at=opened.asked_at,
            message_id=opened.transaction,
            staff=opened.staff,
            case_reference=opened.case_reference,
            addressee_number=opened.addressee_number.digits,
            provider=opened.provider,
            affair=opened.affair,
            items=opened.items,
            period=opened.period,
        )
        return Asked(message, opened.transaction, institution_of(self.edge.party), opened.department, opened.asked_at)

    def _numbered(self, message: Inquire) -> Asked:
        """Give the question its transaction number, once it is known that this staff member may ask it.

        The number is the message's own id: whoever sends the message again asks under the same number (decision 0051).
        """
        # Read first: a mistyped number, which could be an Individual Number, must not get into a record.
        number = AddresseeNumber.parse(message.addressee_number, "addressee_number")
        asked = Asked(
            message.model_copy(update={"addressee_number": number.digits}),
            message.message_id,
            institution_of(self.edge.party),
            self.store.department(message.staff, message.affair),
            self.edge.clock.now(),
        )
        if asked.department is None:
            self.records.append(self.record(asked, problem="staff.not_entitled"))
            raise Problem(
                "staff.not_entitled",
                f"staff member {message.staff!r} for affair {message.affair!r}",
                where="staff",
                expected="a staff member whose rights cover the affair",
                advice="Nothing was sent. Let somebody in charge of the affair ask, or have the right granted.",
            )
        return asked

    def _prepare(self, asked: Asked) -> tuple[InquiryRequest, OpenInquiry]:
        """The request with the link code encrypted, and the inquiry as it is written down."""
        message, number = asked.message, AddresseeNumber(asked.message.addressee_number)
        try:
            held = self.codes.code_of(number)
        except Problem as problem:
            self.records.append(self.record(asked, problem=problem.code))
            raise
        domain = self.codes.domain.of_epoch(held.epoch)
        subject = encrypt_own(held.code, domain.secret, request_randomness(self.audit_key, asked.transaction))
        salt = self.randomness.token_bytes(SALT_BYTES)
        request = self.edge.message(
            InquiryRequest,
            HUB_1,
            transaction=asked.transaction,
            requester=asked.requester,
            provider=message.provider,
            affair=message.affair,
            items=message.items,
            period=message.period,
            case_reference_hash=hashlib.sha256(salt + message.case_reference.encode()).hexdigest(),
            subject=b64(subject),
            epoch=held.epoch,
        )
        opened = OpenInquiry(
            asked.transaction,
            number,
            message.case_reference,
            salt,
            message.provider,
            message.affair,
            message.items,
            message.period,
            domain.epoch,
            hashlib.sha256(subject).hexdigest(),
            asked.requested_at,
            message.staff,
            asked.department or "",
            request.to_bytes().decode(),
        )
        return request, opened

    def _ask_operator(self, request: InquiryRequest) -> Signed[InquiryDecision]:
        try:
            return self.line.send("/inquiries", request, InquiryDecision)
        except Problem as problem:
            if problem.code == "peer.unreachable":
                raise Problem("operator.unreachable", problem.detail, advice="Inquire again later.") from None
            raise

    def _fetch(self, asked: Asked, granted: Granted, decision: Envelope) -> Result:
        """Show the permit to the provider; whatever goes wrong from here on, the platform is told `undelivered`."""
        permit = granted.permit
        try:
            answer = self.ask_provider(granted)
        except Problem as problem:
            record = self.record(asked, granted, outcome=Outcome.UNDELIVERED, problem=problem.code)
            report = Report(
                asked.transaction, permit.requester, permit.provider, Outcome.UNDELIVERED, None, granted.envelope
            )
            self.store.close(Closing(record, decision, report))
            self.reported()
            raise
        record = self.record(asked, granted, outcome=answer.outcome, payload_hash=answer.payload_hash)
        self.store.close(Closing(record, decision))
        return Result(
            asked.transaction, answer.outcome, answer.items, granted.envelope, log_index=permit.log_index,
            as_of=answer.as_of,
        )  # fmt: skip

    def ask_provider(self, granted: Granted) -> Answer:
        """The provider's answer to this permit, opened. Raises Problem as `inquire`."""
        with unreachable_provider(granted):
            reply = self.line.send("/provisions", provision_request(granted), ProvisionAnswer)
        return open_answer(self.edge, granted, reply.value)

    def record(
        self,
        asked: Asked,
        granted: Granted | None = None,
        *,
        outcome: Outcome | None = None,
        problem: str | None = None,
        log_index: int | None = None,
        payload_hash: str | None = None,
    ) -> AccessRecord:
        """The own access record of a question and what came of it."""
        message = asked.message
        return AccessRecord(
            transaction=asked.transaction,
            side=Side.REQUESTER,
            requester=asked.requester,
            provider=message.provider,
            affair=message.affair,
            items=message.items,
            period=message.period,
            requested_at=asked.requested_at,
            recorded_at=self.edge.clock.now(),
            outcome=outcome,
            problem=problem,
            addressee_number=message.addressee_number,
            staff=message.staff,
            department=asked.department,
            case_reference=message.case_reference,
            rules=granted.permit.rules if granted else (),
            rule_book=granted.permit.rule_book if granted else None,
            log_index=granted.permit.log_index if granted else log_index,
            payload_hash=payload_hash,
        )
