"""Opening audits (開示監査): an ordered look at whom an inquiry was about, judged against the verified log.

An order is carried out by both operators first. Then the institution is asked until it answers or its day has passed; what it
opens must give the very hash that stands in the log (protocols.md, "Opening audit"). The body learns the institution's link
code of that person while it judges, and keeps it only, sealed, inside an answer that does not hold.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from pydantic import ValidationError

from kumihimo.domain.codes import domain_label, encrypt
from kumihimo.domain.kernel import PartyId, Problem, party_id
from kumihimo.domain.kernel.errors import CATALOGUE
from kumihimo.domain.sealing import open_sealed
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, from_b64, malformed
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.audits import (
    Audited,
    AuditFinding,
    AuditOrdered,
    Audits,
    AuditShown,
    DomainKey,
    FindingShown,
    InquiriesOpened,
    KeyOf,
    Opened,
    OpeningOf,
    OpenInquiries,
    ShowAudits,
    Verdict,
)
from kumihimo.plumbing.wire.messages.inquiry import EntryKind
from kumihimo.plumbing.wire.messages.oversight import Order, Ordered
from kumihimo.plumbing.wire.openings import opening_binding
from kumihimo.roles.oversight.service.alarms import Alarm, AlarmKind
from kumihimo.roles.oversight.service.evidence import Evidence
from kumihimo.roles.oversight.service.orders import OFFICER, Sender
from kumihimo.roles.oversight.store import AuditStore, Found, FoundRecord, OpenAudit

ASK_AGAIN: Final = timedelta(seconds=5)
_ALARMS: Final = {
    Verdict.CONTRADICTED: AlarmKind.AUDIT_CONTRADICTED,
    Verdict.REFUSED: AlarmKind.AUDIT_REFUSED,
    Verdict.LATE: AlarmKind.AUDIT_LATE,
}
log = structlog.get_logger()


@dataclass(frozen=True)
class Judged:
    """What an opening comes to; `code` (32 bytes) only where it holds."""

    verdict: Verdict
    problem: str | None = None
    code: bytes | None = field(default=None, repr=False)
    epoch: int | None = None
    held: bool | None = None


def judge(opening: OpeningOf, key: bytes, subject_hash: str) -> Judged:
    """Whether code and randomness, under the institution's public key (32 bytes), give the logged hash."""
    try:
        code, randomness = from_b64(opening.code, "code"), from_b64(opening.randomness, "randomness")
        subject = encrypt(code, key, randomness)
    except Problem as problem:
        return Judged(Verdict.CONTRADICTED, problem.code, epoch=opening.epoch)
    if not hmac.compare_digest(hashlib.sha256(subject).hexdigest(), subject_hash):
        return Judged(Verdict.CONTRADICTED, epoch=opening.epoch)
    return Judged(Verdict.OPENED, None, code, opening.epoch, opening.held)


class AuditDesk:
    """The auditor. `round` is called about every half second, from one thread; the rest is safe for many."""

    def __init__(self, edge: Edge, store: AuditStore, evidence: Evidence, sender: Sender) -> None:
        self._edge = edge
        self._store = store
        self._evidence = evidence
        self._sender = sender
        self._asked: dict[int, datetime] = {}

    def fits(self, ordered: Ordered) -> None:
        """Look at an order to audit before it is given. Raises Problem(audit.not_logged, value.invalid)."""
        audit, institution = ordered.audit, ordered.institution
        if audit is None or institution is None:
            return
        if audit.due_at <= self._edge.clock.now():
            raise Problem("value.invalid", audit.due_at.isoformat(), "due_at", "a day that is still to come")
        for inquiry in audit.inquiries:
            self._record(institution, inquiry)

    def round(self) -> None:
        """Ask for every audit that is open, and conclude those that are answered, or past their day."""
        for audit in self._store.open():
            now = self._edge.clock.now()
            if now < self._asked.get(audit.number, now):
                continue
            self._asked[audit.number] = now + ASK_AGAIN
            try:
                concluded = self._look_at(audit, now)
            except Problem as problem:  # operators or log cannot be read now
                log.warning("audit.waiting", index=audit.number, code=problem.code)
                continue
            if concluded:
                self._asked.pop(audit.number)

    def show(self, envelope: Envelope, peer: PartyId) -> Audits:
        """Audits with their findings, for the officer. Raises Problem of a signature or age, peer.not_allowed."""
        message = self._edge.open(envelope, ShowAudits, peer, lambda party: party == OFFICER).value
        shown = []
        for kept in self._store.kept(message.number):
            signed = self._edge.read(kept.order, Order, self._edge.party)
            ordered = signed.value.ordered
            if ordered.audit is None or ordered.institution is None:
                continue
            shown.append(
                AuditShown(
                    number=kept.number,
                    order_hash=signed.envelope.digest(),
                    institution=ordered.institution,
                    reason=ordered.reason,
                    demanded=ordered.audit,
                    concluded=kept.concluded_at is not None,
                    findings=tuple(FindingShown(finding=f.finding, disclosed=f.disclosed) for f in kept.findings),
                )
            )
        return Audits(in_reply_to=message.message_id, audits=tuple(shown))

    def _look_at(self, audit: OpenAudit, now: datetime) -> bool:
        signed = self._edge.read(audit.order, Order, self._edge.party)
        ordered, institution = signed.value.ordered.audit, signed.value.ordered.institution
        if ordered is None or institution is None:
            raise Problem("value.invalid", f"order {audit.number} audits nothing")
        logged = next(
            (one for one in self._store.records_about(f"order/{signed.envelope.digest()}") if one.verified), None
        )
        if logged is None or set(audit.replies) != set(OPERATORS):
            return False  # not in the log yet, or not seen by both: nothing may be asked
        late = [Judged(Verdict.LATE)] * len(ordered.inquiries)
        if now > audit.due_at:
            return self._conclude(signed, late, None, now)
        message = self._edge.message(
            OpenInquiries,
            party_id(institution, "exchange"),
            order=audit.order,
            logged=logged.logged,
            seen=audit.replies[OPERATORS[1]],
        )
        try:
            answer = self._sender.send("/openings", message, InquiriesOpened)
        except Problem as problem:
            if self._edge.clock.now() > audit.due_at:
                return self._conclude(signed, late, None, self._edge.clock.now())
            if problem.status >= 500 or problem.code in ("message.stale", "quota.exceeded"):
                raise
            refused = [Judged(Verdict.REFUSED, problem.code)] * len(ordered.inquiries)
            return self._conclude(signed, refused, None, now)
        now = self._edge.clock.now()
        if now > audit.due_at:
            return self._conclude(signed, late, answer, now)
        judged = self._judge_all(institution, ordered, answer.value, signed.envelope.digest())
        return self._conclude(signed, judged, answer, now)

    def _judge_all(
        self, institution: str, ordered: AuditOrdered, answer: InquiriesOpened, order_hash: str
    ) -> list[Judged]:
        if answer.order_hash != order_hash:
            return [Judged(Verdict.REFUSED, "message.malformed")] * len(ordered.inquiries)
        opened = {one.inquiry: one for one in answer.opened}
        return [self._judge(institution, one, opened.get(one), order_hash) for one in ordered.inquiries]

    def _judge(self, institution: str, inquiry: Audited, opened: Opened | None, order_hash: str) -> Judged:
        if opened is None or opened.opening is None:
            code = opened.problem if opened is not None and opened.problem in CATALOGUE else "message.malformed"
            return Judged(Verdict.REFUSED, code)
        info = opening_binding(inquiry, institution, self._edge.party, order_hash)
        try:
            plain = open_sealed(from_b64(opened.opening, "opening"), self._edge.identity.sealing_key, info)
            opening = OpeningOf.model_validate_json(plain)
        except ValidationError as error:
            return Judged(Verdict.REFUSED, malformed(error, "OpeningOf").code)
        except Problem as problem:
            return Judged(Verdict.REFUSED, problem.code)
        try:
            key = self._public_key(domain_label(institution, opening.epoch))
        except Problem as problem:
            if problem.code not in ("codes.epoch_closed", "institution.format", "value.invalid"):
                raise
            return Judged(Verdict.CONTRADICTED, "value.invalid", epoch=opening.epoch)  # no operator has opened it
        return judge(opening, key, self._record(institution, inquiry).logged.record.subject_hash or "")

    def _record(self, institution: str, inquiry: Audited) -> FoundRecord:
        """The log's record of an inquiry. Raises Problem(audit.not_logged)."""
        for found in self._store.records_about(inquiry.transaction):
            record = found.logged.record
            here = record.entry is EntryKind.REQUEST and record.requester == institution and found.verified
            if here and record.subject_hash is not None and _place_of(record) == inquiry.position:
                return found
        raise Problem(
            "audit.not_logged",
            f"transaction {inquiry.transaction}, place {inquiry.position}",
            where="transaction",
            expected=f"a request of {institution} in the verified log",
            advice="What was logged a moment ago is verified within some seconds: try again.",
        )

    def _public_key(self, label: str) -> bytes:
        """As both operators compute it. Raises Problem(peer.unreachable), and codes.proof_invalid when they differ."""
        keys = {
            self._sender.send("/domain-keys", self._edge.message(KeyOf, operator, label=label), DomainKey).value.key
            for operator in OPERATORS
        }
        if len(keys) != 1:
            self._evidence.alarm(Alarm(AlarmKind.KEYS_DIFFER, f"both operators' keys of {label}"))
            raise Problem("codes.proof_invalid", f"the operators state different public keys of {label}")
        return from_b64(keys.pop(), "key")

    def _conclude(
        self, order: Signed[Order], judged: Sequence[Judged], answer: Signed[InquiriesOpened] | None, now: datetime
    ) -> bool:
        ordered, institution = order.value.ordered.audit, order.value.ordered.institution
        assert ordered is not None and institution is not None  # noqa: S101, PT018 - looked at in _look_at
        digest, number = order.envelope.digest(), order.value.number
        persons: dict[bytes, int] = {}
        disclosed = {one.inquiry: one.disclosed for one in answer.value.opened} if answer is not None else {}
        found, alarms = [], []
        for inquiry, one in zip(ordered.inquiries, judged, strict=True):
            record = self._record(institution, inquiry)
            finding = AuditFinding(
                number=number,
                order_hash=digest,
                institution=institution,
                inquiry=inquiry,
                verdict=one.verdict,
                log_index=record.index,
                subject_hash=record.logged.record.subject_hash or "",
                proof=self._evidence.proof_of(record),
                answer_hash=answer.envelope.digest() if answer is not None else None,
                problem=one.problem,
                person=None if one.code is None else persons.setdefault(one.code, len(persons) + 1),
                epoch=one.epoch,
                held=one.held,
                found_at=now,
            )
            signed = self._edge.answer(finding)
            found.append(Found(one.verdict.value, signed, disclosed.get(inquiry) if ordered.disclose else None))
            if one.verdict in _ALARMS:
                what = f"order {number}: {institution}, transaction {inquiry.transaction}, place {inquiry.position}"
                alarms.append(Alarm(_ALARMS[one.verdict], what, signed.model_dump_json()))
        kept = answer.envelope if answer is not None and alarms else None
        self._store.conclude(number, found, alarms, kept, now)
        log.warning("audit", index=number, institution=institution, count=len(alarms))
        return True


def _place_of(record: object) -> int:
    """The person's place in a batch, which the record of a single inquiry does not have."""
    place: int | None = getattr(record, "position", None)
    return place or 0
