"""The queue of inquiries that wait for a person (手動応答待ち): what an officer decided, until the requester fetches it.

The decision is kept, not yet an answer: the answer is made when it is fetched, in one transaction with a last look at the
flags (I7), with its record and with its report to the platform.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, select

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.roles.gateway.store.commits import Commit, OneByOne
from kumihimo.roles.gateway.store.copies import StoredCopy, StoredFlag
from kumihimo.roles.gateway.store.exchange import by_hand, provision, sealed_answer
from kumihimo.roles.gateway.store.links import LinkStore
from kumihimo.roles.gateway.store.outbox import Report, append_report
from kumihimo.roles.gateway.store.provisions import Answered, KeptAnswer, keep_answer
from kumihimo.roles.gateway.store.records import AccessRecord, Side, read_record, replace_record


@dataclass(frozen=True)
class Decision:
    """What an officer decided; the items only when something is to be provided."""

    outcome: Outcome
    items: tuple[DatedItem, ...]
    staff: str
    department: str


@dataclass(frozen=True)
class Waiting:
    """An inquiry of the queue: its record, its deadline, its permit, and what was decided, if anything."""

    record: AccessRecord
    due_at: datetime
    permit: Envelope
    decision: Decision | None
    released_at: datetime | None


class Final(Protocol):
    """The final answer as it is written down."""

    @property
    def record(self) -> AccessRecord: ...
    @property
    def report(self) -> Report: ...
    @property
    def kept(self) -> KeptAnswer: ...


F = TypeVar("F", bound=Final)


class ByHandStore:
    """One institution's queue in a database."""

    def __init__(self, engine: Engine, institution: str, commit: Commit | None = None) -> None:
        self._engine = engine
        self._institution = institution
        self._commit = commit or OneByOne(engine)
        self._links = LinkStore(engine, institution)

    def undecided(self) -> list[Waiting]:
        """What nobody has answered yet, the one due first first."""
        query = select(by_hand.c.transaction).where(
            by_hand.c.institution == self._institution, by_hand.c.decided_at.is_(None)
        )
        with self._engine.connect() as conn:
            found = conn.execute(query.order_by(by_hand.c.due_at, by_hand.c.transaction)).scalars().all()
            return [waiting for waiting in (self._find(conn, one) for one in found) if waiting is not None]

    def find(self, transaction: str) -> Waiting | None:
        """One inquiry of the queue, decided or not."""
        with self._engine.connect() as conn:
            return self._find(conn, transaction)

    def copies(self, waiting: Waiting) -> list[StoredCopy]:
        """The copies that would answer it."""
        record = waiting.record
        with self._engine.connect() as conn:
            family = self._links.person(conn, record.addressee_number or "")
            return self._links.held(conn, family, record.items, record.period)

    def decide(self, transaction: str, decision: Decision, at: datetime) -> None:
        """Write an officer's decision, once. Raises Problem(answer.decided) for a second one."""
        values = {
            "decided_at": at,
            "staff": decision.staff,
            "department": decision.department,
            "outcome": decision.outcome,
            "items": json.dumps([item.model_dump(mode="json") for item in decision.items]),
        }
        undecided = self._this(transaction) & by_hand.c.decided_at.is_(None)

        def work(conn: Connection) -> None:
            if conn.execute(by_hand.update().where(undecided).values(values)).rowcount != 1:
                raise already_decided(transaction)

        self._commit(work)

    def release(
        self, transaction: str, now: datetime, answer: Callable[[Waiting, Decision, Sequence[StoredFlag]], F]
    ) -> Answered | None:
        """The final answer; None while nobody has decided. Written down the first time, given again while it is kept.

        `answer` makes it of the decision and of the flags that stand now; it does nothing else. Given again, it is
        compared with what the flags allow now: data that were protected since do not go out. Raises
        Problem(transaction.unknown, permit.used), and whatever `answer` raises, with nothing written.
        """

        def work(conn: Connection) -> Answered | None:
            waiting = self._find(conn, transaction)
            if waiting is None:
                raise unknown(transaction)
            if waiting.decision is None:
                return None
            flags = self._links.flags(conn, self._links.person(conn, waiting.record.addressee_number or ""))
            final = answer(waiting, waiting.decision, flags)
            if waiting.released_at is None:
                self._write(conn, final, now)
                return _answered(final, waiting, now, final.kept.sealed)
            kept = self._kept(conn, transaction, now)
            if kept is None or final.report.outcome is not waiting.record.outcome:
                raise no_longer(transaction)
            return _answered(final, waiting, waiting.released_at, kept)

        return self._commit(work)

    def _write(self, conn: Connection, final: Final, now: datetime) -> None:
        record = final.record
        conn.execute(
            provision.update()
            .where(provision.c.institution == self._institution, provision.c.transaction == record.transaction)
            .values(outcome=record.outcome, payload_hash=record.payload_hash, answered_at=now)
        )
        conn.execute(by_hand.update().where(self._this(record.transaction)).values(released_at=now, items=None))
        keep_answer(conn, self._institution, record.transaction, final.kept)
        replace_record(conn, self._institution, record)
        append_report(conn, self._institution, final.report, now)

    def _kept(self, conn: Connection, transaction: str, now: datetime) -> bytes | None:
        query = select(sealed_answer.c.sealed).where(
            sealed_answer.c.institution == self._institution,
            sealed_answer.c.transaction == transaction,
            sealed_answer.c.kept_until > now,
        )
        found = conn.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def _find(self, conn: Connection, transaction: str) -> Waiting | None:
        query = select(by_hand, provision.c.permit).join(
            provision,
            (provision.c.institution == by_hand.c.institution) & (provision.c.transaction == by_hand.c.transaction),
        )
        row = conn.execute(query.where(self._this(transaction))).one_or_none()
        record = read_record(conn, self._institution, transaction, Side.PROVIDER)
        if row is None or record is None:
            return None
        return Waiting(record, row.due_at, Envelope.model_validate_json(row.permit), _decision(row), row.released_at)

    def _this(self, transaction: str) -> Any:
        return (by_hand.c.institution == self._institution) & (by_hand.c.transaction == transaction)


def _decision(row: Any) -> Decision | None:
    if row.decided_at is None:
        return None
    items = tuple(DatedItem.model_validate(item) for item in json.loads(row.items or "[]"))
    return Decision(Outcome(row.outcome), items, row.staff, row.department)


def _answered(final: Final, waiting: Waiting, at: datetime, sealed: bytes) -> Answered:
    return Answered(final.record.transaction, final.report.outcome, waiting.permit.digest(), at, sealed)


def unknown(transaction: str) -> Problem:
    """No inquiry of the queue has this number."""
    return Problem(
        "transaction.unknown", transaction, "transaction", "an inquiry that was left to a person here",
        "`kumihimo pending list` shows those that wait.",
    )  # fmt: skip


def already_decided(transaction: str) -> Problem:
    """An inquiry is answered once."""
    return Problem("answer.decided", transaction, "transaction", "an inquiry that nobody has answered yet")


def no_longer(transaction: str) -> Problem:
    """An answer that was given and is not given again."""
    return Problem(
        "permit.used", f"transaction {transaction} was answered, and the answer is not kept any longer", "permit",
        advice="Make a new inquiry.",
    )  # fmt: skip
