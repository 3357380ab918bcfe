"""Audits ordered (開示監査簿): which are open, the log's records they are about, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.inquiry import LoggedRecord, LogRecord
from kumihimo.roles.oversight.service.alarms import Alarm
from kumihimo.roles.oversight.store import tables as t
from kumihimo.roles.oversight.store.findings import raise_alarm
from kumihimo.roles.oversight.store.tables import EntryState


@dataclass(frozen=True)
class FoundRecord:
    """A record as operator 1 handed it over, and whether the verified log holds it at its index."""

    index: int
    logged: LoggedRecord
    salt: bytes
    verified: bool


@dataclass(frozen=True)
class OpenAudit:
    """An audit that is not concluded: its signed order, and what each operator signed when it had carried it out."""

    number: int
    order: Envelope
    due_at: datetime
    replies: dict[str, Envelope]


@dataclass(frozen=True)
class Found:
    """One finding as it is kept: `disclosed` is sealed to the officer."""

    verdict: str
    finding: Envelope
    disclosed: str | None = None


@dataclass(frozen=True)
class AuditKept:
    """An audit with its findings so far, in the order of its inquiries."""

    number: int
    order: Envelope
    concluded_at: datetime | None
    findings: tuple[Found, ...]


class AuditStore:
    """The book of audits. Safe for many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def records_about(self, about: str) -> list[FoundRecord]:
        """The records of a transaction number, or of an order (`order/` and its digest), in the order of the log."""
        matched = (t.log_entry.c.log_index == t.record.c.log_index) & (
            t.log_entry.c.commitment == t.record.c.commitment
        )
        query = (
            select(t.record, t.log_entry.c.state)
            .outerjoin(t.log_entry, matched)
            .where(t.record.c.about == about)
            .order_by(t.record.c.log_index)
        )
        with self._engine.connect() as conn:
            return [
                FoundRecord(
                    row.log_index,
                    LoggedRecord(
                        record=LogRecord.model_validate_json(row.record),
                        salt=b64(bytes(row.salt)),
                        promise=Envelope.model_validate_json(row.promise),
                    ),
                    bytes(row.salt),
                    row.state == EntryState.MATCHED,
                )
                for row in conn.execute(query)
            ]

    def open(self) -> list[OpenAudit]:
        """What is not concluded, oldest first."""
        query = (
            select(t.audit.c.number, t.audit.c.due_at, t.order.c.envelope)
            .join(t.order, t.order.c.number == t.audit.c.number)
            .where(t.audit.c.concluded_at.is_(None))
            .order_by(t.audit.c.number)
        )
        done = select(t.order_in_force.c.operator, t.order_in_force.c.reply).where(
            t.order_in_force.c.reply.is_not(None)
        )
        with self._engine.connect() as conn:
            return [
                OpenAudit(
                    row.number,
                    Envelope.model_validate_json(row.envelope),
                    row.due_at,
                    {
                        operator: Envelope.model_validate_json(reply)
                        for operator, reply in conn.execute(done.where(t.order_in_force.c.number == row.number))
                    },
                )
                for row in conn.execute(query).all()
            ]

    def conclude(
        self, number: int, found: Sequence[Found], alarms: Sequence[Alarm], answer: Envelope | None, at: datetime
    ) -> bool:
        """Keep all that was found of an audit, with its alarms, once; False when it was concluded before."""
        values = {"concluded_at": at, "answer": answer.model_dump_json() if answer is not None else None}
        still = (t.audit.c.number == number) & t.audit.c.concluded_at.is_(None)
        with self._engine.begin() as conn:
            if conn.execute(update(t.audit).where(still).values(values)).rowcount == 0:
                return False
            rows = [
                {
                    "number": number,
                    "place": place,
                    "verdict": one.verdict,
                    "finding": one.finding.model_dump_json(),
                    "disclosed": one.disclosed,
                }
                for place, one in enumerate(found)
            ]
            conn.execute(insert(t.audit_finding), rows)
            for alarm in alarms:
                raise_alarm(conn, alarm, at)
        return True

    def kept(self, number: int | None = None) -> list[AuditKept]:
        """Audits with their findings, newest first; one where its order is named."""
        query = (
            select(t.audit.c.number, t.audit.c.concluded_at, t.order.c.envelope)
            .join(t.order, t.order.c.number == t.audit.c.number)
            .order_by(t.audit.c.number.desc())
        )
        if number is not None:
            query = query.where(t.audit.c.number == number)
        found: dict[int, list[Found]] = {}
        with self._engine.connect() as conn:
            rows = conn.execute(query).all()
            wanted = t.audit_finding.c.number.in_([row.number for row in rows])
            for one in conn.execute(select(t.audit_finding).where(wanted).order_by(t.audit_finding.c.place)):
                finding = Found(one.verdict, Envelope.model_validate_json(one.finding), one.disclosed)
                found.setdefault(one.number, []).append(finding)
        return [
            AuditKept(
                row.number,
                Envelope.model_validate_json(row.envelope),
                row.concluded_at,
                tuple(found.get(row.number, ())),
            )
            for row in rows
        ]
