"""Opening audit (開示監査): showing an auditor with an order whom an inquiry was really about.

The randomness of every request follows from the exchange's audit key, the transaction number and the place in it, so that
(code, randomness) can be recomputed and held against the logged hash of the ciphertext; another person's code would not give
it. Code and randomness are sealed to the oversight body, the addressee number to its officer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog
from pydantic import ValidationError

from kumihimo.domain.codes import decrypt, encrypt, request_randomness
from kumihimo.domain.kernel import AddresseeNumber, PartyId, Problem, institution_of
from kumihimo.domain.sealing import canonical_json, seal
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Part, b64, from_b64
from kumihimo.plumbing.wire.messages.audits import (
    Audited,
    AuditOrdered,
    DisclosedAddressee,
    InquiriesOpened,
    Opened,
    OpeningOf,
    OpenInquiries,
)
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, InquiryRequest
from kumihimo.plumbing.wire.messages.oversight import Order, OrderCarriedOut
from kumihimo.plumbing.wire.openings import opening_binding
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.roles.gateway.service.audit_codes import AuditCodes
from kumihimo.roles.gateway.service.lines import HUB_2, OVERSIGHT
from kumihimo.roles.gateway.service.link_codes import LinkCodes
from kumihimo.roles.gateway.store.inquiries import InquiryStore, OpenInquiry

OFFICER: Final = PartyId("oversight/officer")
log = structlog.get_logger()


@dataclass(frozen=True)
class Opening:
    """What the auditor is given: with the institution's public key it recomputes the logged `subject_hash`.

    `held`: the code is the one that the addressee has here today.
    """

    inquiry: Audited
    addressee_number: AddresseeNumber
    case_reference: str
    epoch: int
    subject_hash: str
    held: bool
    code: bytes = field(repr=False)
    randomness: bytes = field(repr=False)


@dataclass(frozen=True)
class OpeningAudit:
    """The institution's end of an audit."""

    store: InquiryStore
    codes: LinkCodes
    edge: Edge
    audits: AuditCodes

    def answer(self, message: OpenInquiries) -> InquiriesOpened:
        """Open what an order demands; an inquiry that cannot be opened is answered with the code of its problem.

        Raises Problem(audit.not_ordered) and those of signatures, with nothing opened.
        """
        order_hash, ordered = self._ordered(message)
        opened = tuple(self._opened(inquiry, ordered.disclose, order_hash) for inquiry in ordered.inquiries)
        log.warning("audit", count=len(opened))
        return InquiriesOpened(in_reply_to=message.message_id, order_hash=order_hash, opened=opened)

    def open(self, inquiry: Audited) -> Opening:
        """Open one of the own inquiries.

        The code is the one held for the epoch of the inquiry, sealed where that is closed; after a re-coding the one that was
        sent, out of the request as it was kept. Raises Problem(transaction.unknown), and codes.proof_invalid when neither
        gives what was sent.
        """
        asked = self.store.find(inquiry.transaction) if inquiry.position == 0 else None
        if asked is None:
            raise Problem("transaction.unknown", inquiry.transaction, expected="an inquiry that this institution sent")
        randomness = request_randomness(self.audits.audit_key, inquiry.transaction, inquiry.position)
        for code, public, held in self._candidates(asked):
            subject = encrypt(code, public, randomness)
            if hashlib.sha256(subject).hexdigest() == asked.subject_hash:
                return Opening(
                    inquiry, asked.addressee_number, asked.case_reference, asked.epoch, asked.subject_hash, held, code,
                    randomness,
                )  # fmt: skip
        raise Problem(
            "codes.proof_invalid",
            f"transaction {inquiry.transaction}: code and randomness do not give the ciphertext that was sent",
            expected="the subject hash that was logged",
            advice="Look for the audit key and the link codes of that time in a backup.",
        )

    def _candidates(self, asked: OpenInquiry) -> Iterator[tuple[bytes, bytes, bool]]:
        """Codes that may have been sent, our public key of that time, and whether the code is held as the addressee's."""
        number, epoch = asked.addressee_number, asked.epoch
        closed = self.audits.store.old_public_key(epoch)
        if closed is not None:
            kept = self.audits.code(self.codes.store.stands_for(number) or "", epoch)
            if kept is not None:
                yield kept, closed, True
            return
        domain = self.codes.domain.of_epoch(epoch)
        held = self.codes.store.code_of(number, epoch, epoch)
        if held is not None:
            yield held.code, domain.public, True
        if (sent := _sent(asked)) is not None:
            yield decrypt(sent, domain.secret), domain.public, False

    def _ordered(self, message: OpenInquiries) -> tuple[str, AuditOrdered]:
        """The order, once it is known that the oversight body gave it, operator 1 logged it and operator 2 has seen it."""
        signed = self.edge.read(message.order, Order, OVERSIGHT)
        order, digest = signed.value, signed.envelope.digest()
        ordered = order.ordered.audit
        if ordered is None or order.ordered.institution != institution_of(self.edge.party):
            raise _not_ordered(f"order {order.number}", "an order to audit this institution")
        entry = check_logged(self.edge, message.logged)
        record = message.logged.record
        if record.entry is not EntryKind.ORDER or record.request_hash != digest:
            raise _not_ordered(f"log entry {entry.index}", f"the entry of order {order.number}")
        seen = self.edge.read(message.seen, OrderCarriedOut, HUB_2).value
        if (seen.number, seen.order_hash) != (order.number, digest):
            raise _not_ordered(f"operator 2 has seen order {seen.number}", f"that it has seen order {order.number}")
        if self.edge.clock.now() > ordered.due_at:
            raise _not_ordered(f"an order until {ordered.due_at.isoformat()}", "an order that is not past")
        return digest, ordered

    def _opened(self, inquiry: Audited, disclose: bool, order_hash: str) -> Opened:
        try:
            opening = self.open(inquiry)
        except Problem as problem:
            return Opened(inquiry=inquiry, problem=problem.code)
        told = OpeningOf(
            code=b64(opening.code), randomness=b64(opening.randomness), epoch=opening.epoch, held=opening.held
        )
        whom = DisclosedAddressee(
            addressee_number=opening.addressee_number.digits, case_reference=opening.case_reference
        )
        return Opened(
            inquiry=inquiry,
            opening=self._sealed(told, inquiry, OVERSIGHT, order_hash),
            disclosed=self._sealed(whom, inquiry, OFFICER, order_hash) if disclose else None,
        )

    def _sealed(self, content: Part, inquiry: Audited, reader: PartyId, order_hash: str) -> str:
        info = opening_binding(inquiry, institution_of(self.edge.party), reader, order_hash)
        return b64(seal(canonical_json(content.model_dump(mode="json")), self.edge.directory.seal_key(reader), info))


def _sent(asked: OpenInquiry) -> bytes | None:
    """The ciphertext as it was sent; None where the request was not kept, or is not that of one inquiry."""
    if asked.request is None:
        return None
    try:
        return from_b64(InquiryRequest.model_validate_json(asked.request).subject, "subject")
    except ValidationError:
        return None


def _not_ordered(found: str, expected: str) -> Problem:
    return Problem("audit.not_ordered", found, where="order", expected=expected)
