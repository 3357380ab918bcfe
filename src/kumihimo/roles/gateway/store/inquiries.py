"""Inquiries of one institution (情報照会): written before they leave the house, closed with what came of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, String, bindparam, select
from sqlalchemy.exc import IntegrityError

from kumihimo.domain.kernel.numbers import AddresseeNumber
from kumihimo.plumbing.storage import Statement
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.exchange import batch_chunk, inquiry, staff_right
from kumihimo.roles.gateway.store.outbox import Report, append_report
from kumihimo.roles.gateway.store.records import AccessRecord, replace_record
from kumihimo.roles.gateway.store.upserts import upsert

ANY_AFFAIR: Final = "*"


_DEPARTMENTS = Statement(
    select(staff_right.c.affair, staff_right.c.department).where(
        staff_right.c.institution == bindparam("institution"),
        staff_right.c.staff == bindparam("staff"),
        staff_right.c.affair.in_((bindparam("affair", type_=String), ANY_AFFAIR)),
    )
)
_OPENED = (
    "institution", "transaction", "addressee_number", "case_reference", "case_salt", "provider", "affair", "items",
    "since", "until", "epoch", "subject_hash", "asked_at", "staff", "department", "request",
)  # fmt: skip
_OPEN = Statement(inquiry.insert(), _OPENED)
_THIS = inquiry.update().where(
    inquiry.c.institution == bindparam("of_institution"), inquiry.c.transaction == bindparam("of_transaction")
)
_CLOSED = ("closed_at", "outcome", "problem", "decision")
_CLOSE, _LEAVE_PENDING = Statement(_THIS, _CLOSED), Statement(_THIS, (*_CLOSED, "pending_at"))


@dataclass(frozen=True)
class OpenInquiry:
    """An inquiry as it is sent; `case_salt` opens the case reference's hash, `epoch` the domain of the subject.

    `request` is what was signed, as JSON: sent again, it is the same to the byte.
    """

    transaction: str
    addressee_number: AddresseeNumber
    case_reference: str
    case_salt: bytes = field(repr=False)
    provider: str
    affair: str
    items: tuple[str, ...]
    period: Period
    epoch: int
    subject_hash: str
    asked_at: datetime
    staff: str
    department: str
    request: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class PastInquiry:
    """An inquiry with what came of it so far; `pending` once the provider left it to a person."""

    opened: OpenInquiry
    outcome: Outcome | None
    decision: Envelope | None
    pending: bool


@dataclass(frozen=True)
class Closing:
    """How an inquiry ended: with an outcome or with a problem; `report` is what the platform still has to be told."""

    record: AccessRecord
    decision: Envelope | None = None
    report: Report | None = None


class InquiryStore:
    """One institution's inquiries and the rights of its staff in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)

    def department(self, staff: str, affair: str) -> str | None:
        """The department in which a staff member may handle this affair; None: may not."""
        asked = {"institution": self._institution, "staff": staff, "affair": affair}
        with self._engine.connect() as conn:
            departments = {row.affair: row.department for row in _DEPARTMENTS.rows(conn, **asked)}
        return departments.get(affair, departments.get(ANY_AFFAIR))

    def grant(self, staff: str, affair: str, department: str) -> None:
        """Let a staff member handle an affair, or every affair ("*"), in a department."""
        row = {"institution": self._institution, "staff": staff, "affair": affair, "department": department}
        with self._engine.begin() as conn:
            upsert(conn, staff_right, [row])

    def revoke(self, staff: str, affair: str) -> None:
        """Take that right back."""
        with self._engine.begin() as conn:
            conn.execute(
                staff_right.delete().where(
                    staff_right.c.institution == self._institution,
                    staff_right.c.staff == staff,
                    staff_right.c.affair == affair,
                )
            )

    def open(self, opened: OpenInquiry) -> bool:
        """Write an inquiry durably before it is sent; False when there is one with this number, which stays as it is."""
        values = {
            "institution": self._institution,
            "transaction": opened.transaction,
            "addressee_number": opened.addressee_number.digits,
            "case_reference": opened.case_reference,
            "case_salt": opened.case_salt,
            "provider": opened.provider,
            "affair": opened.affair,
            "items": json.dumps(opened.items),
            "since": opened.period.since,
            "until": opened.period.until,
            "epoch": opened.epoch,
            "subject_hash": opened.subject_hash,
            "asked_at": opened.asked_at,
            "staff": opened.staff,
            "department": opened.department,
            "request": opened.request,
        }
        try:
            self._commit(lambda conn: _OPEN.write(conn, values))
        except IntegrityError:
            return False
        return True

    def close(self, closing: Closing) -> None:
        """Close an inquiry with its access record, and with its report where one is due, in one transaction.

        One that was closed already and was taken up again is closed anew; its record takes the earlier one's place.
        """
        record = closing.record
        closed = {
            "of_institution": self._institution,
            "of_transaction": record.transaction,
            "closed_at": record.recorded_at,
            "outcome": record.outcome,
            "problem": record.problem,
            "decision": closing.decision.model_dump_json() if closing.decision else None,
        }
        pending = record.outcome is Outcome.PENDING
        if pending:
            closed["pending_at"] = record.recorded_at

        def work(conn: Connection) -> None:
            (_LEAVE_PENDING if pending else _CLOSE).write(conn, closed)
            replace_record(conn, self._institution, record)
            if closing.report:
                append_report(conn, self._institution, closing.report, record.recorded_at)

        self._commit(work)

    def find(self, transaction: str) -> OpenInquiry | None:
        """An inquiry as it was sent."""
        found = self._read(inquiry.c.transaction == transaction)
        return found[0] if found else None

    def past(self, transaction: str) -> PastInquiry | None:
        """An inquiry with what came of it so far."""
        query = select(inquiry).where(inquiry.c.institution == self._institution, inquiry.c.transaction == transaction)
        with self._engine.connect() as conn:
            row = conn.execute(query).one_or_none()
            decision = row.decision if row is not None else None
            if row is not None and row.chunk is not None:
                decision = conn.scalar(self._decision_on(row.chunk))
        if row is None:
            return None
        return PastInquiry(
            _opened(row),
            Outcome(row.outcome) if row.outcome else None,
            Envelope.model_validate_json(decision) if decision else None,
            row.pending_at is not None,
        )

    def _decision_on(self, chunk: str) -> Select[tuple[str | None]]:
        """The decision on the chunk of a batch with which an inquiry was asked."""
        return select(batch_chunk.c.decision).where(
            batch_chunk.c.institution == self._institution, batch_chunk.c.transaction == chunk
        )

    def unfinished(self) -> list[OpenInquiry]:
        """Inquiries that were sent and never closed, oldest first."""
        return self._read(inquiry.c.closed_at.is_(None))

    def outcome(self, transaction: str) -> Outcome | None:
        """What came of an inquiry; None while it is open or when it ended in a problem."""
        query = select(inquiry.c.outcome).where(
            inquiry.c.institution == self._institution, inquiry.c.transaction == transaction
        )
        with self._engine.connect() as conn:
            found = conn.execute(query).scalar_one_or_none()
        return Outcome(found) if found else None

    def _read(self, condition: ColumnElement[bool]) -> list[OpenInquiry]:
        query = select(inquiry).where(inquiry.c.institution == self._institution, condition)
        with self._engine.connect() as conn:
            return [_opened(row) for row in conn.execute(query.order_by(inquiry.c.asked_at))]


def _opened(row: Any) -> OpenInquiry:
    return OpenInquiry(
        transaction=row.transaction,
        addressee_number=AddresseeNumber(row.addressee_number),
        case_reference=row.case_reference,
        case_salt=bytes(row.case_salt),
        provider=row.provider,
        affair=row.affair,
        items=tuple(json.loads(row.items)),
        period=Period(since=row.since, until=row.until),
        epoch=row.epoch,
        subject_hash=row.subject_hash,
        asked_at=row.asked_at,
        staff=row.staff,
        department=row.department,
        request=row.request,
    )
